/*
 * A lane's connection: how it is made, and which statements are prepared on it.
 */
#pragma once

#include "pg/libpq.h"

#include "base/time.h"
#include "pg/params.h"

struct sets;

/* Statements of the house, with room to spare; a power of two. */
#define STATEMENTS_MAX 1024

/*
 * How the lanes' statements are planned: each is a look-up by key, for which the generic plan is
 * the right one and an index always is.  A table that was small when its statement was planned, or
 * whose statistics lag behind, must not be read from end to end once it has grown.
 */
extern const char connection_planning[];

/* PostgreSQL's limit, with the NUL. */
#define APPLICATION_SIZE 64

struct connection {
    PGconn *pg; /* NULL: none */
    /* Set of the statements that are prepared on it, by address. */
    const struct pg_statement *prepared[STATEMENTS_MAX];
    bool must_roll_back;                /* the last batch left a failed transaction open */
    struct sets *sets;                  /* the lane's; they outlive the connection */
    char application[APPLICATION_SIZE]; /* application_name of the session */
    struct pg_encoded encoded;          /* room for the parameters of one statement */
};

/*
 * Begins to connect: the caller's string with what the house wants where it says nothing, and
 * search_path in any case.  Of several hosts the one numbered `attempt` is tried first, so that one
 * that swallows packets does not hide the others.  NULL when memory is short.
 */
PGconn *connection_start(const char *connection, const char *application, uint32_t attempt);

/* "a,b,c" by 1 is "b,c,a".  False when it does not fit into `rotated`. */
bool connection_rotate(const char *list, uint32_t by, char *rotated, size_t size);

/* Connected: pipeline mode, non-blocking.  False when libpq refuses. */
bool connection_ready(struct connection *connection, PGconn *pg);

void connection_drop(struct connection *connection);

bool connection_is_prepared(const struct connection *connection,
                            const struct pg_statement *statement);
void connection_set_prepared(struct connection *connection, const struct pg_statement *statement);
void connection_forget_prepared(struct connection *connection,
                                const struct pg_statement *statement);
