/*
 * Verifying the ledger: every chain entry by entry, every checkpoint, every sealed head, against
 * hashes made here.  It reads only, a page at a time, beside a running server or on a copy.
 */
#pragma once

#include "ledger/chain.h"
#include "pg/scan.h"

/* What is wrong, and with which row.  Names of kinds are for machines: see verify.c. */
struct ledger_finding {
    const char *kind;
    bool in_chain; /* of `customer`, whom nobody need know; else it is about a checkpoint */
    struct uuid customer;
    int64_t position;    /* of the first entry meant; 0: the customer's row */
    int64_t checkpoint;  /* 0: none is meant */
    const char *message; /* names the row; alive during the call */
};

struct ledger_key {
    const char *key_id;
    const struct ec_key *key;
};

struct ledger_verify_options {
    const struct ledger_key *keys; /* that may have signed */
    size_t key_count;
    int64_t now_us; /* an old checkpoint must be signed */

    /* A checkpoint that was written down elsewhere must be there still; 0: none was. */
    int64_t kept_number;
    uint8_t kept_hash[SHA256_SIZE];

    void (*found)(void *owner, const struct ledger_finding *finding);
    void *owner;
};

struct ledger_summary {
    int64_t customers; /* with entries, or a head */
    int64_t entries;
    int64_t unsealed; /* of them, behind the newest sealed head */
    int64_t checkpoints;
    int64_t findings;
    uint8_t newest_hash[SHA256_SIZE]; /* of checkpoint number `checkpoints` */
};

/* False and one line in `problem` when it could not come to its end. */
bool ledger_verify(struct pg_scan *scan, const struct ledger_verify_options *options,
                   struct ledger_summary *summary, char problem[PG_SCAN_PROBLEM_SIZE]);

extern pg_statement_list ledger_verify_statements;
