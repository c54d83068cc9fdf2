/*
 * `duesd revoke`: the key of a certificate that was lost, stolen or given to the wrong one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

struct revoke_options {
    const char *certificate; /* PEM file; its first certificate is meant.  NULL: see spki */
    const char *spki;        /* SHA-256 of SubjectPublicKeyInfo, 64 hex digits */
    const char *reason;
    bool undo;
};

/* Either a certificate or a hash, and a reason unless it is undone. */
bool revoke_options_fit(const struct revoke_options *options);

/* As pg_revoke (pg/revocation.h); says first whose key it is. */
int revoke_key(const struct settings *settings, const struct revoke_options *options, FILE *out,
               FILE *problems);
