/*
 * One fiber that asks the database and keeps the answers.  Each question costs the same however
 * large the tables are (migrations/functions/telemetry.sql).
 *
 * The ledger is looked at in two ways.  ledger_post refuses a group that does not sum to zero, so
 * what is wrong came another way: what was posted in the last minute is summed up at every look,
 * and besides a walk through the whole ledger, a few lines at each look, finds what was changed
 * long after.
 */

#include "telemetry/facts.h"

#include <pthread.h>

#include "base/bug.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "base/watch.h"
#include "pg/lanes.h"

#define LOOK_US       (10 * US_PER_SECOND)
#define TIME_LIMIT_US (5 * US_PER_SECOND)
#define ARENA_SIZE    ((size_t)256 * 1024)
#define KINDS_MAX     32
#define RECENT_US     US_PER_MINUTE
/* Times are given at accept, on servers whose clocks differ. */
#define AHEAD_US   (5 * US_PER_SECOND)
#define WALK_LINES 1000

struct overdue {
    int64_t count;
    int64_t age_us; /* of the oldest; 0: none */
};

enum { WEBHOOK_ENABLED, WEBHOOK_DISABLED, WEBHOOK_BROKEN, WEBHOOK_STATES };

struct webhook_facts {
    int64_t endpoint_count;
    int64_t pending_count;
    int64_t age_us; /* of the oldest pending */
};

#define BOOKS_MAX 8

/* How long ago something that is owed for a gateway was done to the end, or since it is owed. */
struct gateway_age {
    char gateway[32];
    int64_t age_us;
};

struct books_facts {
    struct gateway_age list[BOOKS_MAX];
    size_t count;
};

/* What was answered last. */
struct answers {
    int64_t look_us;                       /* monotonic, when all was answered; 0: never */
    struct overdue overdue[KINDS_MAX + 1]; /* by kind; the last one is "other" */
    int64_t unknown_count;
    int64_t unknown_age_us;
    int64_t recent_unbalanced;
    int64_t walk_unbalanced; /* in this round or in the one before */
    int64_t groups_checked;
    int64_t rounds;
    struct webhook_facts webhooks[WEBHOOK_STATES];
    int64_t incident_count;
    int64_t incident_age_us;
    int64_t manual_count;
    struct books_facts compared;  /* every day */
    struct books_facts confirmed; /* every minute */
};

struct facts {
    struct telemetry_options options;
    int64_t open_us; /* monotonic */

    struct watch *watch;

    pthread_mutex_t mutex; /* guards the answers */
    struct answers answers;

    /* Of the watching fiber alone: */
    struct uuid walk_customer;
    struct uuid walk_group;
    int64_t found_in_round;
    int64_t found_before;
};

static const struct measure database_up = {"dues_database_up",
                                           "1 while every lane has its connection to PostgreSQL.",
                                           MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure age = {"dues_telemetry_age_seconds",
                                   "Since the database last answered what dues_obligations_overdue "
                                   "and the families after it tell.",
                                   MEASURE_GAUGE, MEASURE_SECONDS};
static const struct measure overdue_count = {"dues_obligations_overdue",
                                             "Obligations of wall time that are due and not done.",
                                             MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure overdue_age = {"dues_obligations_overdue_age_seconds",
                                           "For how long the oldest of them has been due.",
                                           MEASURE_GAUGE, MEASURE_SECONDS};
static const struct measure unknown_count = {
    "dues_attempts_unknown", "Attempts to charge or refund whose outcome is not known.",
    MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure unknown_age = {"dues_attempts_unknown_age_seconds",
                                           "Since the oldest of them was first sent.",
                                           MEASURE_GAUGE, MEASURE_SECONDS};
static const struct measure unbalanced = {
    "dues_ledger_unbalanced_groups",
    "Groups of ledger lines that do not sum to zero: posted in the last minute, or met on the walk "
    "through all of them.",
    MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure checked = {"dues_ledger_groups_checked_total",
                                       "Groups of ledger lines that were summed up on the walk.",
                                       MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure rounds = {"dues_ledger_rounds_total",
                                      "Walks through the whole ledger that came to its end.",
                                      MEASURE_COUNTER, MEASURE_PLAIN};

static const struct measure incidents = {"dues_incidents_open",
                                         "Incidents that wait for people, at most 10,000.",
                                         MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure incident_age = {"dues_incidents_age_seconds",
                                            "Since the oldest of them was found.", MEASURE_GAUGE,
                                            MEASURE_SECONDS};
static const struct measure manual_count = {"dues_attempts_manual",
                                            "Attempts that no machine moves on: people have them.",
                                            MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure books_age = {
    "dues_reconciliation_age_seconds",
    "Since our books and the gateway's were last compared to the end.", MEASURE_GAUGE,
    MEASURE_SECONDS};
static const struct measure confirm_age = {
    "dues_reconciliation_confirm_age_seconds",
    "Since the first send of the oldest success that the gateway was not asked about once more.",
    MEASURE_GAUGE, MEASURE_SECONDS};

static const struct measure webhook_endpoints = {
    "dues_webhook_endpoints",
    "Endpoints of webhooks; broken: disabled because nothing could be delivered to them.",
    MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure webhook_pending = {
    "dues_webhook_deliveries_pending",
    "Events that wait for their delivery, at most 10,000 an endpoint.", MEASURE_GAUGE,
    MEASURE_PLAIN};
static const struct measure webhook_age = {
    "dues_webhook_deliveries_pending_age_seconds",
    "Since the oldest event happened that waits for its delivery to an enabled endpoint.",
    MEASURE_GAUGE, MEASURE_SECONDS};

static const char *const webhook_states[WEBHOOK_STATES] = {
    [WEBHOOK_ENABLED] = "enabled",
    [WEBHOOK_DISABLED] = "disabled",
    [WEBHOOK_BROKEN] = "broken",
};

static size_t kind_index(const struct facts *facts, const char *kind)
{
    size_t count = facts->options.obligation_kind_count;

    for (size_t i = 0; i < count; i++) {
        if (text_equal(facts->options.obligation_kinds[i], kind))
            return i;
    }
    return count;
}

static const struct pg_statement obligations_statement = {
    .name = "telemetry_obligations",
    .sql = "SELECT kind, overdue_count, oldest_due FROM telemetry_obligations($1)",
};

static const struct error *ask_obligations(const struct facts *facts, struct call *call,
                                           struct answers *answers)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &obligations_statement, PG_PARAMS(pg_time(call->now_us)), &rows));
    memset(answers->overdue, 0, sizeof(answers->overdue));
    for (size_t i = 0; i < rows.count; i++) {
        size_t kind = kind_index(facts, pg_get_text(&rows, i, "kind"));
        struct overdue *overdue = &answers->overdue[kind];
        int64_t age_us = call->now_us - pg_get_time(&rows, i, "oldest_due");
        overdue->count += pg_get_int64(&rows, i, "overdue_count");
        if (overdue->age_us < age_us)
            overdue->age_us = age_us;
    }
    return NULL;
}

static const struct pg_statement attempts_statement = {
    .name = "telemetry_attempts",
    .sql = "SELECT unknown_count, oldest_age_us FROM telemetry_attempts()",
};

static const struct error *ask_attempts(struct call *call, struct answers *answers)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &attempts_statement, (struct pg_params){0}, &rows));
    answers->unknown_count = pg_get_int64(&rows, 0, "unknown_count");
    answers->unknown_age_us = pg_get_int64(&rows, 0, "oldest_age_us");
    return NULL;
}

static const struct pg_statement ledger_recent_statement = {
    .name = "telemetry_ledger_recent",
    .sql = "SELECT unbalanced_count FROM telemetry_ledger_recent($1, $2)",
};

static const struct error *ask_recent_ledger(struct call *call, struct answers *answers)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &ledger_recent_statement,
                PG_PARAMS(pg_time(call->now_us - RECENT_US), pg_time(call->now_us + AHEAD_US)),
                &rows));
    answers->recent_unbalanced = pg_get_int64(&rows, 0, "unbalanced_count");
    return NULL;
}

static const struct pg_statement ledger_walk_statement = {
    .name = "telemetry_ledger_walk",
    .sql = "SELECT group_count, unbalanced_count, last_customer, last_group"
           "  FROM telemetry_ledger_walk($1, $2, $3)",
};

static const struct error *walk_ledger(struct facts *facts, struct call *call,
                                       struct answers *answers)
{
    struct pg_rows rows;

    TRY(pg_read(
        call, UUID_NIL, &ledger_walk_statement,
        PG_PARAMS(pg_uuid(facts->walk_customer), pg_uuid(facts->walk_group), pg_int32(WALK_LINES)),
        &rows));
    facts->walk_customer = pg_get_uuid(&rows, 0, "last_customer");
    facts->walk_group = pg_get_uuid(&rows, 0, "last_group");
    facts->found_in_round += pg_get_int64(&rows, 0, "unbalanced_count");
    answers->groups_checked += pg_get_int64(&rows, 0, "group_count");
    answers->walk_unbalanced =
        facts->found_in_round > facts->found_before ? facts->found_in_round : facts->found_before;
    if (pg_is_null(&rows, 0, "last_customer")) {
        answers->rounds++;
        facts->found_before = facts->found_in_round;
        facts->found_in_round = 0;
    }
    return NULL;
}

static const struct pg_statement webhooks_statement = {
    .name = "telemetry_webhooks",
    .sql = "SELECT state, endpoint_count, pending_count, oldest_age_us FROM telemetry_webhooks()",
};

static const struct error *ask_webhooks(struct call *call, struct answers *answers)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &webhooks_statement, (struct pg_params){0}, &rows));
    for (size_t i = 0; i < rows.count; i++) {
        for (size_t j = 0; j < WEBHOOK_STATES; j++) {
            if (text_equal(pg_get_text(&rows, i, "state"), webhook_states[j]))
                answers->webhooks[j] = (struct webhook_facts){
                    .endpoint_count = pg_get_int64(&rows, i, "endpoint_count"),
                    .pending_count = pg_get_int64(&rows, i, "pending_count"),
                    .age_us = pg_get_int64(&rows, i, "oldest_age_us"),
                };
        }
    }
    return NULL;
}

static const struct pg_statement incidents_statement = {
    .name = "telemetry_incidents",
    .sql = "SELECT open_count, manual_count, oldest_age_us FROM telemetry_incidents()",
};

static const struct pg_statement compared_statement = {
    .name = "telemetry_reconciliations",
    .sql = "SELECT gateway, success_age_us AS age_us FROM telemetry_reconciliations()",
};

static const struct pg_statement confirmed_statement = {
    .name = "telemetry_confirmations",
    .sql = "SELECT gateway, behind_us AS age_us FROM telemetry_confirmations()",
};

static const struct error *ask_books(struct call *call, const struct pg_statement *statement,
                                     struct books_facts *books)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, statement, (struct pg_params){0}, &rows));
    books->count = rows.count < BOOKS_MAX ? rows.count : BOOKS_MAX;
    for (size_t i = 0; i < books->count; i++) {
        struct gateway_age *one = &books->list[i];
        snprintf(one->gateway, sizeof one->gateway, "%s", pg_get_text(&rows, i, "gateway"));
        one->age_us = pg_get_int64(&rows, i, "age_us");
    }
    return NULL;
}

static const struct error *ask_incidents(struct call *call, struct answers *answers)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &incidents_statement, (struct pg_params){0}, &rows));
    answers->incident_count = pg_get_int64(&rows, 0, "open_count");
    answers->manual_count = pg_get_int64(&rows, 0, "manual_count");
    answers->incident_age_us = pg_get_int64(&rows, 0, "oldest_age_us");
    TRY(ask_books(call, &compared_statement, &answers->compared));
    return ask_books(call, &confirmed_statement, &answers->confirmed);
}

static const struct error *ask(void *owner, struct call *call)
{
    struct facts *facts = owner;
    struct answers answers = facts->answers; /* the fiber alone writes them */

    TRY(ask_obligations(facts, call, &answers));
    TRY(ask_attempts(call, &answers));
    TRY(ask_recent_ledger(call, &answers));
    TRY(walk_ledger(facts, call, &answers));
    TRY(ask_webhooks(call, &answers));
    TRY(ask_incidents(call, &answers));
    answers.look_us = clock_monotonic_us(call->house->clock);
    pthread_mutex_lock(&facts->mutex);
    facts->answers = answers;
    pthread_mutex_unlock(&facts->mutex);
    return NULL;
}

struct facts *facts_open(const struct telemetry_options *options)
{
    struct facts *facts = calloc(1, sizeof(*facts));

    if (facts == NULL)
        bug("no memory for telemetry");
    if (options->obligation_kind_count > KINDS_MAX)
        bug("more than %d kinds of obligations", KINDS_MAX);
    facts->options = *options;
    facts->open_us = clock_monotonic_us(options->house->clock);
    pthread_mutex_init(&facts->mutex, NULL);
    facts->watch = watch_open(&(struct watch_question){
        .house = options->house,
        .caller = "system/telemetry",
        .method = "telemetry/look",
        .every_us = LOOK_US,
        .limit_us = TIME_LIMIT_US,
        .arena_size = ARENA_SIZE,
        .ask = ask,
        .owner = facts,
        .trouble_event = "telemetry.cannot_ask",
    });
    return facts;
}

bool facts_look(struct facts *facts)
{
    return watch_ask_now(facts->watch);
}

void facts_start(struct facts *facts)
{
    /* Each server begins its walk elsewhere. */
    random_fill(facts->options.house->random, facts->walk_customer.bytes,
                sizeof(facts->walk_customer.bytes));
    watch_start(facts->watch);
}

void facts_stop(struct facts *facts)
{
    watch_stop(facts->watch);
}

void facts_close(struct facts *facts)
{
    watch_close(facts->watch);
    pthread_mutex_destroy(&facts->mutex);
    free(facts);
}

static void measure_overdue(const struct facts *facts, const struct answers *answers,
                            struct measures *out)
{
    size_t count = facts->options.obligation_kind_count;

    for (size_t i = 0; i <= count; i++) {
        const char *kind = i < count ? facts->options.obligation_kinds[i] : "other";
        measure_number(out, &overdue_count, MEASURE_LABELS({"kind", kind}),
                       answers->overdue[i].count);
        measure_number(out, &overdue_age, MEASURE_LABELS({"kind", kind}),
                       answers->overdue[i].age_us);
    }
}

static void measure_webhooks(const struct answers *answers, struct measures *out)
{
    for (size_t i = 0; i < WEBHOOK_STATES; i++)
        measure_number(out, &webhook_endpoints, MEASURE_LABELS({"state", webhook_states[i]}),
                       answers->webhooks[i].endpoint_count);
    for (size_t i = 0; i < WEBHOOK_STATES; i++)
        measure_number(out, &webhook_pending, MEASURE_LABELS({"state", webhook_states[i]}),
                       answers->webhooks[i].pending_count);
    measure_number(out, &webhook_age, MEASURE_NO_LABELS, answers->webhooks[WEBHOOK_ENABLED].age_us);
}

static void measure_books(const struct books_facts *books, const struct measure *measure,
                          struct measures *out)
{
    for (size_t i = 0; i < books->count; i++)
        measure_number(out, measure, MEASURE_LABELS({"gateway", books->list[i].gateway}),
                       books->list[i].age_us);
}

static void measure_incidents(const struct answers *answers, struct measures *out)
{
    measure_number(out, &incidents, MEASURE_NO_LABELS, answers->incident_count);
    measure_number(out, &incident_age, MEASURE_NO_LABELS, answers->incident_age_us);
    measure_number(out, &manual_count, MEASURE_NO_LABELS, answers->manual_count);
    measure_books(&answers->compared, &books_age, out);
    measure_books(&answers->confirmed, &confirm_age, out);
}

void facts_measure(struct facts *facts, struct measures *out)
{
    int64_t now_us = clock_monotonic_us(facts->options.house->clock);

    pthread_mutex_lock(&facts->mutex);
    const struct answers answers = facts->answers;
    pthread_mutex_unlock(&facts->mutex);
    measure_number(out, &database_up, MEASURE_NO_LABELS, pg_is_ready(facts->options.house->pg));
    measure_number(out, &age, MEASURE_NO_LABELS,
                   now_us - (answers.look_us != 0 ? answers.look_us : facts->open_us));
    /* Before the first answer there is nothing to tell, and a zero would be a lie. */
    if (answers.look_us == 0)
        return;
    measure_overdue(facts, &answers, out);
    measure_number(out, &unknown_count, MEASURE_NO_LABELS, answers.unknown_count);
    measure_number(out, &unknown_age, MEASURE_NO_LABELS, answers.unknown_age_us);
    measure_number(out, &unbalanced, MEASURE_LABELS({"check", "recent"}),
                   answers.recent_unbalanced);
    measure_number(out, &unbalanced, MEASURE_LABELS({"check", "walk"}), answers.walk_unbalanced);
    measure_number(out, &checked, MEASURE_NO_LABELS, answers.groups_checked);
    measure_number(out, &rounds, MEASURE_NO_LABELS, answers.rounds);
    measure_webhooks(&answers, out);
    measure_incidents(&answers, out);
}

pg_statement_list telemetry_statements = {
    &obligations_statement, &attempts_statement,  &ledger_recent_statement,
    &ledger_walk_statement, &webhooks_statement,  &incidents_statement,
    &compared_statement,    &confirmed_statement, NULL,
};
