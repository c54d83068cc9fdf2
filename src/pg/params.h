/*
 * Parameters as libpq wants them.
 */
#pragma once

#include "pg/libpq.h"

#include "pg/pg.h"

#define PG_PARAMS_MAX 96

/* 2000-01-01 UTC, where PostgreSQL counts from. */
#define PG_EPOCH_US 946684800000000LL

/* The type that a value is declared with; 0 is left to the server. */
Oid pg_type_oid(enum pg_type type);

#define PG_SCRATCH_SIZE 8

/* The bytes of a value in binary, where it has any: `scratch` or what the parameter points to. */
struct pg_value {
    const void *data;
    size_t size;
};
struct pg_value pg_encode_value(const struct pg_param *param, char scratch[PG_SCRATCH_SIZE]);

struct pg_encoded {
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    char scratch[PG_PARAMS_MAX][PG_SCRATCH_SIZE];
};

/* Borrows from `params`. */
void pg_encode(const struct pg_params *params, struct pg_encoded *encoded);
