/*
 * deploy/postgresql/roles.sql, embedded by the build.
 */
#pragma once

#include <stddef.h>

extern const unsigned char dues_roles_sql[];
extern const size_t dues_roles_sql_size;
