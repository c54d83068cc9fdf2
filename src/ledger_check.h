/*
 * `duesd ledger-verify`: walks the whole ledger, tells what is damaged and in which row.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

struct ledger_check_options {
    const char *kept; /* "NUMBER:HASH", a checkpoint that was written down elsewhere; or NULL */
    bool read_only;   /* the result is not recorded in the database */
    bool json;        /* one object a line */
};

enum ledger_check {
    LEDGER_INTACT,
    LEDGER_DAMAGED,
    LEDGER_AWAY,     /* the database, or a page of it, could not be read */
    LEDGER_NOT_ASKED /* an option or the master key is wrong */
};

enum ledger_check ledger_check(const struct settings *settings,
                               const struct ledger_check_options *options, FILE *out,
                               FILE *problems);
