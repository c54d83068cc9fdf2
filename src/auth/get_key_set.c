/*
 * GetKeySet gives the public keys that verify our access tokens.
 */

#include "auth/auth_internal.h"
#include "auth/keys.h"
#include "base/text.h"

static JsonWebKeyMessage *key_to_proto(struct arena *arena, const struct token_key *key)
{
    uint8_t x[ES256_COORDINATE_SIZE];
    uint8_t y[ES256_COORDINATE_SIZE];
    ec_key_point(key->key, x, y);

    JsonWebKeyMessage *message = arena_alloc(arena, sizeof(*message));
    dues__auth__v1__json_web_key__init(message);
    message->kid = arena_strdup(arena, key->kid);
    message->kty = arena_strdup(arena, "EC");
    message->crv = arena_strdup(arena, "P-256");
    message->alg = arena_strdup(arena, "ES256");
    message->use = arena_strdup(arena, "sig");
    message->x = base64url_encode(arena, x, sizeof(x));
    message->y = base64url_encode(arena, y, sizeof(y));
    return message;
}

const struct error *get_key_set(struct call *call, const void *request, void *reply)
{
    const struct auth_keys *keys = call->house->keys;
    KeySetMessage *res = reply;
    (void)request;

    res->n_keys = auth_keys_count(keys);
    res->keys = arena_array(call->arena, res->n_keys, sizeof(*res->keys));
    for (size_t i = 0; i < res->n_keys; i++)
        res->keys[i] = key_to_proto(call->arena, auth_keys_at(keys, i));
    return NULL;
}
