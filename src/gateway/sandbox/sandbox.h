/*
 * The sandbox gateway: in the process, but with a memory of its own.
 *
 * Whatever it does is first one line of its journal, one write(2) each; the journal is the ground
 * truth of what was charged and is read back at start.  It honours an idempotency key as Stripe
 * does: the same request again gets the first result again, another request under the key is
 * refused.
 *
 * What happens without a request (the customer authenticates, a bank sends a refund back) it does
 * when it is asked about it, and writes a line of its own before it reports.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/time.h"
#include "gateway/gateway.h"

struct sandbox;

/*
 * Opens or creates the journal and reads it back; a last line that was cut is ignored. `timeout_ms`
 * is how long a caller waits for an answer that never comes, `latency_ms` how long for one that
 * does: what is asked is done, and in the journal, at once.  NULL and one line in `problem` when it
 * cannot.
 */
struct sandbox *sandbox_open(const char *journal_path, int64_t timeout_ms, int64_t latency_ms,
                             const struct clock *clock, const struct random *random,
                             char problem[256]);
void sandbox_close(struct sandbox *sandbox);

/* The gateway named "sandbox"; lives as long as the sandbox. */
const struct gateway *sandbox_gateway(const struct sandbox *sandbox);

/* The sandbox behind a gateway of this name, NULL for another gateway. */
struct sandbox *sandbox_of(const struct gateway *gateway);

/* One line of the journal. */
struct sandbox_call {
    int64_t number; /* from 1, in order of arrival */
    int64_t time_us;
    const char *operation; /* of enum gateway_operation, or "QUERY" */
    const char *key;
    const char *reference;
    const char *token;    /* as the customer knows it; "" without one */
    const char *currency; /* "" without an amount */
    int64_t amount_minor;
    const char *outcome; /* "APPROVED", "DECLINED", "ACTION_REQUIRED", "NOT_DONE", "REPLAYED",
                            "REPORTED", "REVERSED" */
    const char *transaction;
    const char *decline_code;
    const char *traceparent; /* as the caller sent it; "" without one */
    bool answer_lost;
};

/*
 * At most `limit` calls numbered below `before` (0: from the newest), newest first, only those
 * whose reference is one of `references` unless `reference_count` is 0 and `references` NULL.  In
 * the arena.
 */
struct sandbox_call *sandbox_calls(struct sandbox *sandbox, struct arena *arena, int64_t before,
                                   const char *const *references, size_t reference_count,
                                   size_t limit, size_t *count);
