/*
 * libpq, without its typedef pg_int64, which would hide our parameter maker of that name.
 */
#pragma once

#define pg_int64 libpq_int64
#include <libpq-fe.h>
#undef pg_int64
