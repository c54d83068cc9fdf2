/*
 * What holds for every line that a server of a test has logged: it is one JSON object, a call's
 * line says who did what to which end, and nothing secret is in it.
 */
#pragma once

#include <stdbool.h>

#include "base/log.h"

/* Ends the program with the line when one is wrong.  `descriptor` is the whole log, mappable. */
void rpc_log_check(int descriptor);

/* True when the log, from its start and with what waits to be written, holds the text. */
bool rpc_log_file_has(struct log *log, int descriptor, const char *text);
