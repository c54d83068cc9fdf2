/*
 * libpq, without its typedef pg_int64, which would hide our parameter maker of that name, and with
 * releases for AUTO.
 */
#pragma once

#define pg_int64 libpq_int64
#include <libpq-fe.h>
#undef pg_int64

static inline void release_connection(PGconn **pg)
{
    PQfinish(*pg);
}

static inline void release_result(PGresult **result)
{
    PQclear(*result);
}
