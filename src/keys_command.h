/*
 * `duesd rotate-keys` and `duesd count-keys`: the vault without a server around it.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

struct keys_options {
    bool count_only; /* changes nothing */
    bool forget_old; /* count_only: and if nothing is old, the file keeps its first key alone */
};

/* As pg_migrate answers. */
int keys_run(const struct settings *settings, const struct keys_options *options, FILE *out,
             FILE *problems);
