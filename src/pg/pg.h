/*
 * The database, as handlers see it: one op is one prepared statement, it parks the fiber, and it
 * answers with rows in the arena of the call.
 *
 * A write op is one call of one stored function and joins a group commit of its lane (pg/lane.c).
 * Same key (the customer) → same lane, so a customer's steps are serial in this process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/call.h"
#include "base/id.h"

struct pg;

/* Rows of one answer at most: a page and one more. */
#define PG_ROWS_MAX 1001

enum pg_type { PG_TEXT, PG_INT64, PG_INT32, PG_BOOL, PG_UUID, PG_BYTES, PG_TIME };

struct pg_param {
    enum pg_type type;
    bool is_null;
    union {
        const char *text;
        int64_t int64; /* PG_INT64; PG_TIME as microseconds since 1970 */
        int32_t int32;
        bool boolean;
        struct uuid uuid;
        struct {
            const void *data;
            size_t size;
        } bytes;
    } value;
};

struct pg_params {
    const struct pg_param *list;
    size_t count;
};

#define PG_PARAMS(...)                                                                             \
    ((struct pg_params){(const struct pg_param[]){__VA_ARGS__},                                    \
                        sizeof((const struct pg_param[]){__VA_ARGS__}) / sizeof(struct pg_param)})

/* A NULL pointer becomes SQL NULL. */
struct pg_param pg_text(const char *value);
struct pg_param pg_int64(int64_t value);
struct pg_param pg_int32(int32_t value);
struct pg_param pg_bool(bool value);
struct pg_param pg_uuid(struct uuid value);
struct pg_param pg_uuid_or_null(struct uuid value); /* the nil UUID is NULL */
struct pg_param pg_bytes(const void *data, size_t size);
struct pg_param pg_time(int64_t time_us);
struct pg_param pg_time_or_null(int64_t time_us); /* 0 is NULL */
struct pg_param pg_null(enum pg_type type);

struct pg_statement {
    const char *name; /* unique in the house: the key of the prepared statement */
    const char *sql;  /* constant; parameters are $1… with explicit casts where inference fails */
    /*
     * A read by key that answers at most one row.  Many of them that wait together may be asked as
     * one statement over arrays of their parameters (pg/set.h), which costs a fraction.
     */
    bool is_lookup;
};

/*
 * In SQL: the id is below the parameter, any id when that is NULL.  One bound, so that an index
 * begins there; "$2 IS NULL OR id < $2" would read all that is newer, too.
 */
#define PG_BELOW(id, param)                                                                        \
    id " < coalesce(" param "::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')"

/* One NULL-terminated list a room, for the test that PREPAREs every statement. */
typedef const struct pg_statement *const pg_statement_list[];

struct pg_rows {
    size_t count;
    const struct pg_table *table; /* opaque; in the arena of the call */
};

/* Reads: outside a transaction, on a read lane.  A read sees every write acknowledged before it. */
const struct error *pg_read(struct call *call, struct uuid key,
                            const struct pg_statement *statement, struct pg_params params,
                            struct pg_rows *rows) MUST_CHECK;

/* What has a name, and what is said when it is not there. */
struct pg_named {
    const struct pg_statement *statement; /* its parameters are the ids of the name, in order */
    const char *pattern;
    const char *reason;
};

/* Reads its one row by the ids of its name, the first of which is the key; not there: the reason.
 */
const struct error *pg_load(struct call *call, const struct pg_named *named,
                            const struct uuid ids[], size_t id_count, struct pg_rows *rows)
    MUST_CHECK;

/*
 * Writes: a stored function that is idempotent by its natural key, because a lost COMMIT is
 * resolved by running the same op again.  Returns only when the commit is known,
 * or UNAVAILABLE / DATABASE_UNAVAILABLE when it could not be made known in time: a little before
 * the deadline, and after two seconds when there is no connection and nothing was sent.
 */
const struct error *pg_write(struct call *call, struct uuid key,
                             const struct pg_statement *statement, struct pg_params params,
                             struct pg_rows *rows) MUST_CHECK;

/*
 * Columns are read by name; an absent column or another type is a bug and aborts.  A NULL reads as
 * "" / 0 / false / UUID_NIL / no bytes: ask pg_is_null where the difference matters.
 */
bool pg_is_null(const struct pg_rows *rows, size_t row, const char *column);
const char *pg_get_text(const struct pg_rows *rows, size_t row, const char *column);
int64_t pg_get_int64(const struct pg_rows *rows, size_t row,
                     const char *column); /* int8 or int4/int2 */
bool pg_get_bool(const struct pg_rows *rows, size_t row, const char *column);
struct uuid pg_get_uuid(const struct pg_rows *rows, size_t row, const char *column);
int64_t pg_get_time(const struct pg_rows *rows, size_t row, const char *column);
const uint8_t *pg_get_bytes(const struct pg_rows *rows, size_t row, const char *column,
                            size_t *size);
