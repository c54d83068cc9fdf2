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
    size_t *next;       /* where to look first: columns are mostly read in their order */
};

static const struct error *too_large(struct call *call, const struct pg_statement *statement,
                                     int row_count)
{
    struct error *error = error_make(call->arena, STATUS_INTERNAL, "INTERNAL", "internal error");

    return error_cause(call->arena, error, "%s: %d rows are too much for one answer",
                       statement->name, row_count);
}

/* Bytes of all that rows_copy takes. */
static size_t size_of_copy(const struct rows_part *part, size_t column_count)
{
    size_t size = sizeof(struct pg_table) + sizeof(size_t) + column_count * sizeof(struct column) +
                  (size_t)part->row_count * column_count * sizeof(struct cell);
    int column_end = part->first_column + (int)column_count;

    for (int c = part->first_column; c < column_end; c++)
        size += strlen(PQfname(part->result, c)) + 1;
    for (int r = part->first_row; r < part->first_row + part->row_count; r++)
        for (int c = part->first_column; c < column_end; c++)
            size += (size_t)PQgetlength(part->result, r, c) + 1;
    return size;
}

static void *cut(uint8_t **space, size_t size)
{
    void *piece = *space;

    *space += size;
    return piece;
}

static void copy_columns(const struct rows_part *part, struct pg_table *table, uint8_t **space)
{
    for (size_t c = 0; c < table->column_count; c++) {
        const char *name = PQfname(part->result, part->first_column + (int)c);
        size_t size = strlen(name) + 1;
        char *copy = cut(space, size);

        memcpy(copy, name, size);
        table->columns[c] = (struct column){
            .name = copy,
            .type = PQftype(part->result, part->first_column + (int)c),
        };
    }
}

static void copy_cell(const struct rows_part *part, int row, int column, Oid type,
                      struct cell *cell, uint8_t **space)
{
    if (PQgetisnull(part->result, row, column))
        return;
    /* Binary jsonb is a version byte and the text. */
    size_t skip = type == OID_JSONB ? 1 : 0;
    cell->size = (size_t)PQgetlength(part->result, row, column) - skip;
    /* The arena gave zeroed bytes: the one behind the value is its NUL. */
    uint8_t *data = cut(space, cell->size + 1);
    memcpy(data, PQgetvalue(part->result, row, column) + skip, cell->size);
    cell->data = data;
}

const struct error *rows_copy(struct call *call, const struct pg_statement *statement,
                              struct rows_part part, struct pg_rows *rows)
{
    size_t column_count = (size_t)(PQnfields(part.result) - part.first_column);
    size_t row_count = (size_t)part.row_count;

    if (row_count > PG_ROWS_MAX)
        return too_large(call, statement, part.row_count);
    uint8_t *space = arena_try_alloc(call->arena, size_of_copy(&part, column_count));
    if (space == NULL)
        return too_large(call, statement, part.row_count);

    struct pg_table *table = cut(&space, sizeof(*table));
    table->statement = statement->name;
    table->column_count = column_count;
    table->columns = cut(&space, column_count * sizeof(*table->columns));
    table->cells = cut(&space, row_count * column_count * sizeof(*table->cells));
    table->next = cut(&space, sizeof(*table->next));
    copy_columns(&part, table, &space);
    for (size_t r = 0; r < row_count; r++)
        for (size_t c = 0; c < column_count; c++)
            copy_cell(&part, part.first_row + (int)r, part.first_column + (int)c,
                      table->columns[c].type, &table->cells[r * column_count + c], &space);
    *rows = (struct pg_rows){.count = row_count, .table = table};
    return NULL;
}

static const struct cell *find(const struct pg_rows *rows, size_t row, const char *column,
                               const Oid *types, size_t type_count)
{
    const struct pg_table *table = rows->table;

    if (row >= rows->count)
        bug("row %zu of %zu is read", row, rows->count);
    size_t c = *table->next;
    for (size_t tried = 0; tried < table->column_count; tried++, c++) {
        if (c >= table->column_count)
            c = 0;
        if (strcmp(table->columns[c].name, column) != 0)
            continue;
        *table->next = c + 1;
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
