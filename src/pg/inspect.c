/*
 * One statement asks for everything.  Names of settings are PostgreSQL's own; the others stand in
 * the statement.
 */

#include "pg/inspect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "base/text.h"
#include "pg/libpq.h"

#define FACTS                                                                                      \
    "SELECT name, setting FROM pg_settings"                                                        \
    " WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes',"         \
    "                'data_checksums', 'wal_level', 'max_connections', 'statement_timeout',"       \
    "                'superuser_reserved_connections', 'lock_timeout')"                            \
    " UNION ALL SELECT 'user', current_user::text"                                                 \
    " UNION ALL SELECT 'superuser', rolsuper::text FROM pg_roles WHERE rolname = current_user"     \
    " UNION ALL SELECT 'may_create', (rolcreaterole OR rolcreatedb OR rolreplication"              \
    "     OR rolbypassrls)::text FROM pg_roles WHERE rolname = current_user"                       \
    " UNION ALL SELECT 'owned_tables', count(*)::text FROM pg_class c"                             \
    "     JOIN pg_namespace n ON n.oid = c.relnamespace"                                           \
    "     WHERE n.nspname = 'dues' AND c.relkind IN ('r', 'p')"                                    \
    "       AND pg_has_role(current_user, c.relowner, 'USAGE')"                                    \
    " UNION ALL SELECT 'writable_tables', count(*)::text FROM pg_class c"                          \
    "     JOIN pg_namespace n ON n.oid = c.relnamespace"                                           \
    "     WHERE n.nspname = 'dues' AND c.relkind IN ('r', 'p')"                                    \
    "       AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"                    \
    " UNION ALL SELECT 'connections', count(*)::text FROM pg_stat_activity"                        \
    "     WHERE backend_type = 'client backend'"                                                   \
    " UNION ALL SELECT 'local', (inet_server_addr() IS NULL)::text"                                \
    " UNION ALL SELECT 'tls', ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"             \
    " UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text"                                   \
    " UNION ALL SELECT 'clock_us',"                                                                \
    "     (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text"

#define KEYS                                                                                       \
    "SELECT kind, generation, encode(sealed_key, 'hex') FROM dues.signing_key"                     \
    " ORDER BY kind, generation DESC"

#define GATEWAY_KEYS                                                                               \
    "SELECT name, generation, encode(sealed_key, 'hex') FROM dues.gateway_key"                     \
    " ORDER BY name, generation DESC"

#define VAULT                                                                                      \
    "SELECT encode(k.key_id, 'hex'), (extract(epoch FROM k.create_time) * 1000000)::bigint,"       \
    "       (SELECT count(*) FROM dues.customer_data_key d WHERE d.kek_id <> k.key_id)"            \
    "       + (SELECT count(*) FROM dues.house_data_key d WHERE d.kek_id <> k.key_id),"            \
    "       encode(h.wrapped_key, 'hex'), encode(s.sealed, 'hex')"                                 \
    "  FROM dues.key_encryption_key k, dues.house_data_key h, dues.house_secret s"                 \
    " WHERE k.retire_time IS NULL AND h.name = 'house' AND s.name = 'root'"

static bool refuse_inspection(char problem[256], const char *why)
{
    /* libpq's messages have several lines; the first says it. */
    snprintf(problem, 256, "%.*s", (int)strcspn(why, "\n"), why);
    return false;
}

bool pg_inspect(const char *connection, struct pg_facts *facts, char problem[256])
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(connection);

    *facts = (struct pg_facts){0};
    if (PQstatus(pg) != CONNECTION_OK)
        return refuse_inspection(problem, PQerrorMessage(pg));
    AUTO(release_result) PGresult *result = PQexec(pg, FACTS);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return refuse_inspection(problem, PQerrorMessage(pg));
    for (int row = 0; row < PQntuples(result) && facts->count < PG_FACTS_MAX; row++) {
        snprintf(facts->list[facts->count].name, PG_FACT_NAME_SIZE, "%s",
                 PQgetvalue(result, row, 0));
        snprintf(facts->list[facts->count].value, PG_FACT_VALUE_SIZE, "%s",
                 PQgetvalue(result, row, 1));
        facts->count++;
    }
    return true;
}

static bool read_sealed(struct arena *arena, const char *hex, struct pg_sealed_key *key)
{
    uint8_t *sealed = arena_alloc(arena, strlen(hex) / 2 + 1);

    key->sealed = sealed;
    key->size = strlen(hex) / 2;
    return hex_decode(hex, sealed, key->size);
}

static bool read_key(struct arena *arena, const PGresult *result, int row,
                     struct pg_sealed_key *key)
{
    key->kind = arena_strdup(arena, PQgetvalue(result, row, 0));
    key->generation = strtoll(PQgetvalue(result, row, 1), NULL, 10);
    return read_sealed(arena, PQgetvalue(result, row, 2), key);
}

static bool inspect_sealed(const char *connection, const char *sql, struct arena *arena,
                           struct pg_sealed_key **keys, size_t *count, char problem[256])
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(connection);

    if (PQstatus(pg) != CONNECTION_OK)
        return refuse_inspection(problem, PQerrorMessage(pg));
    AUTO(release_result) PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return refuse_inspection(problem, PQerrorMessage(pg));
    *count = (size_t)PQntuples(result);
    *keys = arena_array(arena, *count, sizeof **keys);
    for (int row = 0; row < PQntuples(result); row++) {
        if (!read_key(arena, result, row, &(*keys)[row]))
            return refuse_inspection(problem, "a sealed key is not what PostgreSQL calls hex");
    }
    return true;
}

bool pg_inspect_keys(const char *connection, struct arena *arena, struct pg_sealed_key **keys,
                     size_t *count, char problem[256])
{
    return inspect_sealed(connection, KEYS, arena, keys, count, problem);
}

bool pg_inspect_gateway_keys(const char *connection, struct arena *arena,
                             struct pg_sealed_key **keys, size_t *count, char problem[256])
{
    return inspect_sealed(connection, GATEWAY_KEYS, arena, keys, count, problem);
}

bool pg_inspect_vault(const char *connection, struct arena *arena, struct pg_vault_facts *facts,
                      char problem[256])
{
    AUTO(release_connection) PGconn *pg = PQconnectdb(connection);

    *facts = (struct pg_vault_facts){.is_made = false};
    if (PQstatus(pg) != CONNECTION_OK)
        return refuse_inspection(problem, PQerrorMessage(pg));
    AUTO(release_result) PGresult *result = PQexec(pg, VAULT);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return refuse_inspection(problem, PQerrorMessage(pg));
    if (PQntuples(result) == 0)
        return true;
    facts->is_made = true;
    facts->since_us = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    facts->old_rows = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
    if (!hex_decode(PQgetvalue(result, 0, 0), facts->key_id, PG_KEY_ID_SIZE) ||
        !read_sealed(arena, PQgetvalue(result, 0, 3), &facts->house_key) ||
        !read_sealed(arena, PQgetvalue(result, 0, 4), &facts->root))
        return refuse_inspection(problem, "a sealed key is not what PostgreSQL calls hex");
    return true;
}

const char *pg_fact(const struct pg_facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->count; i++) {
        if (strcmp(facts->list[i].name, name) == 0)
            return facts->list[i].value;
    }
    return "";
}

void pg_library_version(char version[16])
{
    int number = PQlibVersion();

    snprintf(version, 16, "%d.%d", number / 10000, number % 10000);
}
