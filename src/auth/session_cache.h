/*
 * Sessions known to live, so that not every call asks the database.  Bounded; an entry is believed
 * for SESSION_CACHE_US at most, which is how long a log-out on another server may take to arrive
 * here.  Sessions of customers on a test clock are never kept: their time stands in the database.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/time.h"

#define SESSION_CACHE_US (5 * US_PER_SECOND)

struct session_cache;
struct token_cache;

struct session_cache *session_cache_open(const struct clock *clock);
void session_cache_close(struct session_cache *cache);

/* Belongs to it: what is known about tokens, beside what is known about their sessions. */
struct token_cache *session_cache_tokens(struct session_cache *cache);

/* True when it was alive within the last seconds. */
bool session_cache_has(struct session_cache *cache, struct uuid customer, struct uuid session);

/*
 * A look-up reads the customer's version before it asks the database and gives it back with what it
 * learnt: when somebody forgot a session of the customer in between, nothing is kept.
 */
uint64_t session_cache_version(struct session_cache *cache, struct uuid customer);
void session_cache_put(struct session_cache *cache, struct uuid customer, struct uuid session,
                       uint64_t version);

/* All sessions of the customer. */
void session_cache_forget(struct session_cache *cache, struct uuid customer);
