/*
 * The vault: what rests in the database sealed goes through here.
 *
 *   a value ── sealed by ──► a data key ── wrapped by ──► the key-encryption key (KEK)
 *   token, answer             one a customer,              the first of the source that
 *   signing key, root         one of the house             the setting master_key_file names
 *
 * A customer's data key is made when it is first needed and destroyed with the customer, and with
 * it whatever it sealed, in every backup too.  Another KEK wraps the data keys anew; no value is
 * touched.  The root, from which secrets derives the keys that are no data keys, is a secret of the
 * house as well, so that nothing depends on a KEK that has been replaced.
 */
#pragma once

#include "base/call.h"
#include "base/house.h"
#include "crypto/key_ring.h"
#include "pg/pg.h"
#include "vault/place.h"

struct measures;
struct vault;

/*
 * For start-up: blocks a plain thread while fibers of house->fibers ask house->pg; needs clock and
 * random too.  Makes the keys of an empty database.  NULL and one line in `problem` when the
 * database is away or the source lacks the KEK in use.
 */
struct vault *vault_open(const struct house *house, struct key_source source, char problem[256]);
void vault_close(struct vault *vault);

/* Before anything uses secrets: its root is the vault's. */
void vault_lend_root(const struct vault *vault, struct secrets *secrets);

/* From now on a fiber takes up new KEKs and counts what hangs on old ones. */
void vault_start(struct vault *vault);

/* The source is read again (SIGHUP).  False and one line in `problem`: all stays as it was. */
bool vault_reload(struct vault *vault, char problem[256]) MUST_CHECK;

/*
 * Seals with the key of place->at.customer, or of the house.  `wrapped` in these: the customer's
 * data key (customer_data_key.wrapped_key) when the row that was read anyway brought it along; no
 * bytes: it is remembered or asked for.  Fails with NOT_FOUND CUSTOMER_NOT_FOUND when the
 * customer's key was destroyed.
 */
const struct error *vault_seal(struct call *call, const struct vault_place *place,
                               struct bytes plain, struct bytes *sealed) MUST_CHECK;
const struct error *vault_unseal(struct call *call, const struct vault_place *place,
                                 struct bytes sealed, struct bytes wrapped, struct bytes *plain)
    MUST_CHECK;

extern pg_statement_list vault_statements;

/* dues_vault_…; NULL writes nothing. */
void vault_measure(struct vault *vault, struct measures *out);
