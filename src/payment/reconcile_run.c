/*
 * The obligation "reconcile.run": a run of reconciliation, step by step.  Between two steps nothing
 * is remembered but what the row says, so a step may be cut or taken twice.
 */

#include <inttypes.h>

#include "base/fail_point.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "payment/reconcile.h"

/* A step begins only with so much of the obligation's lease left. */
#define STEP_US (5 * US_PER_SECOND)
/* The same where the gateway is asked. */
#define GATEWAY_STEP_US (20 * US_PER_SECOND)
#define LOOK_AGAIN_US   US_PER_MINUTE
/* A list that cannot be read for so long is not reconciled this time. */
#define GIVE_UP_US (20 * US_PER_HOUR)
/* What is in doubt is looked at again for so long. */
#define ASK_FOR_US US_PER_HOUR

/* Attempts may have been sent long before the gateway did what it lists. */
#define OWN_BEFORE_US   US_PER_DAY
#define OWN_PAGE_SIZE   2000
#define DUE_MARGIN_US   (10 * US_PER_MINUTE)
#define FEES_PAGE_SIZE  100
#define SWEEP_ROWS      1000
#define LEAKS_BEFORE_US (10 * US_PER_DAY)
#define LEAKS_PAGE_SIZE 1000
/* A page is looked for in so much time: all that is in it is sorted for that. */
#define WINDOW_FIRST_US (10 * US_PER_MINUTE)
#define WINDOW_LEAST_US US_PER_MINUTE
#define WINDOW_MOST_US  (2 * US_PER_HOUR)

/* ---- LIST ---- */

/* One line for reconciliation_list.  What gateways say has no tab and no line feed in it. */
static const char *plain(struct arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);

    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ')
            *at = '?';
    }
    return copy;
}

static const char *line_of(struct arena *arena, const struct gateway_transaction *entry)
{
    return arena_printf(arena,
                        "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%s\n",
                        plain(arena, entry->id), gateway_line_kind_name(entry->kind),
                        plain(arena, entry->transaction), plain(arena, entry->acted_on),
                        plain(arena, entry->reference), plain(arena, entry->acted_on_reference),
                        entry->amount.currency, entry->amount.minor_units, entry->fee.minor_units,
                        entry->created_us, entry->fee.currency);
}

static const char *lines_of(struct arena *arena, const struct gateway_transaction_page *page)
{
    const char *lines[GATEWAY_LINES_MAX];
    size_t size = 1;
    char *text;

    for (size_t i = 0; i < page->count; i++) {
        lines[i] = line_of(arena, &page->list[i]);
        size += strlen(lines[i]);
    }
    text = arena_alloc(arena, size);
    char *at = text;
    for (size_t i = 0; i < page->count; i++) {
        size_t length = strlen(lines[i]);
        memcpy(at, lines[i], length);
        at += length;
    }
    *at = '\0';
    return text;
}

const struct pg_statement reconciliation_page_statement = {
    .name = "reconciliation_page",
    .sql = "SELECT reconciliation_list($1, $2, $3, $4, $5)",
};

static const struct error *trouble(struct call *call, const struct reconciliation *run,
                                   const char *problem)
{
    return reconciliation_trouble(call, run, problem,
                                  call->now_us - run->create_time_us > GIVE_UP_US);
}

/* People look at what cannot be compared; the rest is. */
static const struct error *report_unread(struct call *call, const struct reconciliation *run,
                                         const struct gateway_transaction_page *page)
{
    for (size_t i = 0; i < page->unread_count; i++) {
        const struct gateway_unread_line *line = &page->unread[i];
        const struct reconcile_finding finding = {
            .kind = INCIDENT_GATEWAY_ONLY,
            .subject = incident_subject_at(call->arena, run->gateway, line->id),
            .detail = arena_printf(
                call->arena, "a line of the gateway's list cannot be compared: %s", line->why),
            .transaction = line->id,
        };
        log_write(call->house->log, LOG_WARNING, "reconcile.line_not_read",
                  LOG_FIELDS(LOG_TEXT("gateway", run->gateway), LOG_TEXT("line", line->id),
                             LOG_TEXT("why", line->why)));
        TRY(reconcile_report(call, run, &finding));
    }
    return NULL;
}

/* `*waits`: the gateway cannot be read now. */
static const struct error *list_step(struct call *call, const struct reconciliation *run,
                                     bool *waits)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, run->gateway);
    struct gateway_transaction_page page = {.next = ""};
    bool is_listed = false;
    struct pg_rows rows;

    *waits = gateway == NULL || gateway->list_transactions == NULL ||
             FAIL_DO("reconcile.list", "",
                     is_listed = gateway->list_transactions(gateway, call, run->from_us,
                                                            run->until_us, run->position, &page)) ||
             !is_listed;
    if (*waits)
        return trouble(call, run, "the gateway's list cannot be read now");
    TRY(report_unread(call, run, &page));
    return FAIL_STEP(
        call, "reconcile.page", "",
        pg_write(call, UUID_NIL, &reconciliation_page_statement,
                 PG_PARAMS(pg_uuid(run->id), pg_text(run->position), pg_text(page.next),
                           pg_text(lines_of(call->arena, &page)), pg_time(call->now_us)),
                 &rows));
}

/* ---- OWN ---- */

const struct pg_statement reconciliation_own_statement = {
    .name = "reconciliation_own",
    .sql = "SELECT reconciliation_own($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
};

/*
 * Where the run stands among our attempts, which are gone through in the order of their first send.
 * As text it is the three with blanks between them.
 */
struct place {
    int64_t time_us;
    int64_t window_us;   /* a full page halves it, another one doubles it */
    struct uuid attempt; /* the last one dealt with; UUID_NIL: none of that time */
};

static struct place place_of(const struct reconciliation *run, int64_t first_us)
{
    struct place place = {.time_us = first_us, .window_us = WINDOW_FIRST_US};
    char *at;

    if (run->position[0] == '\0')
        return place;
    place.time_us = strtoll(run->position, &at, 10);
    if (*at == ' ')
        place.window_us = strtoll(at, &at, 10);
    if (*at != ' ' || !uuid_parse(at + 1, &place.attempt))
        place.attempt = UUID_NIL;
    return place;
}

static int64_t end_of(const struct place *place, int64_t until_us)
{
    int64_t end_us = place->time_us + place->window_us;

    return end_us < until_us ? end_us : until_us;
}

static int64_t halved(const struct place *place)
{
    int64_t half_us = place->window_us / 2;

    return half_us < WINDOW_LEAST_US ? WINDOW_LEAST_US : half_us;
}

/* Where it goes on when a page was not full; "": that was all. */
static const char *next_window(struct call *call, const struct place *place, int64_t until_us)
{
    int64_t end_us = end_of(place, until_us);
    int64_t window_us = 2 * place->window_us;

    if (end_us == until_us)
        return "";
    if (window_us > WINDOW_MOST_US)
        window_us = WINDOW_MOST_US;
    return arena_printf(call->arena, "%" PRId64 " %" PRId64, end_us, window_us);
}

static const struct error *own_step(struct call *call, const struct reconciliation *run)
{
    const struct place place = place_of(run, run->from_us - OWN_BEFORE_US);
    int64_t until_us = run->until_us + DUE_MARGIN_US;
    struct pg_rows rows;

    return FAIL_STEP(
        call, "reconcile.own", "",
        pg_write(call, UUID_NIL, &reconciliation_own_statement,
                 PG_PARAMS(pg_uuid(run->id), pg_text(run->position),
                           pg_text(next_window(call, &place, until_us)), pg_int64(halved(&place)),
                           pg_time(place.time_us), pg_uuid(place.attempt),
                           pg_time(end_of(&place, until_us)), pg_int64(OWN_PAGE_SIZE),
                           pg_time(run->from_us), pg_time(run->until_us - DUE_MARGIN_US),
                           pg_time(call->now_us)),
                 &rows));
}

/* ---- FEES ---- */

/* Of what is known to be a customer's; of the house are those without a transaction. */
const struct pg_statement reconciliation_fees_statement = {
    .name = "reconciliation_fees",
    .sql = "SELECT t.line_id, t.bucket, coalesce(t.fee_currency, t.currency)::text AS currency,"
           "       CASE t.kind WHEN 'FEE' THEN t.fee - t.amount ELSE t.fee END AS fee,"
           "       CASE t.kind WHEN 'FEE' THEN house_customer() ELSE"
           "            (SELECT o.customer_id FROM reconciliation_line o"
           "              WHERE o.reconciliation_id = $1 AND o.bucket = t.bucket AND o.side = 'O'"
           "                AND o.transaction = t.transaction LIMIT 1) END AS customer_id"
           "  FROM reconciliation_line t"
           " WHERE t.reconciliation_id = $1 AND t.side = 'T'"
           "   AND (t.bucket, t.line_id) > ($2, $3)"
           "   AND (t.kind = 'FEE' AND t.fee <> t.amount"
           "        OR t.kind IN ('CHARGE', 'REFUND') AND t.fee <> 0)"
           " ORDER BY t.bucket, t.line_id LIMIT $4",
};

const struct pg_statement reconciliation_fee_statement = {
    .name = "reconciliation_fee",
    .sql = "SELECT reconciliation_fee($1, $2, $3, $4, $5, $6, $7)",
};

/* The position is the last line's bucket and id, with a blank between them. */
static const struct error *fees_step(struct call *call, const struct reconciliation *run)
{
    char *id = NULL;
    int64_t bucket = run->position[0] == '\0' ? -1 : strtoll(run->position, &id, 10);
    const char *next = "";
    struct pg_rows rows;
    struct pg_rows done;

    TRY(pg_read(call, UUID_NIL, &reconciliation_fees_statement,
                PG_PARAMS(pg_uuid(run->id), pg_int32((int32_t)bucket),
                          pg_text(id == NULL || *id == '\0' ? "" : id + 1),
                          pg_int64(FEES_PAGE_SIZE)),
                &rows));
    for (size_t i = 0; i < rows.count; i++) {
        struct uuid customer = pg_get_uuid(&rows, i, "customer_id");
        next = arena_printf(call->arena, "%" PRId64 " %s", pg_get_int64(&rows, i, "bucket"),
                            pg_get_text(&rows, i, "line_id"));
        if (pg_is_null(&rows, i, "customer_id"))
            continue;
        TRY(FAIL_STEP(
            call, "reconcile.fee", "",
            pg_write(call, customer, &reconciliation_fee_statement,
                     PG_PARAMS(pg_uuid(customer), pg_uuid(run->id), pg_text(run->gateway),
                               pg_text(pg_get_text(&rows, i, "line_id")),
                               pg_text(pg_get_text(&rows, i, "currency")),
                               pg_int64(pg_get_int64(&rows, i, "fee")), pg_time(call->now_us)),
                     &done)));
    }
    if (rows.count < FEES_PAGE_SIZE)
        return reconciliation_pass(call, run, "LEAKS", "", 0);
    return reconciliation_pass(call, run, "FEES", next, 0);
}

/* ---- LEAKS ---- */

const struct pg_statement reconciliation_leaks_statement = {
    .name = "reconciliation_leaks",
    .sql = "SELECT customer_id, kind, subject, detail, attempt_id, payment_id, transaction,"
           "       currency, amount, first_sent_time, looked"
           "  FROM reconciliation_leaks($1, $2, $3, $4, $5, $6)",
};

static const struct error *report_leak(struct call *call, const struct reconciliation *run,
                                       const struct pg_rows *rows, size_t row)
{
    struct reconcile_finding finding = {
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .subject = pg_get_text(rows, row, "subject"),
        .detail = pg_get_text(rows, row, "detail"),
        .payment = pg_get_uuid(rows, row, "payment_id"),
        .transaction = pg_get_text(rows, row, "transaction"),
        .currency = pg_get_text(rows, row, "currency"),
        .amount = pg_get_int64(rows, row, "amount"),
    };

    /* The last that was looked at need not be one. */
    if (pg_is_null(rows, row, "kind") ||
        !incident_kind_parse(pg_get_text(rows, row, "kind"), &finding.kind))
        return NULL;
    return reconcile_report(call, run, &finding);
}

const struct pg_statement reconciliation_ask_statement = {
    .name = "reconciliation_ask",
    .sql = "SELECT reconciliation_ask($1, $2, $3, $4)",
};

/* All of it is compared but what is in doubt. */
static const struct error *end_leaks(struct call *call, const struct reconciliation *run)
{
    struct pg_rows rows;

    if (run->doubt_count == 0)
        return reconciliation_pass(call, run, "DONE", "", 0);
    return pg_write(call, UUID_NIL, &reconciliation_ask_statement,
                    PG_PARAMS(pg_uuid(run->id), pg_text(run->position),
                              pg_time(call->now_us + ASK_FOR_US), pg_time(call->now_us)),
                    &rows);
}

/* Behind the last of a page that was full. */
static const char *behind_last(struct call *call, const struct place *place,
                               const struct pg_rows *rows)
{
    size_t last = rows->count - 1;

    return arena_printf(call->arena, "%" PRId64 " %" PRId64 " %s",
                        pg_get_time(rows, last, "first_sent_time"), halved(place),
                        uuid_text(call->arena, pg_get_uuid(rows, last, "attempt_id")));
}

static const struct error *leaks_step(struct call *call, const struct reconciliation *run)
{
    const struct place place = place_of(run, run->from_us - LEAKS_BEFORE_US);
    const char *next = next_window(call, &place, run->until_us);
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &reconciliation_leaks_statement,
                PG_PARAMS(pg_text(run->gateway), pg_time(place.time_us), pg_uuid(place.attempt),
                          pg_time(end_of(&place, run->until_us)), pg_int64(LEAKS_PAGE_SIZE),
                          pg_time(call->now_us)),
                &rows));
    for (size_t i = 0; i < rows.count; i++)
        TRY(report_leak(call, run, &rows, i));
    if (rows.count > 0 && pg_get_int64(&rows, rows.count - 1, "looked") == LEAKS_PAGE_SIZE)
        next = behind_last(call, &place, &rows);
    return next[0] == '\0' ? end_leaks(call, run)
                           : reconciliation_pass(call, run, "LEAKS", next, 0);
}

/* ---- The end ---- */

const struct pg_statement reconciliation_sweep_statement = {
    .name = "reconciliation_sweep",
    .sql = "SELECT reconciliation_sweep($1, $2) AS swept",
};

/* What runs of some days ago compared is deleted, some of it at a time. */
static const struct error *sweep_step(struct call *call, const struct obligation *obligation)
{
    struct pg_rows rows;

    TRY(FAIL_STEP(call, "reconcile.sweep", "",
                  pg_write(call, UUID_NIL, &reconciliation_sweep_statement,
                           PG_PARAMS(pg_int64(SWEEP_ROWS), pg_time(call->now_us)), &rows)));
    if (pg_get_int64(&rows, 0, "swept") == SWEEP_ROWS)
        return jobs_move(call, obligation, obligation->now_us);
    return jobs_finish(call, obligation);
}

/* ---- The run ---- */

struct stage {
    const char *name;
    int64_t need_us; /* of the lease, for a step */
    const struct error *(*step)(struct call *call, const struct reconciliation *run);
    /* Instead of `step` where the gateway may make it wait. */
    const struct error *(*patient_step)(struct call *call, const struct reconciliation *run,
                                        bool *waits);
};

static const struct stage stages[] = {
    {.name = "LIST", .need_us = GATEWAY_STEP_US, .patient_step = list_step},
    {.name = "OWN", .need_us = STEP_US, .step = own_step},
    {.name = "COMPARE", .need_us = GATEWAY_STEP_US, .step = reconcile_compare},
    {.name = "FEES", .need_us = STEP_US, .step = fees_step},
    {.name = "LEAKS", .need_us = STEP_US, .step = leaks_step},
    {.name = "ASK", .need_us = GATEWAY_STEP_US, .patient_step = reconcile_ask_again},
    {.name = "LAST", .need_us = GATEWAY_STEP_US, .patient_step = reconcile_ask_again},
};

/* NULL: a newer server has brought it there, and goes on with it. */
static const struct stage *stage_of(const struct reconciliation *run)
{
    for (size_t i = 0; i < ARRAY_LENGTH(stages); i++) {
        if (text_equal(stages[i].name, run->stage))
            return &stages[i];
    }
    return NULL;
}

static const struct error *step(struct call *call, const struct stage *stage,
                                const struct reconciliation *run, bool *waits)
{
    *waits = false;
    if (stage == NULL)
        return refuse(call, STATUS_INTERNAL, "INTERNAL", "a stage that this server does not know");
    return stage->step != NULL ? stage->step(call, run) : stage->patient_step(call, run, waits);
}

/* Whatever keeps it from going on is told by the run, and does not do so for ever. */
static const struct error *stumble(struct call *call, const struct reconciliation *run,
                                   const struct error *error)
{
    const char *problem = arena_printf(call->arena, "%s: %s", run->stage, error->message);
    const struct error *untold = trouble(call, run, problem);

    (void)untold; /* a database that is gone: the obligation's own failure tells */
    return error;
}

enum progress { ONWARD, WAITING, OUT_OF_TIME, ENDED };

/* The step at which the run stands. */
static const struct error *go_on(struct call *call, struct uuid id, bool is_first,
                                 enum progress *progress)
{
    struct reconciliation run;
    bool waits;

    TRY(reconciliation_load(call, id, &run));
    *progress = ENDED;
    if (!text_equal(run.state, "RUNNING"))
        return NULL;
    *progress = OUT_OF_TIME;
    const struct stage *stage = stage_of(&run);
    if (!is_first && stage != NULL && call_time_left_us(call) < stage->need_us)
        return NULL;
    const struct error *error = step(call, stage, &run, &waits);
    *progress = waits ? WAITING : ONWARD;
    return error == NULL ? NULL : stumble(call, &run, error);
}

/* However many steps there are, the memory is of one. */
static const struct error *drive(struct call *call, const struct obligation *obligation)
{
    enum progress progress = ONWARD;

    for (bool is_first = true; progress == ONWARD; is_first = false) {
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = go_on(&part, obligation->subject, is_first, &progress);
        TRY(call_part_end(call, &part, error));
    }
    if (progress == ENDED)
        return sweep_step(call, obligation);
    return jobs_move(call, obligation,
                     obligation->now_us + (progress == WAITING ? LOOK_AGAIN_US : 0));
}

const struct job_kind reconcile_run_job = {.name = "reconcile.run", .run = drive};
