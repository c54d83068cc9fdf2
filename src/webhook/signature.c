/*
 * The keys of endpoints rest sealed by the house's data key; the endpoint and the generation of the
 * key are part of the seal.
 */

#include "webhook/signature.h"

#include <inttypes.h>

#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/hmac.h"
#include "vault/vault.h"

const struct error *webhook_key_make(struct call *call, struct uuid endpoint, bool is_ed25519,
                                     struct webhook_key *key, const char **shown)
{
    uint8_t *plain = arena_alloc(call->arena, WEBHOOK_KEY_SIZE);

    random_fill(call->house->random, plain, WEBHOOK_KEY_SIZE);
    *key = (struct webhook_key){.id = uuid_make(call->house->random, call->now_us)};
    const struct vault_place place = vault_place_webhook_secret(call->arena, endpoint, key->id);
    TRY(vault_seal(call, &place, (struct bytes){plain, WEBHOOK_KEY_SIZE}, &key->sealed));
    *shown = "";
    if (!is_ed25519) {
        *shown = arena_printf(call->arena, "whsec_%s",
                              base64_encode(call->arena, plain, WEBHOOK_KEY_SIZE));
        return NULL;
    }
    uint8_t *public_key = arena_alloc(call->arena, ED25519_PUBLIC_SIZE);
    ed25519_public(plain, public_key);
    key->public_key = (struct bytes){public_key, ED25519_PUBLIC_SIZE};
    return NULL;
}

const char *webhook_public_text(struct arena *arena, struct bytes public_key)
{
    if (public_key.size == 0)
        return "";
    return arena_printf(arena, "whpk_%s", base64_encode(arena, public_key.data, public_key.size));
}

const char *webhook_sign(struct arena *arena, bool is_ed25519, struct bytes key, const char *id,
                         int64_t timestamp_s, const char *body)
{
    const char *content = arena_printf(arena, "%s.%" PRId64 ".%s", id, timestamp_s, body);
    uint8_t signature[ED25519_SIGNATURE_SIZE];

    if (is_ed25519) {
        ed25519_sign(key.data, content, strlen(content), signature);
        return arena_printf(arena, "v1a,%s",
                            base64_encode(arena, signature, ED25519_SIGNATURE_SIZE));
    }
    hmac_sha256(key.data, key.size, content, strlen(content), signature);
    return arena_printf(arena, "v1,%s", base64_encode(arena, signature, SHA256_SIZE));
}

static const struct error *sign_with(struct call *call, const struct webhook_endpoint *endpoint,
                                     const struct webhook_key *key, const char *id,
                                     int64_t timestamp_s, const char *body, const char **signature)
{
    const struct vault_place place = vault_place_webhook_secret(call->arena, endpoint->id, key->id);
    struct bytes plain;

    TRY(vault_unseal(call, &place, key->sealed, (struct bytes){NULL, 0}, &plain));
    *signature = webhook_sign(call->arena, endpoint->is_ed25519, plain, id, timestamp_s, body);
    return NULL;
}

const struct error *webhook_signatures(struct call *call, const struct webhook_endpoint *endpoint,
                                       const char *id, int64_t timestamp_s, const char *body,
                                       const char **header)
{
    const char *before;

    TRY(sign_with(call, endpoint, &endpoint->key, id, timestamp_s, body, header));
    if (endpoint->previous_expire_us <= clock_wall_us(call->house->clock))
        return NULL;
    TRY(sign_with(call, endpoint, &endpoint->previous, id, timestamp_s, body, &before));
    *header = arena_printf(call->arena, "%s %s", *header, before);
    return NULL;
}
