/*
 * What the customer must do: sealed at rest, because a client secret lets whoever has it act for
 * the customer, and deleted when it is over.
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "base/time.h"
#include "pg/replay.h"
#include "vault/vault.h"

/* When the gateway does not say. */
#define ACTION_US        US_PER_DAY
#define AUTHORIZATION_US (7 * US_PER_DAY)

/* One letter, the URL, a line feed, the secret: neither of the two holds one. */
#define LETTER_REDIRECT 'R'
#define LETTER_SDK      'S'

static const char *one_line(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strcspn(text, "\n"));
}

static const char *action_as_text(struct arena *arena, const struct gateway_action *action)
{
    return arena_printf(
        arena, "%c%s\n%s", action->kind == GATEWAY_ACTION_SDK ? LETTER_SDK : LETTER_REDIRECT,
        one_line(arena, action->redirect_url), one_line(arena, action->client_secret));
}

static bool action_from_text(struct arena *arena, struct bytes plain, struct gateway_action *action)
{
    const char *text = arena_strndup(arena, plain.data, plain.size);
    const char *end = strchr(text, '\n');

    if (end == NULL || (text[0] != LETTER_REDIRECT && text[0] != LETTER_SDK))
        return false;
    *action = (struct gateway_action){
        .kind = text[0] == LETTER_SDK ? GATEWAY_ACTION_SDK : GATEWAY_ACTION_REDIRECT,
        .redirect_url = arena_strndup(arena, text + 1, (size_t)(end - text) - 1),
        .client_secret = end + 1,
    };
    return true;
}

/* The gateway's time as the customer's, who may live in another. */
static int64_t in_customers_time(const struct call *call, const struct charge *charge,
                                 int64_t wall_us, int64_t otherwise_us)
{
    int64_t left_us = wall_us == 0 ? otherwise_us : wall_us - call->now_us;

    return charge->now_us + (left_us > 0 ? left_us : 0);
}

int64_t charge_action_expire_us(const struct call *call, const struct charge *charge,
                                const struct gateway_answer *answer)
{
    if (answer->outcome != GATEWAY_REQUIRES_ACTION)
        return 0;
    return in_customers_time(call, charge, answer->action.expires_us, ACTION_US);
}

int64_t charge_authorization_expire_us(const struct call *call, const struct charge *charge,
                                       const struct gateway_answer *answer)
{
    if (answer->outcome != GATEWAY_SUCCEEDED || !charge->is_manual)
        return 0;
    return in_customers_time(call, charge, answer->authorization_expires_us, AUTHORIZATION_US);
}

const struct error *charge_seal_action(struct call *call, const struct charge *charge,
                                       const struct gateway_answer *answer, struct bytes *sealed)
{
    *sealed = (struct bytes){NULL, 0};
    if (answer->outcome != GATEWAY_REQUIRES_ACTION)
        return NULL;
    const struct vault_place place =
        vault_place_payment_action(call->arena, charge->customer, charge->payment);
    const char *plain = action_as_text(call->arena, &answer->action);
    return vault_seal(call, &place, (struct bytes){plain, strlen(plain)}, sealed);
}

const struct pg_statement action_load_statement = {
    .name = "action_load",
    .sql = "SELECT action_sealed, expire_time FROM payment_action"
           " WHERE customer_id = $1 AND payment_id = $2",
    .is_lookup = true,
};

const struct error *payment_action_load(struct call *call, struct payment *payment)
{
    struct gateway_action *action = arena_alloc(call->arena, sizeof *action);
    struct bytes sealed;
    struct bytes plain;
    struct pg_rows rows;

    if (payment->state != PAYMENT_REQUIRES_ACTION)
        return NULL;
    TRY(pg_read(call, payment->customer, &action_load_statement,
                PG_PARAMS(pg_uuid(payment->customer), pg_uuid(payment->id)), &rows));
    if (rows.count == 0) /* it is over meanwhile */
        return NULL;
    const struct vault_place place =
        vault_place_payment_action(call->arena, payment->customer, payment->id);
    sealed.data = pg_get_bytes(&rows, 0, "action_sealed", &sealed.size);
    TRY(vault_unseal(call, &place, sealed, (struct bytes){NULL, 0}, &plain));
    if (!action_from_text(call->arena, plain, action))
        return error_cause(call->arena, refuse(call, STATUS_INTERNAL, "INTERNAL", "internal error"),
                           "the action of a payment is no such text");
    action->expires_us = pg_get_time(&rows, 0, "expire_time");
    payment->action = action;
    return NULL;
}

const struct pg_statement action_terms_statement = {
    .name = "action_terms",
    .sql = "SELECT a.expire_time, a.create_time,"
           "       a.cancel_time IS NOT NULL AS is_canceled,"
           "       p.invoice_id IS NULL OR EXISTS (SELECT FROM invoice i"
           "           WHERE i.customer_id = $1 AND i.invoice_id = p.invoice_id"
           "             AND i.state = 'OPEN' AND i.payment_id = p.payment_id) AS is_wanted"
           "  FROM payment_action a JOIN payment p"
           "    ON p.customer_id = a.customer_id AND p.payment_id = a.payment_id"
           " WHERE a.customer_id = $1 AND a.payment_id = $2 AND p.customer_id = $1",
};

const struct error *action_terms_load(struct call *call, struct uuid customer, struct uuid payment,
                                      struct action_terms *terms)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &action_terms_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid(payment)), &rows));
    *terms = (struct action_terms){.found = rows.count > 0};
    if (!terms->found)
        return NULL;
    terms->expire_us = pg_get_time(&rows, 0, "expire_time");
    terms->create_us = pg_get_time(&rows, 0, "create_time");
    terms->is_wanted = pg_get_bool(&rows, 0, "is_wanted");
    terms->is_canceled = pg_get_bool(&rows, 0, "is_canceled");
    return NULL;
}

const struct pg_statement action_cancel_statement = {
    .name = "payment_action_cancel",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM payment_action_cancel($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8)",
};

const struct error *action_cancel_record(struct call *call, const struct payment *payment,
                                         struct uuid attempt, int64_t now_us,
                                         enum capture_recorded *recorded, struct uuid *object)
{
    struct pg_rows rows;
    bool found;

    TRY(pg_write(call, payment->customer, &action_cancel_statement,
                 PG_PARAMS(pg_uuid(payment->customer), REPLAY_PARAMS(call), pg_uuid(payment->id),
                           pg_uuid(attempt), pg_time(now_us)),
                 &rows));
    const char *outcome = pg_get_text(&rows, 0, "outcome");
    *object = pg_get_uuid(&rows, 0, "object_id");
    if (text_equal(outcome, "running") || text_equal(outcome, "over")) {
        *recorded = text_equal(outcome, "running") ? CAPTURE_RUNNING : CAPTURE_EXCEEDS;
        return NULL;
    }
    TRY(replay_outcome(call, &rows, &found));
    *recorded = found ? CAPTURE_REPLAYED : CAPTURE_RECORDED;
    return NULL;
}
