/*
 * The room's outside: its service and its statements.
 */
#pragma once

#include "base/method.h"
#include "pg/pg.h"

/* dues.auth.v1.AuthService */
extern const struct rpc_service auth_service;

extern pg_statement_list auth_statements;
