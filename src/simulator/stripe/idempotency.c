/*
 * Answers by their keys, kept in the store, so that they survive as the objects do.
 */

#include "simulator/stripe/idempotency.h"

#include "crypto/secrets.h"

#define KEPT_S (24 * 3600)

static const char *hash_text(struct arena *arena, const char *text)
{
    uint8_t hash[SHA256_SIZE];
    char *hex = arena_alloc(arena, 2 * SHA256_SIZE + 1);

    sha256(text, strlen(text), hash);
    hex_encode(hash, sizeof hash, hex);
    return hex;
}

static const char *record_id(const struct stripe_call *call)
{
    return arena_printf(call->arena, "idem_%.40s", hash_text(call->arena, call->exchange->key));
}

const char *idempotency_fingerprint(struct stripe_call *call)
{
    size_t size = json_dumpb(call->params, NULL, 0, JSON_SORT_KEYS | JSON_COMPACT);
    char *params = arena_alloc(call->arena, size + 1);

    (void)json_dumpb(call->params, params, size, JSON_SORT_KEYS | JSON_COMPACT);
    return hash_text(call->arena,
                     arena_printf(call->arena, "%s %s %s", call->exchange->http->method,
                                  call->exchange->http->path, params));
}

/* The answer as it was, and the id of the request that made it. */
static void replay(struct stripe_call *call, const json_t *record)
{
    struct exchange *exchange = call->exchange;

    exchange->status = (int32_t)number_of(record, "status");
    exchange->body = json_text(call->arena, json_object_get(record, "body"), STRIPE_INDENT, NULL);
    exchange->was_replayed = true;
    exchange_add_header(exchange, "Idempotent-Replayed", "true");
    exchange_add_header(exchange, "Original-Request",
                        arena_strdup(call->arena, text_of(record, "request")));
}

static void set_idempotency_error(struct stripe_call *call)
{
    stripe_refuse(call, 400, NULL, NULL,
                  "Keys for idempotent requests can only be used with the same parameters they "
                  "were first used with. Try using a key other than '%s' if you meant to execute "
                  "a different request.",
                  call->exchange->key);
    set_text(call->error, "type", "idempotency_error");
}

enum idempotency idempotency_look(struct stripe_call *call, const char *fingerprint)
{
    const char *key = call->exchange->key;

    if (strlen(key) > IDEMPOTENCY_KEY_MAX) {
        stripe_refuse(call, 400, NULL, NULL, "Idempotency keys can have up to %d characters",
                      IDEMPOTENCY_KEY_MAX);
        return IDEMPOTENCY_BAD_KEY;
    }
    const json_t *record = tx_load(call->tx, "idempotency", record_id(call));
    bool is_kept = record != NULL && number_of(record, "created") + KEPT_S > call->now_s;
    if (is_kept && !text_equal(text_of(record, "fingerprint"), fingerprint)) {
        set_idempotency_error(call);
        return IDEMPOTENCY_MISMATCH;
    }
    if (simulator_is_in_flight(call->simulator, key)) {
        stripe_refuse(call, 409, "idempotency_key_in_use", NULL,
                      "There is currently another in-progress request using this Idempotent Key "
                      "(that probably means you submitted twice, and the other request is still "
                      "going through): %s. Please try again later.",
                      key);
        return IDEMPOTENCY_IN_FLIGHT;
    }
    if (!is_kept)
        return IDEMPOTENCY_NEW;
    replay(call, record);
    return IDEMPOTENCY_REPLAY;
}

void idempotency_keep(struct stripe_call *call, const char *fingerprint)
{
    const struct exchange *exchange = call->exchange;

    tx_add(call->tx,
           json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:o, s:I}", "id", record_id(call), "object",
                     "idempotency", "key", exchange->key, "fingerprint", fingerprint, "status",
                     (int)exchange->status, "request", exchange->request_id, "body",
                     json_loads(exchange->body, 0, NULL), "created", (json_int_t)call->now_s));
}
