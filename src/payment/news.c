/*
 * Applying news: the gateway is asked how the object stands now, and that is recorded by the step
 * that an answer to our own request would go through.  Nobody's lease is needed for it: whoever
 * waits for an answer finds it recorded, compares, and does nothing.  What is not conclusive is
 * left to whoever drives the attempt, and looked at again until it is over.
 */

#include "payment/news_internal.h"

#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "payment/attempt_errand.h"
#include "payment/incident.h"

#define LOOK_FIRST_US   (2 * US_PER_SECOND)
#define LOOK_LONGEST_US US_PER_HOUR
#define ATTEMPTS_MAX    100
#define METHODS_MAX     200

const char *news_subject(struct call *call, const struct news_row *row)
{
    return incident_subject_at(call->arena, row->gateway, row->told.object);
}

/* ---- One attempt ---- */

static bool acts_on_another(const struct attempt *attempt)
{
    return attempt->operation != GATEWAY_CHARGE && attempt->operation != GATEWAY_AUTHORIZE;
}

/* Only a question, so neither the token nor a lease is needed. */
static void ask(struct call *call, const struct news_row *row, const struct customer *customer,
                const struct attempt *attempt, struct gateway_answer *answer)
{
    const struct attempt_ask question = {
        .gateway = attempt->gateway,
        .request = {.operation = attempt->operation,
                    .idempotency_key = attempt->gateway_key,
                    .reference = uuid_text(call->arena, attempt->id),
                    .payment = uuid_text(call->arena, attempt->payment),
                    .customer = uuid_text(call->arena, customer->id),
                    .amount = attempt->amount,
                    .token = "",
                    .transaction = acts_on_another(attempt) ? attempt->acted_on : row->told.object,
                    .final = attempt->is_final,
                    .off_session = attempt->off_session},
        .armed_us = clock_monotonic_us(call->house->clock),
        .query_only = true,
    };

    attempt_ask(call, &question, answer);
}

/*
 * May it be recorded, whoever waits for an answer of its own?  That something was never executed
 * may be true of the next moment only; that a transaction of ours has another amount is for people.
 */
static bool is_conclusive(const struct attempt *attempt, const struct gateway_answer *answer)
{
    bool is_open = !attempt_is_over(attempt->state);

    switch (answer->outcome) {
    case GATEWAY_SUCCEEDED:
        return true;
    case GATEWAY_DECLINED:
        return is_open;
    case GATEWAY_REQUIRES_ACTION:
        return is_open && !acts_on_another(attempt);
    case GATEWAY_UNKNOWN:
        return (is_open || attempt->state == ATTEMPT_MANUAL) && answer->transaction[0] != '\0';
    case GATEWAY_FAILED:
    case GATEWAY_NOT_SENT:
    case GATEWAY_IN_FLIGHT:
        break;
    }
    return false;
}

static bool was_heard(const struct gateway_answer *answer)
{
    return answer->outcome != GATEWAY_UNKNOWN && answer->outcome != GATEWAY_NOT_SENT;
}

/* What the gateway's news say of a second transaction for one reference. */
static const struct error *report_second(struct call *call, const struct news_row *row,
                                         const struct customer *customer,
                                         const struct attempt *attempt)
{
    const struct incident_new incident = {
        .customer = customer->id,
        .kind = INCIDENT_DUPLICATE_REFERENCE,
        .subject = news_subject(call, row),
        .detail = arena_printf(call->arena, "recorded as %s, and the gateway tells of %s as well",
                               attempt->transaction, row->told.object),
        .attempt = attempt->id,
        .payment = attempt->payment,
        .gateway = row->gateway,
        .transaction = row->told.object,
        .amount = attempt->amount,
        .now_us = customer->now_us,
    };

    return incident_open(call, &incident);
}

/* Step T3 with an answer that came another way than in reply to a request. */
static const struct error *record(struct call *call, const struct customer *customer,
                                  const struct attempt *attempt,
                                  const struct gateway_answer *answer)
{
    struct attempt_errand errand;

    TRY(attempt_errand_restore(call, customer, attempt, clock_monotonic_us(call->house->clock),
                               &errand));
    return attempt_errand_settle(call, &errand, answer);
}

static const struct error *let_customer_confirm(struct call *call, const struct customer *customer,
                                                const struct attempt *attempt)
{
    struct payment payment;

    TRY(payment_load(call, customer->id, attempt->payment, &payment));
    return action_look(call, &payment);
}

/* `*over`: there is nothing more that these news could tell. */
static const struct error *look_at(struct call *call, const struct news_row *row,
                                   const struct customer *customer, struct attempt *attempt,
                                   bool *over)
{
    struct gateway_answer answer;
    bool found;

    *over = true;
    if (attempt->state == ATTEMPT_SUCCEEDED)
        return acts_on_another(attempt) || text_equal(attempt->transaction, row->told.object)
                   ? NULL
                   : report_second(call, row, customer, attempt);
    if (attempt->state == ATTEMPT_REQUIRES_ACTION) {
        TRY(let_customer_confirm(call, customer, attempt));
    } else {
        ask(call, row, customer, attempt, &answer);
        if (is_conclusive(attempt, &answer)) {
            TRY(record(call, customer, attempt, &answer));
        } else if (attempt_is_over(attempt->state)) {
            *over = was_heard(&answer);
            return NULL;
        }
    }
    TRY(attempt_find(call, customer->id, attempt->id, attempt, &found));
    *over = attempt_is_over(attempt->state);
    return NULL;
}

/* ---- Kinds of news ---- */

const struct pg_statement news_open_attempts_statement = {
    .name = "news_open_attempts",
    .sql = "SELECT attempt_id FROM attempt"
           " WHERE customer_id = $1 AND payment_id = $2 AND operation <> 'REFUND'"
           "   AND attempt_id <> $3"
           "   AND state IN ('SENDING', 'UNKNOWN', 'RESOLVING', 'REQUIRES_ACTION')"
           " ORDER BY create_time LIMIT $4",
};

/* What is held and nobody has taken may have been given up. */
static const struct error *apply_hold(struct call *call, const struct news_row *row,
                                      const struct customer *customer, const struct attempt *first,
                                      bool *over)
{
    bool heard;

    if (first->operation != GATEWAY_AUTHORIZE || first->state != ATTEMPT_SUCCEEDED ||
        !text_equal(first->transaction, row->told.object))
        return NULL;
    TRY(hold_look(call, customer->id, first, &heard));
    *over = *over && heard;
    return NULL;
}

/* The charge or authorization, then captures and voids on their way, then what is held. */
static const struct error *apply_payment(struct call *call, const struct news_row *row,
                                         const struct customer *customer, struct attempt *first,
                                         bool *over)
{
    struct pg_rows rows;

    TRY(look_at(call, row, customer, first, over));
    TRY(pg_read(call, customer->id, &news_open_attempts_statement,
                PG_PARAMS(pg_uuid(customer->id), pg_uuid(first->payment), pg_uuid(first->id),
                          pg_int64(ATTEMPTS_MAX)),
                &rows));
    for (size_t i = 0; i < rows.count; i++) {
        struct attempt attempt;
        bool found;
        bool is_over;
        TRY(attempt_find(call, customer->id, pg_get_uuid(&rows, i, "attempt_id"), &attempt,
                         &found));
        if (!found)
            continue;
        TRY(look_at(call, row, customer, &attempt, &is_over));
        *over = *over && is_over;
    }
    return apply_hold(call, row, customer, first, over);
}

static const struct error *apply_refund(struct call *call, const struct news_row *row,
                                        const struct customer *customer, struct attempt *attempt,
                                        bool *over)
{
    struct gateway_answer answer;
    struct refund refund;

    if (attempt->state != ATTEMPT_SUCCEEDED)
        return look_at(call, row, customer, attempt, over);
    *over = true;
    TRY(refund_load(call, customer->id, attempt->payment, attempt->refund, &refund));
    if (refund.state != REFUND_SUCCEEDED)
        return NULL;
    if (!text_equal(attempt->transaction, row->told.object))
        return report_second(call, row, customer, attempt);
    ask(call, row, customer, attempt, &answer);
    if (refund_has_failed(attempt, &answer))
        return refund_failed_later(call, customer->id, attempt->id, answer.decline_code,
                                   customer->now_us);
    *over = was_heard(&answer);
    return NULL;
}

/* The method of ours behind the gateway's id; `*token` NULL: there is none any more. */
static const struct error *find_method(struct call *call, const struct news_row *row,
                                       struct uuid *id, const char **token)
{
    struct payment_method *methods;
    size_t count;

    *token = NULL;
    TRY(payment_method_list(call, row->customer, UUID_NIL, METHODS_MAX, &methods, &count));
    for (size_t i = 0; i < count && *token == NULL; i++) {
        const char *opened;
        if (!text_equal(methods[i].gateway, row->gateway))
            continue;
        TRY(payment_method_open(call, &methods[i], &opened));
        const char *slash = strrchr(opened, '/');
        if (text_equal(slash == NULL ? opened : slash + 1, row->told.object)) {
            *id = methods[i].id;
            *token = opened;
        }
    }
    return NULL;
}

static const struct error *apply_method(struct call *call, const struct news_row *row,
                                        const struct customer *customer)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, row->gateway);
    struct gateway_card card;
    const char *token;
    struct uuid id;
    bool changed;

    TRY(find_method(call, row, &id, &token));
    if (token == NULL || gateway == NULL || gateway->look_at_card == NULL)
        return NULL;
    const struct error *error = gateway->look_at_card(gateway, call, token, &card);
    /* It is nobody's any more: the next charge says so. */
    if (error != NULL)
        return error->status == STATUS_INVALID_ARGUMENT ? NULL : error;
    return payment_method_refresh(call, customer->id, id, &card, customer->now_us, &changed);
}

static const struct error *apply(struct call *call, const struct news_row *row, bool *over)
{
    struct customer customer;
    struct attempt attempt;
    bool found;

    *over = true;
    TRY(customer_load(call, row->customer, &customer));
    TRY(attempt_find(call, row->customer, row->reference, &attempt, &found));
    switch (row->told.kind) {
    case GATEWAY_NEWS_PAYMENT:
        return found ? apply_payment(call, row, &customer, &attempt, over) : NULL;
    case GATEWAY_NEWS_REFUND:
        return found ? apply_refund(call, row, &customer, &attempt, over) : NULL;
    case GATEWAY_NEWS_PAYMENT_METHOD:
        return apply_method(call, row, &customer);
    case GATEWAY_NEWS_DISPUTE:
    case GATEWAY_NEWS_OTHER:
    case GATEWAY_NEWS_KIND_COUNT:
        break;
    }
    return NULL;
}

/* ---- The obligation ---- */

/* Later and later: whoever drives the attempt looks as well. */
static int64_t next_look_us(const struct call *call, const struct news_row *row)
{
    int64_t wait_us = call->now_us - row->receive_us;

    if (wait_us < LOOK_FIRST_US)
        wait_us = LOOK_FIRST_US;
    return call->now_us + (wait_us < LOOK_LONGEST_US ? wait_us : LOOK_LONGEST_US);
}

/* "stripe:evt_…" */
static bool read_key(struct call *call, const char *key, const char **gateway, const char **event)
{
    const char *colon = strchr(key, ':');

    if (colon == NULL)
        return false;
    *gateway = arena_strndup(call->arena, key, (size_t)(colon - key));
    *event = colon + 1;
    return true;
}

static const struct error *run(struct call *call, const struct obligation *obligation)
{
    const char *gateway;
    const char *event;
    struct news_row row;
    bool found = false;
    bool over;

    if (read_key(call, obligation->business_key, &gateway, &event))
        TRY(news_load(call, gateway, event, &row, &found));
    if (!found || row.state != NEWS_OWED)
        return jobs_finish(call, obligation);
    TRY(apply(call, &row, &over));
    if (!over)
        return jobs_move(call, obligation, next_look_us(call, &row));
    return news_applied(call, &row, obligation->customer, obligation->epoch);
}

const struct job_kind gateway_news_job = {.name = "gateway.news", .run = run};
