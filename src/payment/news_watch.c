/*
 * News that are nobody's yet: a payment whose commit is not seen yet (P14), a letter without our
 * metadata, a dispute, which names a transaction only.  Each is looked at again every ten seconds;
 * when nobody's after a quarter of an hour it is quarantined, and what bears our reference becomes
 * an incident.  What the gateway says was never ours is quarantined at once.  Of what the gateway
 * does not say anything it is asked later and later, and people are told; the others do not wait.
 */

#include <stdatomic.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/measure.h"
#include "base/text.h"
#include "base/time.h"
#include "base/watch.h"
#include "jobs/jobs.h"
#include "payment/dispute.h"
#include "payment/incident.h"
#include "payment/news_internal.h"

#define LOOK_US          (500 * US_PER_MS)
#define LIMIT_US         (60 * US_PER_SECOND)
#define ARENA_SIZE       ((size_t)32 * 1024 * 1024)
#define BATCH            32
#define AGAIN_US         (10 * US_PER_SECOND)
#define GIVE_UP_US       (15 * US_PER_MINUTE)
#define SILENCE_US       US_PER_HOUR /* nothing is heard of it for so long: people are told */
#define AGAIN_MAX_US     US_PER_HOUR
#define KEEP_US          (30 * US_PER_DAY) /* gateways send again for days; Stripe shows events for 30 */
#define SWEEP_EVERY_US   US_PER_MINUTE
#define SWEEP_ROWS       1000
#define MEASURE_EVERY_US (5 * US_PER_SECOND)

struct news_watch {
    const struct house *house;
    struct watch *watch;
    int64_t sweep_us;   /* monotonic: the next sweep */
    int64_t measure_us; /* monotonic: the next count */
    atomic_int_least64_t unapplied;
    atomic_int_least64_t oldest_us; /* wall time; 0: none */
    atomic_uint_least64_t quarantined;
};

/* What is known of one of them after a look. */
enum finding {
    FOUND_OURS,    /* an obligation has it, or it is applied */
    FOUND_NOTHING, /* not yet */
    FOUND_FOREIGN, /* it bears no mark of ours */
    FOUND_REFUND,  /* of a payment of ours, and not made by us */
    FOUND_SILENCE, /* it could not be found out */
};

/* The metadata of what it belongs to say whose it is. */
static const struct error *ask_for_owner(struct call *call, const struct gateway *gateway,
                                         struct news_row *row, enum finding *finding)
{
    struct gateway_owner owner = {.reference = "", .customer = ""};
    struct uuid customer = UUID_NIL;
    struct uuid reference = UUID_NIL;
    enum news_state state;

    *finding = FOUND_NOTHING;
    switch (gateway->find_owner(gateway, call, &row->told, &owner)) {
    case GATEWAY_SUCCEEDED:
        break;
    case GATEWAY_FAILED:
        *finding = FOUND_FOREIGN;
        return NULL;
    case GATEWAY_DECLINED:
    case GATEWAY_REQUIRES_ACTION:
    case GATEWAY_NOT_SENT:
    case GATEWAY_IN_FLIGHT:
    case GATEWAY_UNKNOWN:
        return refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                      "the gateway could not be asked whose its news are");
    }
    if (!uuid_parse(owner.customer, &customer)) {
        *finding = FOUND_FOREIGN;
        return NULL;
    }
    row->customer = customer;
    (void)uuid_parse(owner.reference, &reference);
    /* A refund with another's reference is that payment's, and not of our making. */
    if (row->told.kind == GATEWAY_NEWS_REFUND) {
        row->reference = reference;
        row->failure_code = owner.failure_code;
        *finding = FOUND_REFUND;
        return NULL;
    }
    TRY(news_match(call, row, customer, reference, &state));
    *finding = state == NEWS_UNMATCHED ? FOUND_NOTHING : FOUND_OURS;
    return NULL;
}

/* Only of its payment the gateway says whose it is. */
static const struct error *look_at_dispute(struct call *call, const struct gateway *gateway,
                                           struct news_row *row, enum finding *finding)
{
    bool is_known;

    TRY(dispute_learned(call, gateway, row->told.object, &is_known));
    if (is_known) {
        *finding = FOUND_OURS;
        return news_end(call, row, NEWS_APPLIED);
    }
    *finding = FOUND_NOTHING;
    if (!uuid_is_nil(row->customer) || gateway->find_owner == NULL)
        return NULL;
    return ask_for_owner(call, gateway, row, finding);
}

static const struct error *look_at(struct call *call, struct news_row *row, enum finding *finding)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, row->gateway);
    enum news_state state;

    *finding = FOUND_NOTHING;
    if (gateway == NULL)
        return NULL;
    if (row->told.kind == GATEWAY_NEWS_DISPUTE)
        return look_at_dispute(call, gateway, row, finding);
    TRY(news_match(call, row, UUID_NIL, UUID_NIL, &state));
    if (state != NEWS_UNMATCHED) {
        *finding = FOUND_OURS;
        return NULL;
    }
    /* Whose it is was told: its commit is not seen yet. */
    if (!uuid_is_nil(row->customer) && !uuid_is_nil(row->reference))
        return NULL;
    if (gateway->find_owner == NULL)
        return NULL;
    return ask_for_owner(call, gateway, row, finding);
}

static const struct error *report(struct call *call, const struct news_row *row,
                                  enum incident_kind kind, const char *detail)
{
    struct attempt attempt;
    bool found;

    TRY(attempt_find(call, row->customer, row->reference, &attempt, &found));
    const struct incident_new incident = {
        .customer = row->customer,
        .kind = kind,
        .subject = news_subject(call, row),
        .detail = arena_printf(call->arena, "%s: %s", row->told.type, detail),
        .payment = found ? attempt.payment : UUID_NIL,
        .gateway = row->gateway,
        .transaction = row->told.object,
    };

    return incident_open(call, &incident);
}

static const struct error *quarantine(struct news_watch *watch, struct call *call,
                                      const struct news_row *row)
{
    TRY(news_end(call, row, NEWS_QUARANTINED));
    atomic_fetch_add_explicit(&watch->quarantined, 1, memory_order_relaxed);
    log_write(call->house->log, LOG_WARNING, "news.quarantined",
              LOG_FIELDS(LOG_TEXT("gateway", row->gateway), LOG_TEXT("id", row->told.event),
                         LOG_TEXT("type", row->told.type), LOG_TEXT("object", row->told.object)));
    return NULL;
}

/* The house's own, unless the customer that it names exists. */
static const struct error *check_customer(struct call *call, struct news_row *row)
{
    struct customer customer;

    if (uuid_is_nil(row->customer))
        return NULL;
    const struct error *error = customer_load(call, row->customer, &customer);
    if (error == NULL || error->status != STATUS_NOT_FOUND)
        return error;
    row->customer = UUID_NIL;
    return NULL;
}

/* An outage of the gateway ends some time, so nothing is given up that it may still answer. */
static const struct error *say_silent(struct news_watch *watch, struct call *call,
                                      struct news_row *row)
{
    int64_t age_us = call->now_us - row->receive_us;

    if (age_us < SILENCE_US)
        return NULL;
    TRY(check_customer(call, row));
    TRY(report(call, row, INCIDENT_UNMATCHED_NEWS,
               "the gateway does not say what it is about, however often it is asked"));
    return age_us < KEEP_US ? NULL : quarantine(watch, call, row);
}

/* A refund of others: people are told; what comes back of one that they know, comes back here. */
static const struct error *take_refund(struct news_watch *watch, struct call *call,
                                       struct news_row *row)
{
    bool is_news = false;

    TRY(check_customer(call, row));
    TRY(report(call, row, INCIDENT_REFUNDED_AT_GATEWAY_ONLY,
               "a refund of a payment of ours that we did not ask for"));
    if (row->failure_code != NULL) {
        const struct refund_came_back refund = {
            .customer = row->customer,
            .gateway = row->gateway,
            .transaction = row->told.object,
            .failure_code = row->failure_code,
            .detail = arena_printf(call->arena, "%s: it came back, %s", row->told.type,
                                   row->failure_code),
            .now_us = call->now_us,
        };
        TRY(refund_came_back(call, &refund, &is_news));
    }
    return is_news ? news_end(call, row, NEWS_APPLIED) : quarantine(watch, call, row);
}

static const struct error *conclude(struct news_watch *watch, struct call *call,
                                    struct news_row *row, enum finding finding)
{
    switch (finding) {
    case FOUND_OURS:
        jobs_wake(call->house->jobs);
        return NULL;
    case FOUND_FOREIGN:
        return quarantine(watch, call, row);
    case FOUND_REFUND:
        return take_refund(watch, call, row);
    case FOUND_SILENCE:
        return say_silent(watch, call, row);
    case FOUND_NOTHING:
        break;
    }
    if (call->now_us - row->receive_us < GIVE_UP_US)
        return NULL;
    TRY(check_customer(call, row));
    TRY(report(call, row, INCIDENT_UNMATCHED_NEWS,
               "it says that it is ours, and we do not know it"));
    return quarantine(watch, call, row);
}

static const struct error *sweep(struct news_watch *watch, struct call *call)
{
    int64_t now_us = clock_monotonic_us(call->house->clock);
    int64_t swept;

    if (now_us < watch->sweep_us)
        return NULL;
    TRY(news_sweep(call, call->now_us - KEEP_US, SWEEP_ROWS, &swept));
    watch->sweep_us = swept == SWEEP_ROWS ? 0 : now_us + SWEEP_EVERY_US;
    return NULL;
}

static const struct error *measure_backlog(struct news_watch *watch, struct call *call)
{
    int64_t now_us = clock_monotonic_us(call->house->clock);
    int64_t count;
    int64_t oldest_us;

    if (now_us < watch->measure_us)
        return NULL;
    TRY(news_backlog(call, &count, &oldest_us));
    atomic_store_explicit(&watch->unapplied, count, memory_order_relaxed);
    atomic_store_explicit(&watch->oldest_us, oldest_us, memory_order_relaxed);
    watch->measure_us = now_us + MEASURE_EVERY_US;
    return NULL;
}

void news_watch_measure(const struct news_watch *watch, struct measures *out)
{
    static const struct measure unapplied = {
        "dues_news_unapplied", "News of gateways that are stored and not applied, at most 10,000.",
        MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure age = {"dues_news_unapplied_age_seconds",
                                       "Since the oldest of them came.", MEASURE_GAUGE,
                                       MEASURE_SECONDS};
    static const struct measure quarantined = {
        "dues_news_quarantined_total",
        "News that were about nothing of ours and are not looked at any more.", MEASURE_COUNTER,
        MEASURE_PLAIN};

    if (watch == NULL)
        return;
    int64_t oldest_us = atomic_load_explicit(&watch->oldest_us, memory_order_relaxed);
    measure_number(out, &unapplied, MEASURE_NO_LABELS,
                   atomic_load_explicit(&watch->unapplied, memory_order_relaxed));
    measure_number(out, &age, MEASURE_NO_LABELS,
                   oldest_us == 0 ? 0 : clock_wall_us(watch->house->clock) - oldest_us);
    measure_number(out, &quarantined, MEASURE_NO_LABELS,
                   (int64_t)atomic_load_explicit(&watch->quarantined, memory_order_relaxed));
}

/* What was not found out in the time after which all else is given up is looked at ever later. */
static int64_t again_us(const struct call *call, const struct news_row *row)
{
    int64_t age_us = call->now_us - row->receive_us;

    if (age_us <= GIVE_UP_US)
        return AGAIN_US;
    return age_us / 4 < AGAIN_MAX_US ? age_us / 4 : AGAIN_MAX_US;
}

static const struct error *look_at_one(struct news_watch *watch, struct call *call,
                                       struct news_row *row)
{
    enum finding finding = FOUND_SILENCE;
    bool claimed;

    TRY(news_claim(call, row, call->now_us + again_us(call, row), &claimed));
    if (!claimed)
        return NULL;
    const struct error *error = look_at(call, row, &finding);
    const struct error *concluded =
        conclude(watch, call, row, error == NULL ? finding : FOUND_SILENCE);
    return error == NULL ? concluded : error;
}

/* An error is that of one of them, and told at the end. */
static const struct error *look(void *owner, struct call *call)
{
    struct news_watch *watch = owner;
    const struct error *first = NULL;
    struct news_row *rows;
    size_t count;

    TRY(news_list_due(call, call->now_us, BATCH, &rows, &count));
    for (size_t i = 0; i < count && call_time_left_us(call) > 0; i++) {
        const struct error *error = look_at_one(watch, call, &rows[i]);
        if (first == NULL)
            first = error;
    }
    TRY(measure_backlog(watch, call));
    TRY(sweep(watch, call));
    return first;
}

struct news_watch *news_watch_open(const struct house *house)
{
    struct news_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        bug("no memory to watch news");
    watch->house = house;
    watch->watch = watch_open(&(struct watch_question){
        .house = house,
        .caller = "system/news",
        .method = "news/match",
        .every_us = LOOK_US,
        .limit_us = LIMIT_US,
        .arena_size = ARENA_SIZE,
        .ask = look,
        .owner = watch,
        .trouble_event = "news.cannot_match",
    });
    return watch;
}

void news_watch_start(struct news_watch *watch)
{
    watch_start(watch->watch);
}

void news_watch_stop(struct news_watch *watch)
{
    if (watch != NULL)
        watch_stop(watch->watch);
}

void news_watch_close(struct news_watch *watch)
{
    if (watch == NULL)
        return;
    watch_close(watch->watch);
    free(watch);
}
