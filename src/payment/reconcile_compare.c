/*
 * COMPARE: both sides of the transactions of one bucket.  The database says where sums differ; here
 * is decided what a difference means, after looking at what is recorded now, because the run's
 * lists are some moments old and end somewhere.
 */

#include <inttypes.h>

#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "payment/reconcile.h"

#define BUCKETS   64
#define PAGE_SIZE 100
/* The gateway's list may lack for so long what it says it has done. */
#define LISTED_WITHIN_US US_PER_DAY
#define SILENT           "the gateway does not say what became of it"

/* A transaction that differs. */
struct difference {
    const char *transaction;
    const char *subject; /* of its incident */
    bool is_theirs;
    const char *kind;
    const char *reference;
    const char *acted_on;
    const char *acted_on_reference;
    const char *currency;
    int64_t amount;
    bool is_ours;
    const char *own_currency;
    int64_t own_amount;
    int64_t own_ever; /* of all times, not of this run's list only */
    struct uuid customer;
    struct uuid attempt;
    bool is_due;
    int64_t settled_us;  /* ours: when it was recorded as done */
    int64_t reversed_us; /* ours, a refund: when it was recorded as come back; 0: it was not */
    const char *doubt;   /* as it is noted on its lines; "": none */
};

const struct pg_statement reconcile_differences_statement = {
    .name = "reconcile_differences",
    .sql = "SELECT transaction, t.amount IS NOT NULL AS is_theirs, t.kind, t.reference, t.acted_on,"
           "       t.acted_on_reference, t.currency, coalesce(t.amount, 0) AS amount,"
           "       o.amount IS NOT NULL AS is_ours, o.currency AS own_currency,"
           "       coalesce(o.amount, 0) AS own_amount, o.customer_id, o.attempt_id,"
           "       coalesce(o.is_due, false) AS is_due,"
           "       (SELECT coalesce(sum(attempt_moved(a.operation, a.amount, r.state)), 0)::bigint"
           "          FROM attempt a LEFT JOIN refund r"
           "            ON r.customer_id = a.customer_id AND r.payment_id = a.payment_id"
           "           AND r.refund_id = a.refund_id"
           "         WHERE a.customer_id = o.customer_id AND a.payment_id = p.payment_id"
           "           AND a.gateway_transaction = transaction AND a.state = 'SUCCEEDED')"
           "           AS own_ever,"
           "       (SELECT greatest(o.line_time, max(e.create_time)) FROM ledger_entry e"
           "         WHERE e.customer_id = o.customer_id AND e.group_id = o.attempt_id"
           "           AND e.kind IN ('charge', 'capture', 'refund')) AS settled_time,"
           "       (SELECT max(e.create_time) FROM ledger_entry e"
           "         WHERE e.customer_id = o.customer_id AND e.group_id = o.attempt_id"
           "           AND e.kind = 'refund_reversal') AS reversed_time,"
           "       coalesce(t.doubt, o.doubt) AS doubt"
           "  FROM (SELECT transaction, min(kind) AS kind, max(reference) AS reference,"
           "               max(acted_on) AS acted_on,"
           "               max(acted_on_reference) AS acted_on_reference,"
           "               min(currency)::text AS currency, sum(amount)::bigint AS amount,"
           "               max(doubt) AS doubt"
           "          FROM reconciliation_line"
           "         WHERE reconciliation_id = $1 AND bucket = $2 AND side = 'T'"
           "           AND kind IN ('CHARGE', 'REFUND') AND transaction > $3"
           "           AND ($5::text IS NULL OR transaction = $5)"
           "         GROUP BY transaction) t"
           "  FULL JOIN"
           "       (SELECT transaction, min(line_id)::uuid AS attempt_id,"
           "               min(customer_id::text)::uuid AS customer_id,"
           "               min(currency)::text AS currency, sum(amount)::bigint AS amount,"
           "               bool_and(is_due) AS is_due, max(line_time) AS line_time,"
           "               max(doubt) AS doubt"
           "          FROM reconciliation_line"
           "         WHERE reconciliation_id = $1 AND bucket = $2 AND side = 'O'"
           "           AND transaction > $3 AND ($5::text IS NULL OR transaction = $5)"
           "         GROUP BY transaction) o USING (transaction)"
           "  LEFT JOIN attempt p ON p.customer_id = o.customer_id AND p.attempt_id = o.attempt_id"
           " WHERE (t.amount, t.currency) IS DISTINCT FROM (o.amount, o.currency)"
           " ORDER BY transaction LIMIT $4",
};

static struct difference difference_from_row(const struct pg_rows *rows, size_t row)
{
    return (struct difference){
        .transaction = pg_get_text(rows, row, "transaction"),
        .is_theirs = pg_get_bool(rows, row, "is_theirs"),
        .kind = pg_get_text(rows, row, "kind"),
        .reference = pg_get_text(rows, row, "reference"),
        .acted_on = pg_get_text(rows, row, "acted_on"),
        .acted_on_reference = pg_get_text(rows, row, "acted_on_reference"),
        .currency = pg_get_text(rows, row, "currency"),
        .amount = pg_get_int64(rows, row, "amount"),
        .is_ours = pg_get_bool(rows, row, "is_ours"),
        .own_currency = pg_get_text(rows, row, "own_currency"),
        .own_amount = pg_get_int64(rows, row, "own_amount"),
        .own_ever = pg_get_int64(rows, row, "own_ever"),
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .attempt = pg_get_uuid(rows, row, "attempt_id"),
        .is_due = pg_get_bool(rows, row, "is_due"),
        .settled_us = pg_get_time(rows, row, "settled_time"),
        .reversed_us = pg_get_time(rows, row, "reversed_time"),
        .doubt = pg_get_text(rows, row, "doubt"),
    };
}

static struct reconcile_finding finding_of(const struct difference *difference,
                                           enum incident_kind kind, const char *detail)
{
    return (struct reconcile_finding){
        .customer = difference->customer,
        .kind = kind,
        .subject = difference->subject,
        .detail = detail,
        .attempt = difference->attempt,
        .transaction = difference->transaction,
        .currency = difference->is_theirs ? difference->currency : difference->own_currency,
        .amount = difference->is_theirs ? difference->amount : difference->own_amount,
    };
}

/* Nothing was captured as far as we know, nor is being captured. */
static const struct error *is_only_held(struct call *call, struct uuid customer,
                                        const struct attempt *attempt, bool *only_held)
{
    struct payment payment;

    *only_held = false;
    if (attempt->operation != GATEWAY_AUTHORIZE)
        return NULL;
    TRY(payment_load(call, customer, attempt->payment, &payment));
    *only_held = payment.captured_minor == 0 && payment.capture_pending_minor == 0;
    return NULL;
}

/* The gateway has it, and its reference is that of an attempt of ours. */
static const struct error *judge_referred(struct call *call, const struct reconciliation *run,
                                          const struct difference *difference,
                                          const struct attempt *attempt, int64_t *mended)
{
    struct reconcile_finding finding =
        finding_of(difference, INCIDENT_STATUS_DIFFERS,
                   arena_printf(call->arena, "the gateway lists %" PRId64 " %s, recorded is %s %s",
                                difference->amount, difference->currency,
                                attempt_state_name(attempt->state), attempt->transaction));
    bool only_held;
    bool hurried;

    finding.attempt = attempt->id;
    finding.payment = attempt->payment;
    finding.delta = difference->amount;
    switch (attempt->state) {
    case ATTEMPT_SENDING:
    case ATTEMPT_UNKNOWN:
    case ATTEMPT_RESOLVING:
    case ATTEMPT_REQUIRES_ACTION:
        /* The resolver finds the same, now instead of later. */
        TRY(reconcile_hurry(call, finding.customer, attempt->id, &hurried));
        *mended += hurried ? 1 : 0;
        return NULL;
    case ATTEMPT_MANUAL: /* people have it */
    case ATTEMPT_STATE_COUNT:
        return NULL;
    case ATTEMPT_SUCCEEDED:
        /* Ours, but not of the run's time or of the kind that moves money by itself. */
        TRY(is_only_held(call, finding.customer, attempt, &only_held));
        if (text_equal(attempt->transaction, difference->transaction) && !only_held)
            return NULL;
        if (!only_held)
            finding.kind = INCIDENT_DUPLICATE_REFERENCE;
        return reconcile_report(call, run, &finding);
    case ATTEMPT_DECLINED:
    case ATTEMPT_FAILED:
        finding.to_people = true;
        return reconcile_report(call, run, &finding);
    }
    return NULL;
}

static bool names_us(const struct difference *difference)
{
    struct uuid id;

    return uuid_parse(difference->reference, &id) ||
           uuid_parse(difference->acted_on_reference, &id);
}

/* Of a refund the gateway lists both lines, or, its time being over, only that it came back. */
static bool has_come_back(const struct difference *difference)
{
    return text_equal(difference->kind, "REFUND") && difference->amount >= 0;
}

/*
 * One that we have as done is looked at by whoever watches it; of any other, what incidents have
 * posted comes back.  Where nothing was posted nothing is missing.
 */
static const struct error *judge_come_back(struct call *call, struct reconcile_look *look,
                                           const struct difference *difference)
{
    struct refund_came_back refund = {
        .gateway = look->run->gateway,
        .transaction = difference->transaction,
        .failure_code = "",
        .detail = "the gateway lists it as come back",
        .now_us = call->now_us,
    };
    struct attempt attempt;
    bool is_news;
    bool found;

    TRY(reconcile_find(call, difference->reference, &refund.customer, &attempt, &found));
    if (found && (!attempt_is_over(attempt.state) ||
                  (attempt.state == ATTEMPT_SUCCEEDED &&
                   text_equal(attempt.transaction, difference->transaction)))) {
        TRY(reconcile_hurry(call, refund.customer, attempt.id, &is_news));
        look->tally.mended += is_news ? 1 : 0;
        return NULL;
    }
    if (!found)
        TRY(reconcile_find(call, difference->acted_on_reference, &refund.customer, &attempt,
                           &found));
    TRY(refund_came_back(call, &refund, &is_news));
    look->tally.mended += is_news ? 1 : 0;
    return NULL;
}

static const struct error *judge_theirs(struct call *call, struct reconcile_look *look,
                                        struct difference *difference)
{
    bool is_refund = text_equal(difference->kind, "REFUND");
    struct attempt attempt;
    struct uuid customer;
    bool found;

    if (has_come_back(difference))
        return judge_come_back(call, look, difference);
    if (difference->amount == 0)
        return NULL;
    TRY(reconcile_find(call, difference->reference, &customer, &attempt, &found));
    if (found) {
        difference->customer = customer;
        return judge_referred(call, look->run, difference, &attempt, &look->tally.mended);
    }
    struct reconcile_finding finding =
        finding_of(difference, INCIDENT_GATEWAY_ONLY,
                   arena_printf(call->arena, "the gateway lists %" PRId64 " %s, reference \"%s\"",
                                difference->amount, difference->currency, difference->reference));
    if (!names_us(difference))
        return reconcile_foreign(call, look, &finding);
    /* What names a reference of ours is our money, though nothing is left that says whose. */
    finding.delta = difference->amount;
    if (is_refund)
        TRY(reconcile_find(call, difference->acted_on_reference, &customer, &attempt, &found));
    if (found) {
        finding.kind = INCIDENT_REFUNDED_AT_GATEWAY_ONLY;
        finding.customer = customer;
        finding.payment = attempt.payment;
    }
    return reconcile_report(call, look->run, &finding);
}

/*
 * Nothing is known after such an answer that was not known before.  That the gateway has no such
 * transaction is something: the run's list, which has none either, was read with the same key.
 */
static bool says_nothing(const struct gateway_answer *answer)
{
    if (answer->is_no_transaction)
        return false;
    return answer->outcome == GATEWAY_NOT_SENT || answer->outcome == GATEWAY_IN_FLIGHT ||
           (answer->outcome == GATEWAY_UNKNOWN && answer->transaction[0] == '\0');
}

/* A run that lists longer finds it. */
static bool may_be_listed_later(const struct reconciliation *run,
                                const struct difference *difference)
{
    return run->until_us < difference->settled_us + LISTED_WITHIN_US;
}

/*
 * It is in neither, and the gateway does not say: in doubt, and nothing is posted.  In the end
 * people are told, or no later run would have it in its list of days.
 */
static const struct error *leave_in_doubt(struct call *call, struct reconcile_look *look,
                                          const struct difference *difference,
                                          const struct attempt *attempt, const char *doubt)
{
    look->doubt = doubt;
    if (!look->is_last || may_be_listed_later(look->run, difference))
        return NULL;
    struct reconcile_finding finding = finding_of(
        difference, INCIDENT_OURS_ONLY,
        arena_printf(call->arena, "not in the gateway's list; after an hour still: %s", doubt));
    finding.payment = attempt->payment;
    return reconcile_report(call, look->run, &finding);
}

/*
 * We have it, the gateway does not list it: it is asked before anything is said.  Only what it
 * denies goes out of the books.
 */
static const struct error *judge_ours(struct call *call, struct reconcile_look *look,
                                      const struct difference *difference)
{
    struct attempt_errand errand;
    struct gateway_answer answer;
    struct attempt attempt;
    bool found;

    if (!difference->is_due || difference->own_amount == 0)
        return NULL;
    TRY(attempt_find(call, difference->customer, difference->attempt, &attempt, &found));
    if (!found || attempt.state != ATTEMPT_SUCCEEDED)
        return NULL;
    if (look->is_silent)
        return leave_in_doubt(call, look, difference, &attempt, SILENT);
    const struct error *error =
        reconcile_ask(call, difference->customer, &attempt, &errand, &answer);
    if (error != NULL)
        return leave_in_doubt(call, look, difference, &attempt, error->message);
    look->is_silent = says_nothing(&answer);
    if (look->is_silent)
        return leave_in_doubt(call, look, difference, &attempt, SILENT);
    bool is_known = text_equal(answer.transaction, attempt.transaction) &&
                    (answer.outcome == GATEWAY_SUCCEEDED || answer.outcome == GATEWAY_UNKNOWN);
    if (is_known && may_be_listed_later(look->run, difference))
        return NULL;
    struct reconcile_finding finding =
        finding_of(difference, INCIDENT_OURS_ONLY,
                   arena_printf(call->arena, "not in the gateway's list; asked, it says %s: %s",
                                gateway_outcome_name(answer.outcome), answer.evidence));
    finding.payment = attempt.payment;
    finding.delta = is_known ? 0 : -difference->own_amount;
    return reconcile_report(call, look->run, &finding);
}

static const struct error *judge_both(struct call *call, const struct reconciliation *run,
                                      const struct difference *difference, int64_t *mended)
{
    bool same_currency = text_equal(difference->currency, difference->own_currency);
    bool hurried = false;

    /* Captures of one authorization on both sides of the run's edge. */
    if (!difference->is_due || difference->own_ever != difference->own_amount)
        return NULL;
    /* A refund that came back after what the run lists. */
    if (difference->amount < 0 && difference->reversed_us > run->until_us)
        return NULL;
    /* A refund that failed after it had succeeded: whoever watches it finds that out now. */
    if (difference->own_amount < 0 && difference->amount == 0)
        TRY(reconcile_hurry(call, difference->customer, difference->attempt, &hurried));
    if (hurried) {
        (*mended)++;
        return NULL;
    }
    struct reconcile_finding finding = finding_of(
        difference, INCIDENT_AMOUNT_MISMATCH,
        arena_printf(call->arena, "the gateway lists %" PRId64 " %s, recorded are %" PRId64 " %s",
                     difference->amount, difference->currency, difference->own_amount,
                     difference->own_currency));
    finding.delta = same_currency ? difference->amount - difference->own_amount : 0;
    return reconcile_report(call, run, &finding);
}

static const struct error *judge(struct call *call, struct reconcile_look *look,
                                 struct difference *difference)
{
    if (difference->is_theirs && difference->is_ours)
        return judge_both(call, look->run, difference, &look->tally.mended);
    return difference->is_ours ? judge_ours(call, look, difference)
                               : judge_theirs(call, look, difference);
}

const struct pg_statement reconciliation_doubt_statement = {
    .name = "reconciliation_doubt",
    .sql = "SELECT reconciliation_doubt($1, $2, $3, $4, $5)",
};

const struct error *reconcile_doubt(struct call *call, const struct reconcile_look *look,
                                    const char *transaction, const char *doubt)
{
    struct pg_rows rows;

    return pg_write(call, UUID_NIL, &reconciliation_doubt_statement,
                    PG_PARAMS(pg_uuid(look->run->id), pg_int32(look->bucket), pg_text(transaction),
                              pg_text(doubt), pg_time(call->now_us)),
                    &rows);
}

/* The trouble of one is no trouble of the run's: it is noted.  That cannot be, if the database's.
 */
static const struct error *judge_one(struct call *call, struct reconcile_look *look,
                                     struct difference *difference)
{
    look->doubt = "";
    difference->subject =
        incident_subject_at(call->arena, look->run->gateway, difference->transaction);
    const struct error *error = judge(call, look, difference);
    if (error != NULL)
        look->doubt = error->message;
    /* Of one that was looked for the step records it. */
    if (look->transaction != NULL || text_equal(look->doubt, difference->doubt))
        return NULL;
    return reconcile_doubt(call, look, difference->transaction, look->doubt);
}

/* Those behind `*behind`, which is in the look's arena; `*is_over`: there are no more. */
static const struct error *judge_page(struct call *call, struct reconcile_look *look,
                                      const char **behind, bool *is_over)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reconcile_differences_statement,
                PG_PARAMS(pg_uuid(look->run->id), pg_int32(look->bucket), pg_text(*behind),
                          pg_int64(PAGE_SIZE), pg_text(look->transaction)),
                &rows));
    *is_over = rows.count < PAGE_SIZE;
    for (size_t i = 0; i < rows.count; i++) {
        struct difference difference = difference_from_row(&rows, i);
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = judge_one(&part, look, &difference);
        look->doubt = look->transaction == NULL ? "" : arena_strdup(look->arena, look->doubt);
        TRY(call_part_end(call, &part, error));
    }
    if (rows.count > 0)
        *behind = arena_strdup(look->arena, pg_get_text(&rows, rows.count - 1, "transaction"));
    return NULL;
}

const struct error *reconcile_judge(struct call *call, struct reconcile_look *look)
{
    const char *behind = "";
    bool is_over = false;

    while (!is_over) {
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = judge_page(&part, look, &behind, &is_over);
        TRY(call_part_end(call, &part, error));
    }
    TRY(reconcile_disputes(call, look));
    if (look->tally.mended > 0 && call->house->jobs != NULL)
        jobs_wake(call->house->jobs);
    return NULL;
}

const struct pg_statement reconciliation_compared_statement = {
    .name = "reconciliation_compared",
    .sql = "SELECT reconciliation_compared($1, $2, $3, $4, $5, $6)",
};

const struct error *reconcile_compare(struct call *call, const struct reconciliation *run)
{
    struct reconcile_look look = {
        .run = run,
        .arena = call->arena,
        .bucket = (int32_t)strtol(run->position, NULL, 10) % BUCKETS,
        .doubt = "",
    };
    struct pg_rows rows;

    TRY(reconcile_judge(call, &look));
    return FAIL_STEP(call, "reconcile.compare", "",
                     pg_write(call, UUID_NIL, &reconciliation_compared_statement,
                              PG_PARAMS(pg_uuid(run->id), pg_int32(look.bucket),
                                        pg_int64(look.tally.mended), pg_int64(look.tally.foreign),
                                        pg_text(reconcile_sums(call->arena, &look.tally)),
                                        pg_time(call->now_us)),
                              &rows));
}
