/*
 * Sealing: every few minutes the heads of the chains that grew are listed in a checkpoint, which is
 * chained to the one before and signed.  Every server does it; the checkpoint's number decides who
 * was first, so they need no lease and nobody has to be elected.
 */
#pragma once

#include "base/house.h"
#include "base/measure.h"
#include "crypto/es256.h"
#include "pg/pg.h"

struct ledger_sealer;

struct ledger_seal_options {
    const struct house *house;
    const struct ec_key *key; /* signs; outlives the sealer */
    const char *key_id;       /* its thumbprint */
    int64_t every_us;
};

/* Nothing is sealed yet. */
struct ledger_sealer *ledger_sealer_open(const struct ledger_seal_options *options);

/* Seals at once and then again and again, in a fiber. */
void ledger_sealer_start(struct ledger_sealer *sealer);

/* As watch_stop and watch_close.  NULL is allowed. */
void ledger_sealer_stop(struct ledger_sealer *sealer);
void ledger_sealer_close(struct ledger_sealer *sealer);

/* One round, in the caller's fiber; for tests, which do not start it. */
const struct error *ledger_seal(struct ledger_sealer *sealer, struct call *call) MUST_CHECK;

/* How long ago all was known to be sealed, and what the last walk through the ledger found. */
void ledger_sealer_measure(struct ledger_sealer *sealer, struct measures *out);

extern pg_statement_list ledger_statements;
