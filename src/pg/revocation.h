/*
 * Revoking keys, as the owner role.  Blocking; for `duesd revoke` and the tests.  Servers take it
 * up by themselves (rpc/deny_list.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define REVOKED_KEYS_MAX       100000
#define REVOCATION_REASON_MAX  200
#define REVOCATION_SPKI_LENGTH 64

struct revocation {
    const char *spki_hex; /* SHA-256 of the key's SubjectPublicKeyInfo, 64 hex digits */
    const char *reason;   /* 1 to REVOCATION_REASON_MAX characters */
    bool withdrawn;       /* the key is to be believed again; `reason` is not looked at */
    int64_t now_us;
};

/*
 * Says on `out` what it did; doing it twice is harmless.  0 on success; otherwise PG_MIGRATE_FAILED
 * or PG_MIGRATE_AWAY, and what is wrong on `problems`.
 */
int pg_revoke(const char *owner_connection, const struct revocation *revocation, FILE *out,
              FILE *problems);
