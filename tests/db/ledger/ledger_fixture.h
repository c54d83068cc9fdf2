/*
 * A ledger to post to, to seal and to damage: groups are posted as the superuser, as steps post
 * them as the owner.
 */
#pragma once

#include "base/text.h"
#include "ledger/seal.h"
#include "ledger/verify.h"
#include "support/db_fixture.h"

struct ledger_fixture {
    struct db_fixture *db;
    struct ec_key *key;
    char key_id[ES256_THUMBPRINT_SIZE];
    struct ledger_sealer *sealer;
};

static inline struct ledger_sealer *open_sealer(struct ledger_fixture *f)
{
    return ledger_sealer_open(&(struct ledger_seal_options){
        .house = &f->db->house, .key = f->key, .key_id = f->key_id, .every_us = US_PER_SECOND});
}

static inline int ledger_setup(void **state)
{
    struct ledger_fixture *f = calloc(1, sizeof *f);

    f->db = db_fixture_new(&(struct db_options){0});
    f->key = ec_key_make();
    ec_key_thumbprint(f->key, f->key_id);
    f->sealer = open_sealer(f);
    /* Whoever owns the database can make a chain of any content fit itself. */
    db_execute(f->db,
               "CREATE FUNCTION dues.test_rechain(p_customer uuid) RETURNS void LANGUAGE plpgsql AS"
               " $$ DECLARE e ledger_entry%ROWTYPE; n bigint := 0; h bytea := decode(repeat('00',"
               " 32), 'hex'); BEGIN FOR e IN SELECT * FROM ledger_entry WHERE customer_id ="
               " p_customer ORDER BY position LOOP n := n + 1;"
               " h := ledger_entry_hash(h, p_customer, n, e.group_id, e.line_no, e.amount,"
               " e.create_time, e.kind, e.account, e.currency::text);"
               " UPDATE ledger_entry SET position = n, hash = h WHERE customer_id = p_customer"
               "    AND position = e.position; END LOOP;"
               " UPDATE customer SET ledger_count = n, ledger_tail = h WHERE customer_id ="
               " p_customer; END $$");
    *state = f;
    return 0;
}

static inline int ledger_teardown(void **state)
{
    struct ledger_fixture *f = *state;

    ledger_sealer_close(f->sealer);
    db_fixture_free(f->db);
    ec_key_free(f->key);
    free(f);
    return 0;
}

/* A charge of `amount` cents. */
static inline void given_group(struct ledger_fixture *f, const char *customer, int64_t amount)
{
    db_execute(f->db,
               db_printf(f->db,
                         "SELECT ledger_post('%s', '%s', 'charge',"
                         " ARRAY[ROW('gateway_clearing:sandbox', 'USD', %lld),"
                         " ROW('revenue', 'USD', -%lld)]::ledger_line[], '2026-01-15T10:00:00Z')",
                         customer, db_uuid_text(f->db, db_uuid(f->db)), (long long)amount,
                         (long long)amount));
}

/* A customer with so many groups of two entries each. */
static inline const char *given_ledger(struct ledger_fixture *f, int groups)
{
    const char *customer = db_uuid_text(f->db, db_given_customer(f->db, UUID_NIL));

    for (int i = 0; i < groups; i++)
        given_group(f, customer, 100 + i);
    return customer;
}

static inline const struct error *run_seal(struct call *call, void *arg)
{
    return ledger_seal(arg, call);
}

/* One round of the fixture's sealer. */
static inline void seal_all(struct ledger_fixture *f)
{
    const struct error *error = db_run(f->db, run_seal, f->sealer);

    if (error == NULL)
        return;
    fprintf(stderr, "seal: %s: %s\n", error->message, error->cause != NULL ? error->cause : "");
    abort();
}

/* What a verification found, as "kind@position" or "kind#checkpoint", one blank before each. */
struct found {
    struct uuid customer; /* UUID_NIL: about checkpoints only */
    bool everything;
    char text[4096];
    char messages[16384];
    struct ledger_summary summary;
};

static inline void take_finding(void *owner, const struct ledger_finding *finding)
{
    struct found *found = owner;
    size_t used = strlen(found->text);

    if (!found->everything && !uuid_equal(finding->customer, found->customer))
        return;
    snprintf(found->text + used, sizeof found->text - used, " %s%c%lld", finding->kind,
             finding->in_chain ? '@' : '#',
             (long long)(finding->in_chain ? finding->position : finding->checkpoint));
    used = strlen(found->messages);
    snprintf(found->messages + used, sizeof found->messages - used, "%s\n", finding->message);
}

/* Walks all as the service does; keeps what is about the customer, or about checkpoints. */
static inline void verify_with(struct ledger_fixture *f, struct ledger_verify_options options,
                               struct found *found)
{
    const struct ledger_key key = {.key_id = f->key_id, .key = f->key};
    char problem[PG_SCAN_PROBLEM_SIZE];
    struct pg_scan *scan = pg_scan_open(f->db->service, problem);

    if (options.keys == NULL) {
        options.keys = &key;
        options.key_count = 1;
    }
    options.now_us = clock_wall_us(f->db->house.clock);
    options.found = take_finding;
    options.owner = found;
    if (scan == NULL || !ledger_verify(scan, &options, &found->summary, problem)) {
        fprintf(stderr, "verify: %s\n", problem);
        abort();
    }
    pg_scan_close(scan);
}

static inline struct found verify_all(struct ledger_fixture *f)
{
    struct found found = {.everything = true};

    verify_with(f, (struct ledger_verify_options){0}, &found);
    return found;
}

static inline struct found verify_of(struct ledger_fixture *f, const char *customer)
{
    struct found found = {0};

    if (customer != NULL && !uuid_parse(customer, &found.customer))
        abort();
    verify_with(f, (struct ledger_verify_options){0}, &found);
    return found;
}

/* DAMAGE(f, "UPDATE … '%s' …", customer) */
#define DAMAGE(f, ...) db_execute((f)->db, db_printf((f)->db, __VA_ARGS__))
