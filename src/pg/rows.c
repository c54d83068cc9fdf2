/*
 * Rows live in the arena of the call as they came over the wire (binary) and are read by column
 * name.  A column that is absent or of another type is a mistake of ours and ends the process.
 */
#include "pg/rows.h"

#include <endian.h>

#include "base/bug.h"
#include "base/time.h"
#include "pg/params.h"

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_JSON = 114,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
    OID_JSONB = 3802,
};

struct column {
    const char *name;
    Oid type;
};

struct cell {
    const uint8_t *data; /* NUL behind; NULL is SQL NULL */
    size_t size;
};

struct pg_table {
    const char *statement;
    size_t column_count;
    struct column *columns;
    struct cell *cells; /* row by row */
};

static const struct error *too_large(struct call *call, const struct pg_statement *statement,
                                     const PGresult *result)
{
    struct error *error = error_make(call->arena, STATUS_INTERNAL, "INTERNAL", "internal error");

    return error_cause(call->arena, error, "%s: %d rows are too much for one answer",
                       statement->name, PQntuples(result));
}

/* Bytes of all that rows_copy takes, or 0 on overflow. */
static size_t size_of_copy(const PGresult *result, size_t row_count, size_t column_count)
{
    size_t size = sizeof(struct pg_table) + column_count * sizeof(struct column) +
                  row_count * column_count * sizeof(struct cell) + 64;

    for (size_t c = 0; c < column_count; c++)
        size += strlen(PQfname(result, (int)c)) + 1;
    for (size_t r = 0; r < row_count; r++)
        for (size_t c = 0; c < column_count; c++)
            size += (size_t)PQgetlength(result, (int)r, (int)c) + 1;
    return size;
}

static void *cut(uint8_t **space, size_t size)
{
    void *piece = *space;

    *space += size;
    return piece;
}

static void copy_cells(const PGresult *result, size_t row_count, struct pg_table *table,
                       uint8_t **space)
{
    for (size_t r = 0; r < row_count; r++) {
        for (size_t c = 0; c < table->column_count; c++) {
            struct cell *cell = &table->cells[r * table->column_count + c];

            if (PQgetisnull(result, (int)r, (int)c))
                continue;
            /* Binary jsonb is a version byte and the text. */
            size_t skip = table->columns[c].type == OID_JSONB ? 1 : 0;
            cell->size = (size_t)PQgetlength(result, (int)r, (int)c) - skip;
            /* The arena gave zeroed bytes: the one behind the value is its NUL. */
            uint8_t *data = cut(space, cell->size + 1);
            memcpy(data, PQgetvalue(result, (int)r, (int)c) + skip, cell->size);
            cell->data = data;
        }
    }
}

const struct error *rows_copy(struct call *call, const struct pg_statement *statement,
                              const PGresult *result, struct pg_rows *rows)
{
    size_t row_count = (size_t)PQntuples(result);
    size_t column_count = (size_t)PQnfields(result);

    if (row_count > PG_ROWS_MAX)
        return too_large(call, statement, result);
    uint8_t *space = arena_try_alloc(call->arena, size_of_copy(result, row_count, column_count));
    if (space == NULL)
        return too_large(call, statement, result);

    struct pg_table *table = cut(&space, sizeof(*table));
    table->statement = statement->name;
    table->column_count = column_count;
    table->columns = cut(&space, column_count * sizeof(*table->columns));
    table->cells = cut(&space, row_count * column_count * sizeof(*table->cells));
    for (size_t c = 0; c < column_count; c++) {
        size_t size = strlen(PQfname(result, (int)c)) + 1;
        char *name = cut(&space, size);

        memcpy(name, PQfname(result, (int)c), size);
        table->columns[c] = (struct column){.name = name, .type = PQftype(result, (int)c)};
    }
    copy_cells(result, row_count, table, &space);
    *rows = (struct pg_rows){.count = row_count, .table = table};
    return NULL;
}

static const struct cell *find(const struct pg_rows *rows, size_t row, const char *column,
                               const Oid *types, size_t type_count)
{
    const struct pg_table *table = rows->table;

    if (row >= rows->count)
        bug("row %zu of %zu is read", row, rows->count);
    for (size_t c = 0; c < table->column_count; c++) {
        if (strcmp(table->columns[c].name, column) != 0)
            continue;
        for (size_t t = 0; t < type_count; t++)
            if (types[t] == table->columns[c].type)
                return &table->cells[row * table->column_count + c];
        if (type_count == 0)
            return &table->cells[row * table->column_count + c];
        bug("%s: column %s has type %u", table->statement, column, table->columns[c].type);
    }
    bug("%s: there is no column %s", table->statement, column);
}

#define TYPES(...) (const Oid[]){__VA_ARGS__}, sizeof((const Oid[]){__VA_ARGS__}) / sizeof(Oid)

bool pg_is_null(const struct pg_rows *rows, size_t row, const char *column)
{
    return find(rows, row, column, NULL, 0)->data == NULL;
}

const char *pg_get_text(const struct pg_rows *rows, size_t row, const char *column)
{
    const struct cell *cell =
        find(rows, row, column,
             TYPES(OID_TEXT, OID_VARCHAR, OID_BPCHAR, OID_NAME, OID_JSON, OID_JSONB, OID_UNKNOWN));

    return cell->data != NULL ? (const char *)cell->data : "";
}

int64_t pg_get_int64(const struct pg_rows *rows, size_t row, const char *column)
{
    const struct cell *cell = find(rows, row, column, TYPES(OID_INT8, OID_INT4, OID_INT2));
    uint64_t value = 0;

    if (cell->data == NULL)
        return 0;
    /* Sign extension: all ones above a negative value. */
    if ((cell->data[0] & 0x80) != 0)
        value = UINT64_MAX;
    for (size_t i = 0; i < cell->size; i++)
        value = value << 8 | cell->data[i];
    return (int64_t)value;
}

bool pg_get_bool(const struct pg_rows *rows, size_t row, const char *column)
{
    const struct cell *cell = find(rows, row, column, TYPES(OID_BOOL));

    return cell->data != NULL && cell->data[0] != 0;
}

struct uuid pg_get_uuid(const struct pg_rows *rows, size_t row, const char *column)
{
    const struct cell *cell = find(rows, row, column, TYPES(OID_UUID));
    struct uuid id = UUID_NIL;

    if (cell->data != NULL)
        memcpy(id.bytes, cell->data, sizeof(id.bytes));
    return id;
}

int64_t pg_get_time(const struct pg_rows *rows, size_t row, const char *column)
{
    const struct cell *cell = find(rows, row, column, TYPES(OID_TIMESTAMPTZ));
    uint64_t value = 0;

    if (cell->data == NULL)
        return 0;
    memcpy(&value, cell->data, sizeof(value));
    int64_t since_2000 = (int64_t)be64toh(value);
    if (since_2000 > TIME_US_MAX - PG_EPOCH_US) /* 'infinity' too */
        return TIME_US_MAX;
    if (since_2000 < TIME_US_MIN - PG_EPOCH_US)
        return TIME_US_MIN;
    return since_2000 + PG_EPOCH_US;
}

const uint8_t *pg_get_bytes(const struct pg_rows *rows, size_t row, const char *column,
                            size_t *size)
{
    const struct cell *cell = find(rows, row, column, TYPES(OID_BYTEA));

    *size = cell->size;
    return cell->data;
}
