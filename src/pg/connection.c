/*
 * Connecting, and the set of statements prepared on a connection.  A dead peer is noticed by
 * keepalives and tcp_user_timeout; statement and lock timeouts belong to the service role.
 */
#include "pg/connection.h"

#include "base/bug.h"
#include "pg/lanes.h"

const char connection_planning[] = "-c search_path=dues -c plan_cache_mode=force_generic_plan"
                                   " -c enable_seqscan=off -c enable_hashjoin=off"
                                   " -c enable_mergejoin=off -c enable_memoize=off -c jit=off"
                                   " -c max_parallel_workers_per_gather=0";

struct setting {
    const char *keyword;
    const char *value;
};

/* What holds where the connection string says nothing: a silent peer is noticed within seconds. */
static const struct setting defaults[] = {
    {"connect_timeout", "3"},    {"keepalives", "1"},
    {"keepalives_idle", "10"},   {"keepalives_interval", "3"},
    {"keepalives_count", "3"},   {"tcp_user_timeout", "10000"},
    {"client_encoding", "UTF8"}, {"target_session_attrs", "read-write"},
};

#define SETTINGS_MAX 64

/* A list of hosts, as it stands in the connection string. */
#define HOSTS_SIZE 1024

/* A statement that is not there any more; the search goes on behind it. */
static const struct pg_statement forgotten = {.name = ""};

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

bool connection_rotate(const char *list, uint32_t by, char *rotated, size_t size)
{
    size_t items = 1;
    const char *head = list;

    for (const char *c = list; *c != '\0'; c++)
        items += *c == ',';
    for (size_t i = by % items; i > 0; i--)
        head = strchr(head, ',') + 1;
    int length = head == list
                     ? snprintf(rotated, size, "%s", list)
                     : snprintf(rotated, size, "%s,%.*s", head, (int)(head - list) - 1, list);
    return length >= 0 && (size_t)length < size;
}

struct settings_list {
    const char *keywords[SETTINGS_MAX + 1];
    const char *values[SETTINGS_MAX + 1];
    size_t count;
};

static void add(struct settings_list *list, const char *keyword, const char *value)
{
    list->keywords[list->count] = keyword;
    list->values[list->count++] = value;
}

/* The lists of the string that go host by host. */
static const char *const per_host[] = {"host", "hostaddr", "port"};

/* Adds them in the order of this attempt; libpq itself complains about a string it cannot read. */
static void add_hosts(struct settings_list *list, const char *connection, uint32_t attempt,
                      char rotated[ARRAY_LENGTH(per_host)][HOSTS_SIZE])
{
    PQconninfoOption *options = PQconninfoParse(connection, NULL);

    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
        for (size_t i = 0; i < ARRAY_LENGTH(per_host); i++)
            if (strcmp(o->keyword, per_host[i]) == 0 && o->val != NULL &&
                connection_rotate(o->val, attempt, rotated[i], HOSTS_SIZE))
                add(list, per_host[i], rotated[i]);
    PQconninfoFree(options);
}

static void release_options(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

static void release_message(char **message)
{
    PQfreemem(*message);
}

bool pg_connection_check(const char *connection, char problem[PG_PROBLEM_SIZE])
{
    AUTO(release_message) char *message = NULL;
    AUTO(release_options) PQconninfoOption *options = PQconninfoParse(connection, &message);

    if (options == NULL) {
        const char *why = message != NULL ? message : "out of memory";
        snprintf(problem, PG_PROBLEM_SIZE, "%.*s", (int)strcspn(why, "\n"), why);
        return false;
    }
    for (PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "password") == 0 && o->val != NULL && o->val[0] != '\0') {
            snprintf(problem, PG_PROBLEM_SIZE,
                     "it holds a password; use a passfile or peer authentication");
            return false;
        }
    }
    return true;
}

PGconn *connection_start(const char *connection, const char *application, uint32_t attempt)
{
    struct settings_list list = {0};
    char rotated[ARRAY_LENGTH(per_host)][HOSTS_SIZE];

    add(&list, "application_name", application);
    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++)
        add(&list, defaults[i].keyword, defaults[i].value);
    /* Expanded in place, so it outranks what stands before it and yields to what comes behind. */
    add(&list, "dbname", connection);
    add(&list, "options", connection_planning);
    add_hosts(&list, connection, attempt, rotated);
    return PQconnectStartParams(list.keywords, list.values, 1);
}

bool connection_ready(struct connection *connection, PGconn *pg)
{
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    if (PQsetnonblocking(pg, 1) != 0 || PQenterPipelineMode(pg) != 1)
        return false;
    memset(connection->prepared, 0, sizeof(connection->prepared));
    connection->must_roll_back = false;
    const char *application = PQparameterStatus(pg, "application_name");
    snprintf(connection->application, sizeof(connection->application), "%s",
             application != NULL ? application : "");
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
