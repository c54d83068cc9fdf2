/*
 * The same keys and places as in the vault, one after another.
 */

#include "vault/peek.h"

#include "vault/place.h"

bool vault_peek_house_key(struct arena *arena, const struct key_ring *ring, struct bytes wrapped,
                          struct data_key *key)
{
    const struct seal_place place = vault_place_house_key();
    struct sealed sealed;
    struct bytes plain;

    if (!sealed_parse(wrapped, &sealed))
        return false;
    const struct data_key *kek = key_ring_find(ring, sealed.key_id);
    if (kek == NULL || !sealed_open(arena, kek, &place, wrapped, &plain) ||
        plain.size != sizeof(*key))
        return false;
    memcpy(key, plain.data, sizeof(*key));
    return true;
}

bool vault_peek_signing_key(struct arena *arena, const struct data_key *key,
                            const struct secrets *secrets, const char *kind, int64_t generation,
                            struct bytes sealed, struct bytes *pem)
{
    const struct vault_place place = vault_place_signing_key(arena, kind, generation);

    return sealed_open(arena, key, &place.at, sealed, pem) ||
           secret_open(secrets, place.old_purpose, arena, place.old_context, sealed.data,
                       sealed.size, pem);
}

bool vault_peek_gateway_key(struct arena *arena, const struct data_key *key, const char *name,
                            int64_t generation, struct bytes sealed, const char **text)
{
    const struct vault_place place = vault_place_gateway_key(arena, name, generation);
    struct bytes plain;

    if (!sealed_open(arena, key, &place.at, sealed, &plain))
        return false;
    *text = arena_strndup(arena, plain.data, plain.size);
    return true;
}

bool vault_peek_root(struct arena *arena, const struct data_key *key, struct bytes sealed,
                     struct secrets *secrets)
{
    const struct vault_place place = vault_place_house_secret("root");
    struct bytes plain;

    if (!sealed_open(arena, key, &place.at, sealed, &plain) || plain.size != SECRET_SIZE)
        return false;
    secrets_take_root(secrets, plain.data);
    return true;
}
