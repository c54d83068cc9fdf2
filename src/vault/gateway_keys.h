/*
 * Keys by which gateways know us and we them, as they rest: sealed by the house's data key, so that
 * a new key-encryption key covers them, and bound to their name and generation.
 *
 *   "stripe"           the API key; the newest is used, those before are gone at once
 *   "stripe-webhook"   signs what Stripe sends; the one before counts too until it is ended
 */
#pragma once

#include "base/key_name.h"
#include "pg/pg.h"

#define GATEWAY_KEY_SIZE_MAX 255
/* Of one name, at the same time. */
#define GATEWAY_KEYS_MAX 2

/* True for a name of the table above; `kept` (may be NULL): how many count at the same time. */
bool gateway_key_is_known(const char *name, int64_t *kept);

struct gateway_key {
    const char *name;
    int64_t generation;
    const char *hint; /* "sk_test_…9f3a": enough to tell it from others, for people */
    int64_t create_us;
    const char *text; /* the key itself, in the call's arena, which is wiped; NULL: not opened */
};

/* Another number whenever a key was put or ended. */
const struct error *gateway_keys_version(struct call *call, int64_t *version) MUST_CHECK;

/* Those that count, newest first, opened.  Fails as vault_unseal. */
const struct error *gateway_keys_load(struct call *call, const char *name,
                                      struct gateway_key keys[GATEWAY_KEYS_MAX], size_t *count)
    MUST_CHECK;

/* All of all names, not opened. */
const struct error *gateway_keys_list(struct call *call, struct gateway_key **keys, size_t *count)
    MUST_CHECK;

/* The next generation.  ABORTED CONCURRENT_CHANGE when somebody else was faster. */
const struct error *gateway_key_put(struct call *call, const char *name, const char *text,
                                    struct gateway_key *put) MUST_CHECK;

/* Only the newest counts from now on; how many did not. */
const struct error *gateway_keys_end(struct call *call, const char *name, int64_t *ended)
    MUST_CHECK;
