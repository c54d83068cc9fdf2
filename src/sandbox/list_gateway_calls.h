/*
 * ListGatewayCalls: the handler for the sandbox room's table, and its statement for the room's
 * list.
 */
#pragma once

#include "base/method.h"
#include "pg/pg.h"

rpc_handler list_gateway_calls;

extern const struct pg_statement gateway_calls_attempts;
