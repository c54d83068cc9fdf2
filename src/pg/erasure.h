/*
 * `duesd erase-customer`: the one step that forgets a person, as the owner role.
 */
#pragma once

#include <stdio.h>

#include "base/id.h"

/* As pg_migrate answers: 0, PG_MIGRATE_FAILED (also: nobody, or not now), PG_MIGRATE_AWAY. */
int pg_erase_customer(const char *owner_connection, struct uuid customer, int64_t now_us, FILE *out,
                      FILE *problems);
