/*
 * Making one statement of many look-ups, and dealing out its rows.
 *
 * The set form is derived from the statement's own text, so there are no two texts that could drift
 * apart; a test prepares both and compares their columns.
 */
#include "pg/set.h"

#include <assert.h>
#include <endian.h>

#include "base/arena.h"
#include "base/bug.h"

/* Look-ups of the house, with room to spare. */
#define SETS_MAX 64

#define TEXTS_SIZE_MAX  (256 * 1024)
#define ARRAYS_SIZE_MAX (1024 * 1024)

struct sets {
    struct arena *texts;  /* of the statements; for ever */
    struct arena *arrays; /* of one batch */
    size_t count;
    const struct pg_statement *of[SETS_MAX];
    struct pg_statement statements[SETS_MAX];
};

struct sets *sets_open(void)
{
    struct sets *sets = calloc(1, sizeof(*sets));

    if (sets == NULL)
        bug("no memory for the sets of a lane");
    sets->texts = arena_new(TEXTS_SIZE_MAX);
    sets->arrays = arena_new(ARRAYS_SIZE_MAX);
    return sets;
}

void sets_close(struct sets *sets)
{
    if (sets == NULL)
        return;
    arena_free(sets->texts);
    arena_free(sets->arrays);
    free(sets);
}

void sets_reset(struct sets *sets)
{
    arena_reset(sets->arrays);
}

struct element {
    const char *name;
    Oid element;
    Oid array;
};

/* From PostgreSQL's catalogue; they never change. */
static struct element element_of(enum pg_type type)
{
    switch (type) {
    case PG_TEXT:
        return (struct element){"text", 25, 1009};
    case PG_INT64:
        return (struct element){"int8", 20, 1016};
    case PG_INT32:
        return (struct element){"int4", 23, 1007};
    case PG_BOOL:
        return (struct element){"bool", 16, 1000};
    case PG_UUID:
        return (struct element){"uuid", 2950, 2951};
    case PG_BYTES:
        return (struct element){"bytea", 17, 1001};
    case PG_TIME:
        return (struct element){"timestamptz", 1184, 1185};
    }
    return (struct element){"", 0, 0};
}

/* `$1` becomes `asked.p1`, but not within quotes. */
static char *name_parameters(struct arena *arena, const char *sql)
{
    static const char prefix[] = "asked.p";
    size_t dollars = 0;
    bool quoted = false;

    for (const char *c = sql; *c != '\0'; c++)
        dollars += *c == '$';
    char *named = arena_alloc(arena, strlen(sql) + dollars * sizeof(prefix) + 1);
    char *at = named;
    for (const char *c = sql; *c != '\0'; c++) {
        quoted ^= *c == '\'';
        if (*c != '$' || quoted) {
            *at++ = *c;
            continue;
        }
        memcpy(at, prefix, sizeof(prefix) - 1);
        at += sizeof(prefix) - 1;
    }
    *at = '\0';
    return named;
}

const char *set_sql(struct arena *arena, const char *sql, const struct pg_params *params)
{
    const char *arrays = "";
    const char *names = "";

    for (size_t i = 0; i < params->count; i++) {
        const char *comma = i == 0 ? "" : ", ";

        arrays = arena_printf(arena, "%s%s$%zu::%s[]", arrays, comma, i + 1,
                              element_of(params->list[i].type).name);
        names = arena_printf(arena, "%sp%zu, ", names, i + 1);
    }
    return arena_printf(arena,
                        "SELECT asked.n, found.* FROM unnest(%s) WITH ORDINALITY AS asked (%sn)"
                        " CROSS JOIN LATERAL (%s) AS found",
                        arrays, names, name_parameters(arena, sql));
}

const struct pg_statement *set_statement(struct sets *sets, const struct pg_statement *of,
                                         const struct pg_params *params)
{
    size_t i = 0;

    while (i < sets->count && sets->of[i] != of)
        i++;
    if (i == SETS_MAX)
        return NULL;
    if (i == sets->count) {
        sets->of[i] = of;
        sets->statements[i] = (struct pg_statement){
            .name = arena_printf(sets->texts, "%s_set", of->name),
            .sql = set_sql(sets->texts, of->sql, params),
        };
        sets->count++;
    }
    return &sets->statements[i];
}

static bool is_alike(const struct op *first, const struct op *other)
{
    if (other->params.count != first->params.count)
        return false;
    for (size_t i = 0; i < first->params.count; i++)
        if (other->params.list[i].type != first->params.list[i].type)
            return false;
    return true;
}

static uint8_t *put_number(uint8_t *at, uint32_t number)
{
    uint32_t big = htobe32(number);

    memcpy(at, &big, sizeof(big));
    return at + sizeof(big);
}

#define ARRAY_HEADER_SIZE (5 * sizeof(uint32_t))

/* One dimension from 1 on: flags, type of the elements, count, lower bound, then each element. */
static bool encode_array(struct sets *sets, const struct op *first, size_t count, size_t param,
                         struct pg_encoded *encoded)
{
    enum pg_type type = first->params.list[param].type;
    struct element element = element_of(type);
    char scratch[PG_SCRATCH_SIZE];
    size_t size = ARRAY_HEADER_SIZE;
    bool has_null = false;

    for (const struct op *op = first; op != NULL; op = op->next_in_set) {
        const struct pg_param *value = &op->params.list[param];

        size += sizeof(uint32_t);
        has_null |= value->is_null;
        if (!value->is_null)
            size += pg_encode_value(value, scratch).size;
    }
    uint8_t *array = arena_try_alloc(sets->arrays, size);
    if (array == NULL)
        return false;

    uint8_t *at = put_number(array, 1);
    at = put_number(at, has_null ? 1 : 0);
    at = put_number(at, element.element);
    at = put_number(at, (uint32_t)count);
    at = put_number(at, 1);
    for (const struct op *op = first; op != NULL; op = op->next_in_set) {
        if (op->params.list[param].is_null) {
            at = put_number(at, UINT32_MAX);
            continue;
        }
        struct pg_value value = pg_encode_value(&op->params.list[param], scratch);
        at = put_number(at, (uint32_t)value.size);
        memcpy(at, value.data, value.size);
        at += value.size;
    }
    encoded->types[param] = element.array;
    encoded->values[param] = (const char *)array;
    encoded->lengths[param] = (int)size;
    encoded->formats[param] = 1;
    return true;
}

bool set_encode(struct sets *sets, const struct op *first, size_t count, struct pg_encoded *encoded)
{
    for (const struct op *op = first->next_in_set; op != NULL; op = op->next_in_set)
        if (!is_alike(first, op))
            return false;
    for (size_t i = 0; i < first->params.count; i++)
        if (!encode_array(sets, first, count, i, encoded))
            return false;
    return true;
}

static size_t owner_of(const PGresult *result, int row)
{
    uint64_t owner = 0;

    if (PQgetlength(result, row, SET_COLUMN_OWNER) != (int)sizeof(owner))
        bug("a set's rows do not say whose they are");
    memcpy(&owner, PQgetvalue(result, row, SET_COLUMN_OWNER), sizeof(owner));
    return be64toh(owner);
}

/* Rows mostly come in the order of asking, but nobody promises it. */
void set_deal(struct op *first, size_t count, PGresult *result)
{
    struct op *op = first;
    size_t at = 1;

    assert(first != NULL);
    for (struct op *each = first; each != NULL; each = each->next_in_set) {
        each->result = result;
        each->in_set = true;
        each->row = -1;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        size_t owner = owner_of(result, row);

        if (owner < 1 || owner > count)
            bug("%s: a row of asker %zu of %zu", first->statement->name, owner, count);
        if (owner < at) {
            op = first;
            at = 1;
        }
        for (; at < owner; at++) {
            op = op->next_in_set;
            assert(op != NULL); /* there are `count` */
        }
        if (op->row >= 0)
            bug("%s: a look-up has more than one row", first->statement->name);
        op->row = row;
    }
}
