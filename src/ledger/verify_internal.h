/*
 * What the two walks of a verification share.
 */
#pragma once

#include "base/attributes.h"
#include "ledger/verify.h"

#define VERIFY_PAGE       1000
#define VERIFY_ARENA_SIZE ((size_t)64 * 1024 * 1024)

struct verify {
    struct pg_scan *scan;
    const struct ledger_verify_options *options;
    struct ledger_summary *summary;
    char *problem; /* PG_SCAN_PROBLEM_SIZE */
};

/* Fills in the message, counts and tells. */
void verify_found(struct verify *verify, struct ledger_finding finding, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* 32 bytes; false and zeros when the column holds something else. */
bool verify_take_hash(const struct pg_rows *rows, size_t row, const char *column,
                      uint8_t hash[SHA256_SIZE]);

bool verify_checkpoints(struct verify *verify); /* verify_checkpoints.c */
bool verify_chains(struct verify *verify);      /* verify_chains.c */

extern const struct pg_statement verify_checkpoints_statement, verify_heads_of_statement;
extern const struct pg_statement verify_customers_statement, verify_entries_statement,
    verify_heads_statement, verify_newest_statement;
