/*
 * Connecting, and the set of statements prepared on a connection.  A dead peer is noticed by
 * keepalives and tcp_user_timeout; statement and lock timeouts belong to the service role.
 */
#include "pg/connection.h"

#include "base/bug.h"

struct setting {
    const char *keyword;
    const char *value;
};

/* What holds where the connection string says nothing (charging.md 3.6). */
static const struct setting defaults[] = {
    {"connect_timeout", "3"},    {"keepalives", "1"},
    {"keepalives_idle", "10"},   {"keepalives_interval", "3"},
    {"keepalives_count", "3"},   {"tcp_user_timeout", "10000"},
    {"client_encoding", "UTF8"}, {"target_session_attrs", "read-write"},
};

#define SETTINGS_MAX 64

/* A statement that is not there any more; the search goes on behind it. */
static const struct pg_statement forgotten = {"", ""};

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

PGconn *connection_start(const char *connection, const char *application)
{
    const char *keywords[SETTINGS_MAX + 1] = {NULL};
    const char *values[SETTINGS_MAX + 1] = {NULL};
    size_t count = 0;

    keywords[count] = "application_name";
    values[count++] = application;
    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++) {
        keywords[count] = defaults[i].keyword;
        values[count++] = defaults[i].value;
    }
    /* Expanded in place, so it outranks what stands before it and yields to what comes behind. */
    keywords[count] = "dbname";
    values[count++] = connection;
    keywords[count] = "options";
    values[count++] = "-c search_path=dues";
    return PQconnectStartParams(keywords, values, 1);
}

bool connection_ready(struct connection *connection, PGconn *pg)
{
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    if (PQsetnonblocking(pg, 1) != 0 || PQenterPipelineMode(pg) != 1)
        return false;
    memset(connection->prepared, 0, sizeof(connection->prepared));
    connection->must_roll_back = false;
    connection->pg = pg;
    return true;
}

void connection_drop(struct connection *connection)
{
    PQfinish(connection->pg);
    connection->pg = NULL;
}

/* Where `statement` is, or the free place where it would go. */
static size_t slot_of(const struct connection *connection, const struct pg_statement *statement)
{
    size_t slot = ((uintptr_t)statement >> 4) % STATEMENTS_MAX;
    size_t vacant = STATEMENTS_MAX;

    for (size_t i = 0; i < STATEMENTS_MAX; i++, slot = (slot + 1) % STATEMENTS_MAX) {
        if (connection->prepared[slot] == statement)
            return slot;
        if (connection->prepared[slot] == &forgotten && vacant == STATEMENTS_MAX)
            vacant = slot;
        if (connection->prepared[slot] == NULL)
            return vacant != STATEMENTS_MAX ? vacant : slot;
    }
    if (vacant == STATEMENTS_MAX)
        bug("more than %d statements", STATEMENTS_MAX);
    return vacant;
}

bool connection_is_prepared(const struct connection *connection,
                            const struct pg_statement *statement)
{
    return connection->prepared[slot_of(connection, statement)] == statement;
}

void connection_set_prepared(struct connection *connection, const struct pg_statement *statement)
{
    connection->prepared[slot_of(connection, statement)] = statement;
}

void connection_forget_prepared(struct connection *connection, const struct pg_statement *statement)
{
    size_t slot = slot_of(connection, statement);

    if (connection->prepared[slot] == statement)
        connection->prepared[slot] = &forgotten;
}
