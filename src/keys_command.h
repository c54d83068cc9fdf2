/*
 * `duesd rotate-keys`, `count-keys`, `set-key`, `list-keys` and `end-keys`: the vault without a
 * server around it.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

enum keys_action {
    KEYS_ROTATE,
    KEYS_COUNT, /* changes nothing */
    KEYS_SET,   /* a gateway's key, from standard input */
    KEYS_LIST,  /* of gateways; changes nothing */
    KEYS_END,   /* those of a gateway that are not the newest */
};

struct keys_options {
    enum keys_action action;
    bool forget_old;  /* KEYS_COUNT: and if nothing is old, the file keeps its first key alone */
    const char *name; /* KEYS_SET, KEYS_END: "stripe"; NULL: not given */
    bool as_json;     /* KEYS_COUNT, KEYS_LIST: one object a line */
};

/* Has it what its action needs?  NULL, or what is missing. */
const char *keys_options_misfit(const struct keys_options *options);

/* As pg_migrate answers.  KEYS_SET reads `in`. */
int keys_run(const struct settings *settings, const struct keys_options *options, FILE *in,
             FILE *out, FILE *problems);
