/*
 * What a gateway is told of a payment method after the customer's answer: that it was deleted, so
 * that it cannot be charged there either, and a new expiry.  Owed by the step that recorded the
 * change, told again until the gateway has heard it; a deleted method keeps its token, sealed,
 * until then and no longer.
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"

#define METHODS_MAX 1000
#define WAIT_US     US_PER_HOUR

bool payment_method_is_told(const struct call *call, const struct payment_method *method)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, method->gateway);

    return gateway != NULL && gateway->detach_card != NULL && gateway->update_card != NULL;
}

static const struct error *not_yet(struct call *call, const struct obligation *obligation,
                                   enum gateway_outcome outcome)
{
    return error_cause(call->arena,
                       refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                              "the payment gateway could not be told"),
                       "%s: %s", obligation->kind, gateway_outcome_name(outcome));
}

/* Every run has its own: a stored error would be told again for a day. */
static const char *key_of(struct call *call, const struct obligation *obligation)
{
    return arena_printf(call->arena, "%s-%s-%lld", obligation->kind,
                        uuid_text(call->arena, obligation->subject), (long long)obligation->epoch);
}

/* ---- Deleted ---- */

const struct pg_statement payment_method_is_awaited_statement = {
    .name = "payment_method_is_awaited",
    .sql = "SELECT EXISTS (SELECT FROM payment_action a JOIN payment p"
           "    ON p.customer_id = a.customer_id AND p.payment_id = a.payment_id"
           " WHERE a.customer_id = $1 AND p.customer_id = $1 AND p.payment_method_id = $2)"
           "    OR payment_method_is_asked_about($1, $2) AS is_awaited",
};

/* Its customer authenticates a payment of it at this moment, or what became of one is asked. */
static const struct error *is_awaited(struct call *call, const struct payment_method *method,
                                      bool *awaited)
{
    struct pg_rows rows;

    TRY(pg_read(call, method->customer, &payment_method_is_awaited_statement,
                PG_PARAMS(pg_uuid(method->customer), pg_uuid(method->id)), &rows));
    *awaited = pg_get_bool(&rows, 0, "is_awaited");
    return NULL;
}

/* Whoever stored one card twice has one card at the gateway. */
static const struct error *is_shared(struct call *call, const struct payment_method *method,
                                     const char *token, bool *shared)
{
    struct payment_method *others;
    size_t count;

    *shared = false;
    TRY(payment_method_list(call, method->customer, UUID_NIL, METHODS_MAX, &others, &count));
    for (size_t i = 0; i < count && !*shared; i++) {
        const char *other;
        if (!text_equal(others[i].gateway, method->gateway))
            continue;
        TRY(payment_method_open(call, &others[i], &other));
        *shared = text_equal(other, token);
    }
    return NULL;
}

const struct pg_statement payment_method_detached_statement = {
    .name = "payment_method_detached",
    .sql = "SELECT payment_method_detached($1, $2, $3, $4) AS held",
};

static const struct error *forget(struct call *call, const struct obligation *obligation)
{
    struct pg_rows rows;

    return pg_write(call, obligation->customer, &payment_method_detached_statement,
                    PG_PARAMS(pg_uuid(obligation->customer), pg_uuid(obligation->subject),
                              pg_text(obligation->business_key), pg_int64(obligation->epoch)),
                    &rows);
}

static const struct error *detach(struct call *call, const struct obligation *obligation)
{
    struct payment_method method;
    const char *token;
    bool stays;

    TRY(payment_method_load(call, obligation->customer, obligation->subject, &method));
    TRY(payment_method_open(call, &method, &token));
    if (method.state != PAYMENT_METHOD_DELETED || token[0] == '\0')
        return jobs_finish(call, obligation);
    TRY(is_awaited(call, &method, &stays));
    if (stays)
        return jobs_move(call, obligation, obligation->now_us + WAIT_US);
    TRY(is_shared(call, &method, token, &stays));
    if (!stays && payment_method_is_told(call, &method)) {
        const struct gateway *gateway = gateway_find(call->house->gateways, method.gateway);
        enum gateway_outcome outcome =
            gateway->detach_card(gateway, call, token, key_of(call, obligation));
        if (outcome != GATEWAY_SUCCEEDED)
            return not_yet(call, obligation, outcome);
    }
    return forget(call, obligation);
}

const struct job_kind payment_method_detach_job = {.name = "payment_method.detach", .run = detach};

/* ---- Another expiry ---- */

const struct pg_statement payment_method_told_statement = {
    .name = "payment_method_told",
    .sql = "SELECT payment_method_told($1, $2, $3, $4, $5, $6) AS is_over",
};

/* It changed while the gateway was told: then it is told again. */
static const struct error *told(struct call *call, const struct obligation *obligation,
                                const struct gateway_expiry *expiry)
{
    struct pg_rows rows;

    TRY(pg_write(call, obligation->customer, &payment_method_told_statement,
                 PG_PARAMS(pg_uuid(obligation->customer), pg_uuid(obligation->subject),
                           pg_text(obligation->business_key), pg_int64(obligation->epoch),
                           pg_int32(expiry->month), pg_int32(expiry->year)),
                 &rows));
    return pg_get_bool(&rows, 0, "is_over") ? NULL
                                            : jobs_move(call, obligation, obligation->now_us);
}

/* What the gateway refuses, an expiry in the past, stays ours alone. */
static const struct error *update(struct call *call, const struct obligation *obligation)
{
    struct payment_method method;
    const char *token;

    TRY(payment_method_load(call, obligation->customer, obligation->subject, &method));
    TRY(payment_method_open(call, &method, &token));
    if (method.state == PAYMENT_METHOD_DELETED || token[0] == '\0' ||
        !payment_method_is_told(call, &method))
        return jobs_finish(call, obligation);
    const struct gateway *gateway = gateway_find(call->house->gateways, method.gateway);
    const struct gateway_expiry expiry = {method.exp_month, method.exp_year};
    enum gateway_outcome outcome =
        gateway->update_card(gateway, call, token, &expiry, key_of(call, obligation));
    if (outcome != GATEWAY_SUCCEEDED && outcome != GATEWAY_FAILED)
        return not_yet(call, obligation, outcome);
    return told(call, obligation, &expiry);
}

const struct job_kind payment_method_update_job = {.name = "payment_method.update", .run = update};
