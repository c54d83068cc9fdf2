/*
 * The sandbox: test clocks, and a look into the sandbox gateway's journal.  Served only when the
 * server runs with `sandbox = on`.
 */
#pragma once

#include "base/method.h"
#include "pg/pg.h"

extern const struct rpc_service sandbox_service;
extern pg_statement_list sandbox_statements;
