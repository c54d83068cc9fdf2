/*
 * The recorded steps of a membership: what membership_rules.c decided, written with everything that
 * follows from it in one commit.  The order of the fields is that of the composite types in
 * migrations/0004_create_membership.sql.
 */
#include "base/bug.h"
#include "base/fail_point.h"
#include "base/text.h"
#include "membership/entitlement_cache.h"
#include "membership/membership_store.h"
#include "membership/statements.h"
#include "pg/replay.h"

#define STEP_PARAMS_MAX 80

/* The parameters of one step, put together piece by piece. */
struct step {
    struct call *call;
    struct pg_param list[STEP_PARAMS_MAX];
    size_t count;
};

static void put(struct step *step, struct pg_params params)
{
    if (step->count + params.count > STEP_PARAMS_MAX)
        bug("a step has more than %d parameters", STEP_PARAMS_MAX);
    memcpy(&step->list[step->count], params.list, params.count * sizeof(params.list[0]));
    step->count += params.count;
}

static struct pg_params params_of(const struct step *step)
{
    return (struct pg_params){.list = step->list, .count = step->count};
}

static void put_change(struct step *step, const struct decision *decision)
{
    const struct membership *after = &decision->after;
    /* New for each decision: a step that is run again finds that it was done. */
    struct uuid change = uuid_make(step->call->house->random, step->call->now_us);

    put(step,
        PG_PARAMS(pg_uuid(after->id), pg_int64(after->version), pg_uuid(change),
                  pg_text(membership_state_name(after->state)),
                  pg_uuid_or_null(after->payment_method), pg_time(after->anchor_us),
                  pg_int32(after->period_index), pg_time(after->period_start_us),
                  pg_time_or_null(after->period_end_us), pg_time_or_null(after->access_end_us),
                  pg_time_or_null(after->next_charge_us), pg_bool(after->cancel_at_period_end),
                  pg_time_or_null(after->cancel_us), pg_time_or_null(after->end_us),
                  pg_int32(after->retry_number), pg_uuid_or_null(after->pending_payment),
                  pg_uuid_or_null(after->latest_invoice),
                  pg_text(after->decline_code[0] != '\0' ? after->decline_code : NULL),
                  pg_time_or_null(after->decline_us), pg_text(decision->event)));
}

static void put_owed(struct step *step, const struct membership *after)
{
    struct owed owed = membership_owed(step->call->arena, after, step->call->house->settings);

    put(step, PG_PARAMS(pg_text(owed.kind[0]), pg_text(owed.business_key[0]),
                        pg_time_or_null(owed.due_us[0]), pg_text(owed.kind[1]),
                        pg_text(owed.business_key[1]), pg_time_or_null(owed.due_us[1])));
}

static void put_intent(struct step *step, const struct membership *membership)
{
    put(step,
        PG_PARAMS(pg_text(membership->plan), pg_text(membership->tier),
                  pg_text(membership->price.currency), pg_int64(membership->price.minor_units),
                  pg_int32(membership->period_months), pg_time_or_null(membership->trial_end_us)));
}

static void put_invoice(struct step *step, const struct invoice_intent *invoice)
{
    static const struct invoice_intent none = {.total = {.currency = ""}};

    if (invoice == NULL)
        invoice = &none;
    put(step, PG_PARAMS(pg_uuid_or_null(invoice->id), pg_time_or_null(invoice->due_us),
                        pg_time_or_null(invoice->period.start_us),
                        pg_time_or_null(invoice->period.end_us), pg_text(invoice->total.currency),
                        pg_int64(invoice->total.minor_units), pg_text(invoice->description)));
}

static void put_hold(struct step *step, const struct obligation *obligation)
{
    if (obligation == NULL)
        put(step, PG_PARAMS(pg_null(PG_TEXT), pg_null(PG_TEXT), pg_null(PG_INT64)));
    else
        put(step, PG_PARAMS(pg_text(obligation->kind), pg_text(obligation->business_key),
                            pg_int64(obligation->epoch)));
}

static void put_key(struct step *step, const struct obligation *obligation)
{
    struct call *call = step->call;

    if (obligation == NULL)
        put(step, PG_PARAMS(REPLAY_PARAMS(call)));
    else
        put(step,
            PG_PARAMS(pg_null(PG_TEXT), pg_null(PG_TEXT), pg_null(PG_TEXT), pg_null(PG_BYTES)));
}

/* Also a step that failed may have been recorded, or may yet be: then the feed tells. */
static const struct error *run(struct step *step, struct uuid customer,
                               const struct pg_statement *statement, struct pg_rows *rows)
{
    const struct error *error =
        FAIL_STEP(step->call, "membership.step", statement->name,
                  pg_write(step->call, customer, statement, params_of(step), rows));

    entitlement_cache_forget(step->call->house->entitlements, customer);
    return error;
}

/* What a step of a customer's request answers. */
static const struct error *read_request_outcome(struct call *call, const struct pg_rows *rows,
                                                enum step_outcome *outcome)
{
    const char *text = pg_get_text(rows, 0, "outcome");
    bool replayed = false;

    if (text_equal(text, "running"))
        *outcome = STEP_RUNNING;
    else if (text_equal(text, "exists"))
        *outcome = STEP_EXISTS;
    else if (text_equal(text, "pending"))
        *outcome = STEP_PENDING;
    else if (text_equal(text, "trial_used"))
        *outcome = STEP_TRIAL_USED;
    else if (text_equal(text, "stale"))
        *outcome = STEP_STALE;
    else if (text_equal(text, "lost"))
        *outcome = STEP_LOST;
    else if (text_equal(text, "refused"))
        *outcome = STEP_REFUSED;
    else {
        TRY(replay_outcome(call, rows, &replayed));
        *outcome = replayed ? STEP_REPLAYED : STEP_DONE;
    }
    return NULL;
}

const struct pg_statement membership_open_statement = {
    .name = "membership_open",
    .sql = "SELECT * FROM membership_open("
           " $1,"
           " ROW($2,$3,$4,$5)::request_key,"
           " ROW($6,$7,$8,$9,$10,$11)::membership_intent,"
           " ROW($12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,$28,$29,$30,$31)::"
           "membership_change,"
           " ROW($32,$33,$34,$35,$36,$37,$38)::invoice_intent,"
           " ROW($39,$40,$41,$42,$43,$44,$45,$46,$47,$48,$49,false)::charge_intent,"
           " ROW($50,$51,$52,$53,$54,$55)::membership_owed,"
           " $56)",
};

const struct error *membership_step_open(struct call *call, const struct decision *decision,
                                         const struct invoice_intent *invoice,
                                         const struct charge *charge, int64_t now_us,
                                         enum step_outcome *outcome, struct uuid *object)
{
    struct step step = {.call = call};
    struct pg_rows rows;

    put(&step, PG_PARAMS(pg_uuid(decision->after.customer)));
    put_key(&step, NULL);
    put_intent(&step, &decision->after);
    put_change(&step, decision);
    put_invoice(&step, invoice);
    put(&step, PG_PARAMS(CHARGE_PARAMS(charge)));
    put_owed(&step, &decision->after);
    put(&step, PG_PARAMS(pg_time(now_us)));
    TRY(run(&step, decision->after.customer, &membership_open_statement, &rows));
    TRY(read_request_outcome(call, &rows, outcome));
    *object = pg_get_uuid(&rows, 0, "object_id");
    return NULL;
}

const struct pg_statement membership_start_statement = {
    .name = "membership_start",
    .sql = "SELECT * FROM membership_start("
           " $1,"
           " ROW($2,$3,$4,$5)::request_key,"
           " ROW($6,$7,$8,$9,$10,$11)::membership_intent,"
           " ROW($12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,$28,$29,$30,$31)::"
           "membership_change,"
           " ROW($32,$33,$34,$35,$36,$37)::membership_owed,"
           " $38,"
           " $39)",
};

const struct error *membership_step_start(struct call *call, const struct decision *decision,
                                          struct bytes answer, int64_t now_us,
                                          enum step_outcome *outcome, struct uuid *object)
{
    struct step step = {.call = call};
    struct pg_rows rows;

    put(&step, PG_PARAMS(pg_uuid(decision->after.customer)));
    put_key(&step, NULL);
    put_intent(&step, &decision->after);
    put_change(&step, decision);
    put_owed(&step, &decision->after);
    put(&step, PG_PARAMS(pg_bytes(answer.data, answer.size), pg_time(now_us)));
    TRY(run(&step, decision->after.customer, &membership_start_statement, &rows));
    TRY(read_request_outcome(call, &rows, outcome));
    *object = pg_get_uuid(&rows, 0, "object_id");
    return NULL;
}

const struct pg_statement membership_charge_statement = {
    .name = "membership_charge",
    .sql = "SELECT membership_charge("
           " $1,"
           " ROW($2,$3,$4)::obligation_hold,"
           " ROW($5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24)::"
           "membership_change,"
           " ROW($25,$26,$27,$28,$29,$30,$31)::invoice_intent,"
           " $32,"
           " ROW($33,$34,$35,$36,$37,$38,$39,$40,$41,$42,$43,false)::charge_intent,"
           " ROW($44,$45,$46,$47,$48,$49)::membership_owed,"
           " $50) AS outcome",
};

const struct error *membership_step_charge(struct call *call, const struct obligation *obligation,
                                           const struct decision *decision,
                                           const struct invoice_intent *invoice, int32_t retry,
                                           const struct charge *charge, int64_t now_us,
                                           enum step_outcome *outcome)
{
    struct step step = {.call = call};
    struct pg_rows rows;

    put(&step, PG_PARAMS(pg_uuid(decision->after.customer)));
    put_hold(&step, obligation);
    put_change(&step, decision);
    put_invoice(&step, invoice);
    put(&step, PG_PARAMS(pg_int32(retry), CHARGE_PARAMS(charge)));
    put_owed(&step, &decision->after);
    put(&step, PG_PARAMS(pg_time(now_us)));
    TRY(run(&step, decision->after.customer, &membership_charge_statement, &rows));
    const char *text = pg_get_text(&rows, 0, "outcome");
    *outcome = text_equal(text, "new")     ? STEP_DONE
               : text_equal(text, "stale") ? STEP_STALE
                                           : STEP_LOST;
    return NULL;
}

const struct pg_statement membership_settle_statement = {
    .name = "membership_settle",
    .sql = "SELECT membership_settle("
           " $1,"
           " ROW($2,$3,$4,$5,$6,$7,$8,$9,$43,$44,$45,$46,$47)::settlement,"
           " $10,"
           " $11,"
           " $12,"
           " $13,"
           " ROW($14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,$28,$29,$30,$31,$32,$33)::"
           "membership_change,"
           " ROW($34,$35,$36,$37,$38,$39)::membership_owed,"
           " $40,"
           " $41,"
           " $42) AS outcome",
};

const struct error *membership_step_settle(struct call *call, const struct charge *charge,
                                           const struct gateway_answer *answer,
                                           const struct membership *before,
                                           const struct decision *decision,
                                           enum invoice_state invoice, struct bytes reply,
                                           int64_t now_us, enum step_outcome *outcome)
{
    const struct decision nothing = {.after = *before};
    struct step step = {.call = call};
    struct bytes action;
    struct pg_rows rows;

    TRY(charge_seal_action(call, charge, answer, &action));
    put(&step, PG_PARAMS(pg_uuid(before->customer), SETTLEMENT_PARAMS(charge, answer),
                         pg_uuid(charge->invoice)));
    if (decision == NULL)
        put(&step, PG_PARAMS(pg_null(PG_TEXT), pg_null(PG_TIME), pg_null(PG_TIME)));
    else
        put(&step, PG_PARAMS(pg_text(invoice_state_name(invoice)),
                             pg_time(decision->period.start_us), pg_time(decision->period.end_us)));
    put_change(&step, decision == NULL ? &nothing : decision);
    put_owed(&step, decision == NULL ? before : &decision->after);
    put(&step, PG_PARAMS(pg_text(CREATE_MEMBERSHIP_METHOD),
                         reply.data == NULL ? pg_null(PG_BYTES) : pg_bytes(reply.data, reply.size),
                         pg_time(now_us), SETTLEMENT_MORE(call, charge, answer, action)));
    TRY(run(&step, before->customer, &membership_settle_statement, &rows));
    const char *text = pg_get_text(&rows, 0, "outcome");
    *outcome = text_equal(text, "settled")   ? STEP_DONE
               : text_equal(text, "pending") ? STEP_PENDING
               : text_equal(text, "stale")   ? STEP_STALE
                                             : STEP_LOST;
    return NULL;
}

const struct pg_statement membership_move_statement = {
    .name = "membership_move",
    .sql = "SELECT * FROM membership_move("
           " $1,"
           " ROW($2,$3,$4,$5)::request_key,"
           " ROW($6,$7,$8)::obligation_hold,"
           " ROW($9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27,$28)::"
           "membership_change,"
           " ROW($29,$30,$31,$32,$33,$34,$35)::invoice_intent,"
           " $36,"
           " ROW($37,$38,$39,$40,$41,$42)::membership_owed,"
           " $43,"
           " $44)",
};

const struct error *membership_step_move(struct call *call, const struct obligation *obligation,
                                         const struct decision *decision,
                                         const struct invoice_intent *invoice, struct bytes answer,
                                         int64_t now_us, enum step_outcome *outcome)
{
    struct step step = {.call = call};
    struct pg_rows rows;

    put(&step, PG_PARAMS(pg_uuid(decision->after.customer)));
    put_key(&step, obligation);
    put_hold(&step, obligation);
    put_change(&step, decision);
    put_invoice(&step, invoice);
    put(&step,
        PG_PARAMS(pg_text(decision->open_invoice_ends ? invoice_state_name(decision->open_invoice)
                                                      : NULL)));
    put_owed(&step, &decision->after);
    put(&step,
        PG_PARAMS(answer.data == NULL ? pg_null(PG_BYTES) : pg_bytes(answer.data, answer.size),
                  pg_time(now_us)));
    TRY(run(&step, decision->after.customer, &membership_move_statement, &rows));
    return read_request_outcome(call, &rows, outcome);
}
