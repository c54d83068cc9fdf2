/*
 * The doctor and the check of the ledger open keys in the order in which a starting server does:
 * the source's, with them the house's data key and root, with those the signing keys.
 */
#include "key_bunch.h"

#include "base/text.h"
#include "crypto/locked.h"
#include "house_open.h"
#include "vault/peek.h"

#define MEMORY_SIZE_MAX ((size_t)4 * 1024 * 1024)

struct key_bunch key_bunch_new(void)
{
    return (struct key_bunch){
        .arena = arena_new(MEMORY_SIZE_MAX),
        .ring = locked_new(sizeof(struct key_ring)),
    };
}

void key_bunch_close(struct key_bunch *bunch)
{
    secrets_close(bunch->secrets);
    data_key_wipe(&bunch->house);
    locked_free(bunch->ring, sizeof(*bunch->ring));
    arena_free(bunch->arena);
}

bool key_bunch_read_source(struct key_bunch *bunch, const struct settings *settings,
                           char problem[KEY_BUNCH_PROBLEM_SIZE])
{
    const struct key_source source = house_key_source(settings);

    bunch->secrets = secrets_open_from(source, problem);
    return bunch->secrets != NULL && key_ring_read(source, bunch->ring, problem);
}

bool key_bunch_read_database(struct key_bunch *bunch, const struct settings *settings,
                             char problem[KEY_BUNCH_PROBLEM_SIZE])
{
    const char *database = settings->database;

    return pg_inspect_vault(database, bunch->arena, &bunch->facts, problem) &&
           pg_inspect_keys(database, bunch->arena, &bunch->signing, &bunch->signing_count, problem);
}

static struct bytes bytes_of(const struct pg_sealed_key *key)
{
    return (struct bytes){key->sealed, key->size};
}

bool key_bunch_open_house(struct key_bunch *bunch)
{
    return vault_peek_house_key(bunch->arena, bunch->ring, bytes_of(&bunch->facts.house_key),
                                &bunch->house) &&
           vault_peek_root(bunch->arena, &bunch->house, bytes_of(&bunch->facts.root),
                           bunch->secrets);
}

bool key_bunch_open_signing(const struct key_bunch *bunch, const struct pg_sealed_key *key,
                            struct bytes *pem)
{
    return vault_peek_signing_key(bunch->arena, &bunch->house, bunch->secrets, key->kind,
                                  key->generation, bytes_of(key), pem);
}

bool key_bunch_read_gateway(const struct key_bunch *bunch, const struct settings *settings,
                            const char *name, const char **text,
                            char problem[KEY_BUNCH_PROBLEM_SIZE])
{
    struct pg_sealed_key *keys;
    size_t count;

    if (!pg_inspect_gateway_keys(settings->database, bunch->arena, &keys, &count, problem))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!text_equal(keys[i].kind, name))
            continue;
        if (vault_peek_gateway_key(bunch->arena, &bunch->house, name, keys[i].generation,
                                   bytes_of(&keys[i]), text))
            return true;
        snprintf(
            problem, KEY_BUNCH_PROBLEM_SIZE,
            "the key in the database does not open: it was altered, or comes from another one");
        return false;
    }
    snprintf(problem, KEY_BUNCH_PROBLEM_SIZE, "no key is stored: `dues keys set %s`", name);
    return false;
}
