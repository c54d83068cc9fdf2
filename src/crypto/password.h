/*
 * Passwords at rest: Argon2id with OWASP's least parameters, as PHC strings
 * ("$argon2id$v=19$m=19456,t=2,p=1$salt$tag").  A hash takes about 50 ms and 19 MiB, so it is made
 * on the bounded pool; the caller's fiber waits.
 */
#pragma once

#include "base/call.h"

/* What the wire's rules allow; longer ones were refused before they come here. */
#define PASSWORD_SIZE_MAX 256

/* The refusal of the next two, for who looks into the database first. */
const struct error *password_check_room(struct call *call) MUST_CHECK;

/* Fails with RESOURCE_EXHAUSTED OVERLOADED when too many wait already. */
const struct error *password_hash(struct call *call, const char *password, const char **hash)
    MUST_CHECK;

/*
 * `hash` NULL is the hash of nobody: the same work is done, and nothing matches.
 */
const struct error *password_verify(struct call *call, const char *hash, const char *password,
                                    bool *matches) MUST_CHECK;

/* Made with lesser parameters than new ones get: hash again while the password is at hand. */
bool password_is_outdated(const char *hash);
