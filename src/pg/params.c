/*
 * Parameters on their way to PostgreSQL.  Everything but text goes in binary with its type
 * declared; text goes as text with its type inferred, so that it also serves char(3), jsonb and
 * arrays.
 */
#include "pg/params.h"

#include <endian.h>

#include "base/bug.h"

/* From PostgreSQL's catalogue; they never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950
};

struct pg_param pg_text(const char *value)
{
    return (struct pg_param){.type = PG_TEXT, .is_null = value == NULL, .value.text = value};
}

struct pg_param pg_int64(int64_t value)
{
    return (struct pg_param){.type = PG_INT64, .value.int64 = value};
}

struct pg_param pg_int32(int32_t value)
{
    return (struct pg_param){.type = PG_INT32, .value.int32 = value};
}

struct pg_param pg_bool(bool value)
{
    return (struct pg_param){.type = PG_BOOL, .value.boolean = value};
}

struct pg_param pg_uuid(struct uuid value)
{
    return (struct pg_param){.type = PG_UUID, .value.uuid = value};
}

struct pg_param pg_uuid_or_null(struct uuid value)
{
    return (struct pg_param){.type = PG_UUID, .is_null = uuid_is_nil(value), .value.uuid = value};
}

struct pg_param pg_bytes(const void *data, size_t size)
{
    return (struct pg_param){
        .type = PG_BYTES, .is_null = data == NULL, .value.bytes = {.data = data, .size = size}};
}

struct pg_param pg_time(int64_t time_us)
{
    return (struct pg_param){.type = PG_TIME, .value.int64 = time_us};
}

struct pg_param pg_time_or_null(int64_t time_us)
{
    return (struct pg_param){.type = PG_TIME, .is_null = time_us == 0, .value.int64 = time_us};
}

struct pg_param pg_null(enum pg_type type)
{
    return (struct pg_param){.type = type, .is_null = true};
}

static Oid type_of(enum pg_type type)
{
    switch (type) {
    case PG_TEXT:
        return 0;
    case PG_INT64:
        return OID_INT8;
    case PG_INT32:
        return OID_INT4;
    case PG_BOOL:
        return OID_BOOL;
    case PG_UUID:
        return OID_UUID;
    case PG_BYTES:
        return OID_BYTEA;
    case PG_TIME:
        return OID_TIMESTAMPTZ;
    }
    return 0;
}

static void point(struct pg_encoded *encoded, size_t i, const void *data, size_t size)
{
    encoded->values[i] = data;
    encoded->lengths[i] = (int)size;
}

static void put(struct pg_encoded *encoded, size_t i, const void *data, size_t size)
{
    memcpy(encoded->scratch[i], data, size);
    point(encoded, i, encoded->scratch[i], size);
}

static void encode_value(struct pg_encoded *encoded, size_t i, const struct pg_param *param)
{
    uint64_t big = 0;
    uint32_t small = 0;

    switch (param->type) {
    case PG_TEXT:
        encoded->formats[i] = 0;
        point(encoded, i, param->value.text, strlen(param->value.text));
        break;
    case PG_INT64:
        big = htobe64((uint64_t)param->value.int64);
        put(encoded, i, &big, sizeof(big));
        break;
    case PG_INT32:
        small = htobe32((uint32_t)param->value.int32);
        put(encoded, i, &small, sizeof(small));
        break;
    case PG_BOOL:
        put(encoded, i, param->value.boolean ? "\1" : "\0", 1);
        break;
    case PG_UUID:
        point(encoded, i, param->value.uuid.bytes, sizeof(param->value.uuid.bytes));
        break;
    case PG_BYTES:
        /* libpq takes a NULL pointer for SQL NULL; an empty value points somewhere. */
        point(encoded, i, param->value.bytes.data, param->value.bytes.size);
        break;
    case PG_TIME:
        big = htobe64((uint64_t)(param->value.int64 - PG_EPOCH_US));
        put(encoded, i, &big, sizeof(big));
        break;
    }
}

void pg_encode(const struct pg_params *params, struct pg_encoded *encoded)
{
    if (params->count > PG_PARAMS_MAX)
        bug("%zu parameters of at most %d", params->count, PG_PARAMS_MAX);
    for (size_t i = 0; i < params->count; i++) {
        const struct pg_param *param = &params->list[i];

        encoded->types[i] = type_of(param->type);
        encoded->formats[i] = 1;
        encoded->values[i] = NULL;
        encoded->lengths[i] = 0;
        if (!param->is_null)
            encode_value(encoded, i, param);
    }
}
