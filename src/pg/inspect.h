/*
 * What the database says about itself, for `duesd doctor`: durability, roles, room, clock.
 * Blocking; one connection of the service role, made for the question.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define PG_FACTS_MAX       32
#define PG_FACT_NAME_SIZE  64
#define PG_FACT_VALUE_SIZE 128

struct pg_facts {
    size_t count;
    struct {
        char name[PG_FACT_NAME_SIZE];
        char value[PG_FACT_VALUE_SIZE];
    } list[PG_FACTS_MAX];
};

/* False and one line in `problem` when it cannot be asked. */
bool pg_inspect(const char *connection, struct pg_facts *facts, char problem[256]);

/* The value of the fact; "" when PostgreSQL did not tell. */
const char *pg_fact(const struct pg_facts *facts, const char *name);

/* A key of the server's own, as it rests in table signing_key. */
struct pg_sealed_key {
    const char *kind;
    int64_t generation;
    const uint8_t *sealed;
    size_t size;
};

/* All of them, in the arena; the table's state, not a server's.  False as above. */
bool pg_inspect_keys(const char *connection, struct arena *arena, struct pg_sealed_key **keys,
                     size_t *count, char problem[256]);

/* The same of table gateway_key; its `kind` is the name. */
bool pg_inspect_gateway_keys(const char *connection, struct arena *arena,
                             struct pg_sealed_key **keys, size_t *count, char problem[256]);

/* Which key-encryption key is in use, and the house's own keys, as they rest. */
#define PG_KEY_ID_SIZE 8
struct pg_vault_facts {
    bool is_made; /* false: no server has started on this database; the rest says nothing */
    uint8_t key_id[PG_KEY_ID_SIZE];
    int64_t since_us;
    int64_t old_rows; /* data keys that hang on another */
    struct pg_sealed_key house_key;
    struct pg_sealed_key root;
};
bool pg_inspect_vault(const char *connection, struct arena *arena, struct pg_vault_facts *facts,
                      char problem[256]);

/* "17.2" of the libpq that this process runs with. */
void pg_library_version(char version[16]);
