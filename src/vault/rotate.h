/*
 * Rotation: a new KEK, all data keys wrapped by it, and what still rests sealed as it was before
 * there were data keys sealed by them.  Servers go on meanwhile.
 *
 *   new key in the source ─► row in key_encryption_key ─► data keys, old values ─► bridge closed
 *
 * Killed anywhere, everything opens: the source keeps the key before, servers reach the new one
 * through the source or the bridge, and each row is under one of the two.  Run again, it goes on
 * with what is left.
 */
#pragma once

#include <stdio.h>

#include "base/time.h"
#include "vault/vault.h"

/* Every server has looked at table key_encryption_key by then. */
#define VAULT_BRIDGE_US (5 * US_PER_SECOND)

/*
 * Blocks a plain thread; progress and the counts of vault_count go to `out`.  False and one line in
 * `problem`: it did not come to its end, or rows were left.  house->vault is the vault.
 * The new key can be had over the bridge for `bridge_us` at least.
 */
bool vault_rotate(struct vault *vault, int64_t bridge_us, FILE *out, char problem[256]) MUST_CHECK;

/* Looks at every row: how many hang on the key in use and how many on others, table by table; as
 * JSON an object a line. */
bool vault_count(struct vault *vault, bool as_json, FILE *out, int64_t *old_rows, char problem[256])
    MUST_CHECK;

/* Is the first key of the source the one in use?  Then the others may go when nothing hangs on
 * them. */
bool vault_source_is_current(struct vault *vault);

/* reseal.c: what the master key itself had sealed; how many there were. */
const struct error *vault_reseal(struct call *call, FILE *out) MUST_CHECK;

extern const struct pg_statement rotate_kek_succeed;
extern const struct pg_statement rotate_kek_close;
extern const struct pg_statement rotate_list_customer_keys;
extern const struct pg_statement rotate_customer_keys;
extern const struct pg_statement rotate_house_key;
extern const struct pg_statement rotate_count;
extern const struct pg_statement reseal_list_tokens;
extern const struct pg_statement reseal_token;
extern const struct pg_statement reseal_list_answers;
extern const struct pg_statement reseal_answer;
extern const struct pg_statement reseal_list_signing;
extern const struct pg_statement reseal_signing;
