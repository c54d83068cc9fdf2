/*
 * `duesd set-key`, `list-keys` and `end-keys`: the keys of gateways, in a house without a server.
 */
#pragma once

#include <stdio.h>

#include "base/house.h"
#include "keys_command.h"

#define KEYS_PROBLEM_SIZE 256

/* From a plain thread; house->vault is open.  False and one line in `problem`. */
bool keys_gateway_run(const struct house *house, const struct keys_options *options, FILE *in,
                      FILE *out, char problem[KEYS_PROBLEM_SIZE]);
