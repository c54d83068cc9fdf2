/*
 * The keys that are revoked (table revoked_key), kept in memory and read again every second: what
 * `duesd revoke` has committed holds on every server a moment later, on open connections too.
 *
 * While the database is away the list stays as it was last read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/house.h"
#include "base/measure.h"
#include "crypto/secrets.h"
#include "rpc/server.h"

struct deny_list;

/*
 * Reads the list before it returns; blocks the plain thread.  NULL and one line in `problem` when
 * it cannot: who does not know the revoked keys must not serve.  A house without a database has
 * none.
 */
struct deny_list *deny_list_open(const struct house *house, char problem[RPC_PROBLEM_SIZE]);

/* Before the house's fibers and database are closed.  NULL is allowed. */
void deny_list_close(struct deny_list *list);

/* Another number when anything has changed.  Ask it first, then deny_list_has. */
unsigned deny_list_generation(const struct deny_list *list);

/* Is one of these keys revoked? */
bool deny_list_has(struct deny_list *list, const uint8_t (*keys)[SHA256_SIZE], size_t count);

void deny_list_measure(struct deny_list *list, struct measures *out);
