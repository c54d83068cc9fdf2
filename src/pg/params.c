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

Oid pg_type_oid(enum pg_type type)
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

static struct pg_value put(char scratch[PG_SCRATCH_SIZE], const void *data, size_t size)
{
    memcpy(scratch, data, size);
    return (struct pg_value){scratch, size};
}

struct pg_value pg_encode_value(const struct pg_param *param, char scratch[PG_SCRATCH_SIZE])
{
    uint64_t big = 0;
    uint32_t small = 0;

    switch (param->type) {
    case PG_TEXT:
        return (struct pg_value){param->value.text, strlen(param->value.text)};
    case PG_INT64:
        big = htobe64((uint64_t)param->value.int64);
        return put(scratch, &big, sizeof(big));
    case PG_INT32:
        small = htobe32((uint32_t)param->value.int32);
        return put(scratch, &small, sizeof(small));
    case PG_BOOL:
        return put(scratch, param->value.boolean ? "\1" : "\0", 1);
    case PG_UUID:
        return (struct pg_value){param->value.uuid.bytes, sizeof(param->value.uuid.bytes)};
    case PG_BYTES:
        /* libpq takes a NULL pointer for SQL NULL; an empty value points somewhere. */
        return (struct pg_value){param->value.bytes.data, param->value.bytes.size};
    case PG_TIME:
        big = htobe64((uint64_t)(param->value.int64 - PG_EPOCH_US));
        return put(scratch, &big, sizeof(big));
    }
    return (struct pg_value){NULL, 0};
}

void pg_encode(const struct pg_params *params, struct pg_encoded *encoded)
{
    if (params->count > PG_PARAMS_MAX)
        bug("%zu parameters of at most %d", params->count, PG_PARAMS_MAX);
    for (size_t i = 0; i < params->count; i++) {
        const struct pg_param *param = &params->list[i];
        struct pg_value value = {NULL, 0};

        if (!param->is_null)
            value = pg_encode_value(param, encoded->scratch[i]);
        encoded->types[i] = pg_type_oid(param->type);
        encoded->formats[i] = param->type == PG_TEXT && !param->is_null ? 0 : 1;
        encoded->values[i] = value.data;
        encoded->lengths[i] = (int)value.size;
    }
}
