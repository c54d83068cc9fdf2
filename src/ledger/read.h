/*
 * Reading the ledger of one customer: balances and entries, as they are and as they were.
 */
#pragma once

#include "base/money.h"
#include "pg/pg.h"

/* What stands on one account in one currency. */
struct account_balance {
    const char *account;
    struct money balance, debits, credits;
};

/* `until_us` NULL: all entries.  `*position` is that of the newest entry that was counted. */
const struct error *ledger_balance(struct call *call, struct uuid customer, const int64_t *until_us,
                                   struct account_balance **accounts, size_t *count,
                                   int64_t *position) MUST_CHECK;

struct ledger_line {
    int64_t position;
    struct uuid group;
    const char *kind;
    int32_t line;
    const char *account;
    struct money amount;
    int64_t create_time_us;
    const uint8_t *hash; /* SHA256_SIZE */
};

/* `account` "": all. */
struct ledger_filter {
    const char *account;
    const int64_t *until_us;
};

/* By falling position, those below `before`; 0: from the newest on. */
const struct error *ledger_list(struct call *call, struct uuid customer,
                                const struct ledger_filter *filter, int64_t before, int64_t limit,
                                struct ledger_line **lines, size_t *count) MUST_CHECK;

extern const struct pg_statement ledger_balance_statement, ledger_list_statement;
