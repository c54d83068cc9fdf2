/*
 * Parameters as libpq wants them.
 */
#pragma once

#include "pg/libpq.h"

#include "pg/pg.h"

#define PG_PARAMS_MAX 96

/* 2000-01-01 UTC, where PostgreSQL counts from. */
#define PG_EPOCH_US 946684800000000LL

struct pg_encoded {
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    char scratch[PG_PARAMS_MAX][8];
};

/* Borrows from `params`. */
void pg_encode(const struct pg_params *params, struct pg_encoded *encoded);
