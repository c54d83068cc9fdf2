/*
 * Our own mistakes end the process: PostgreSQL rolls back, clients repeat with their request_id.
 * Unlike assert(3) these stay in the shipped binary.
 */
#pragma once

#include "base/attributes.h"

/* Writes one line to standard error and aborts. */
_Noreturn void bug(const char *format, ...) PRINTF_LIKE(1, 2);
