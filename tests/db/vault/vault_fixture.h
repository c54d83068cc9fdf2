/*
 * A vault with its source on the database of a test, and tokens that are sealed in it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/secrets.h"
#include "support/db_fixture.h"
#include "vault/rotate.h"
#include "vault/vault.h"

#define ONE "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define TWO "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

#define TOKEN "tok_canary_4711"

static char path[64];
static char *said; /* of the last command */

static inline struct key_source source(void)
{
    return (struct key_source){.text = path};
}

static inline void given_source(const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

static inline struct vault *open_vault(struct db_fixture *f)
{
    char problem[256] = "";
    struct vault *vault = vault_open(&f->house, source(), problem);

    if (vault == NULL)
        print_error("%s\n", problem);
    return vault;
}

/* A server that starts anew. */
static inline bool reopen(struct db_fixture *f)
{
    vault_close(f->house.vault);
    f->house.vault = open_vault(f);
    return f->house.vault != NULL;
}

static inline int setup(void **state)
{
    struct db_fixture *f = db_fixture_new(&(struct db_options){0});
    char problem[256];

    snprintf(path, sizeof(path), "/tmp/dues-vault-%d", (int)getpid());
    given_source(ONE);
    f->house.secrets = secrets_open(path, problem);
    f->house.vault = open_vault(f);
    *state = f;
    return f->house.vault == NULL;
}

static inline int teardown(void **state)
{
    struct db_fixture *f = *state;

    vault_close(f->house.vault);
    secrets_close((struct secrets *)(uintptr_t)f->house.secrets);
    db_fixture_free(f);
    free(said);
    unlink(path);
    return 0;
}

static inline FILE *hear(void)
{
    static size_t size;

    free(said);
    FILE *out = open_memstream(&said, &size);
    if (out == NULL)
        abort();
    return out;
}

static inline bool rotated_within(struct db_fixture *f, int64_t bridge_us)
{
    char problem[256] = "";
    FILE *out = hear();
    bool worked = vault_rotate(f->house.vault, bridge_us, out, problem);

    if (!worked)
        print_error("%s\n", problem);
    fclose(out);
    return worked;
}

static inline bool rotated(struct db_fixture *f)
{
    return rotated_within(f, 0);
}

struct kept {
    struct uuid customer;
    struct uuid method;
    struct bytes sealed;
    struct bytes wrapped; /* as a row brings it along; no bytes: it does not */
    const char *opened;
};

static inline const struct error *seal_token(struct call *call, void *arg)
{
    struct kept *kept = arg;
    const struct vault_place place =
        vault_place_payment_token(call->arena, kept->customer, kept->method);

    return vault_seal(call, &place, (struct bytes){TOKEN, strlen(TOKEN)}, &kept->sealed);
}

static inline const struct error *open_token(struct call *call, void *arg)
{
    struct kept *kept = arg;
    const struct vault_place place =
        vault_place_payment_token(call->arena, kept->customer, kept->method);
    struct bytes plain;

    kept->opened = "";
    TRY(vault_unseal(call, &place, kept->sealed, kept->wrapped, &plain));
    kept->opened = arena_strndup(call->arena, plain.data, plain.size);
    return NULL;
}

static inline void store(struct db_fixture *f, const struct kept *kept)
{
    char *hex = arena_alloc(f->arena, 2 * kept->sealed.size + 1);

    hex_encode(kept->sealed.data, kept->sealed.size, hex);
    db_execute(f, db_printf(f,
                            "INSERT INTO payment_method VALUES ('%s', '%s', 'sandbox',"
                            " decode('%s', 'hex'), 'visa', '4242', 12, 2030, 'ACTIVE', now())",
                            db_uuid_text(f, kept->customer), db_uuid_text(f, kept->method), hex));
}

static inline struct bytes stored(struct db_fixture *f, const char *sql)
{
    const char *hex = db_text(f, sql);
    uint8_t *bytes = arena_alloc(f->arena, strlen(hex) / 2 + 1);

    if (!hex_decode(hex, bytes, strlen(hex) / 2))
        abort();
    return (struct bytes){bytes, strlen(hex) / 2};
}

static inline void load(struct db_fixture *f, struct kept *kept)
{
    kept->sealed = stored(f, db_printf(f,
                                       "SELECT encode(token_sealed, 'hex') FROM payment_method"
                                       " WHERE payment_method_id = '%s'",
                                       db_uuid_text(f, kept->method)));
}

static inline struct kept given_token(struct db_fixture *f)
{
    struct kept kept = {.customer = db_given_customer(f, UUID_NIL), .method = db_uuid(f)};

    if (db_run(f, seal_token, &kept) != NULL)
        abort();
    store(f, &kept);
    return kept;
}

/* As a server sealed it that knew no data keys. */
static inline struct kept given_old_token(struct db_fixture *f)
{
    struct kept kept = {.customer = db_given_customer(f, UUID_NIL), .method = db_uuid(f)};

    kept.sealed = secret_seal(f->house.secrets, SECRET_SEAL_TOKENS, f->arena, f->house.random,
                              db_printf(f, "payment_method|token|%s", db_uuid_text(f, kept.method)),
                              TOKEN, strlen(TOKEN));
    store(f, &kept);
    return kept;
}

#define ASSERT_OPENS(f, kept)                                                                      \
    do {                                                                                           \
        assert_null(db_run(f, open_token, kept));                                                  \
        assert_string_equal((kept)->opened, TOKEN);                                                \
    } while (0)
