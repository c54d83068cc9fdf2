/*
 * The customer: who pays, and in whose time.  A customer on a test clock lives in the clock's time;
 * everybody else in the wall's.
 */
#pragma once

#include "pg/pg.h"

struct customer {
    struct uuid id;
    const char *display_name;
    const char *email;                  /* "" when none */
    struct uuid default_payment_method; /* UUID_NIL when none */
    struct uuid test_clock;             /* UUID_NIL: wall time */
    bool trial_used;
    int64_t create_time_us;
    int64_t now_us; /* the customer's present */
};

/*
 * Whose is what belongs to nobody of ours, with a ledger of its own: SQL's house_customer(), made
 * when something of its own is first recorded.  It is not UUID_NIL, which is nobody.
 */
extern const struct uuid HOUSE_CUSTOMER;

/* UUID_NIL is the house. */
struct uuid customer_or_house(struct uuid id);

/* Who is to pay: as customer_load, and the house is not found, since it pays nobody. */
const struct error *payer_load(struct call *call, struct uuid id, struct customer *customer)
    MUST_CHECK;

/* Fails with NOT_FOUND / CUSTOMER_NOT_FOUND. */
const struct error *customer_load(struct call *call, struct uuid id, struct customer *customer)
    MUST_CHECK;

/* What a test clock shows.  Fails with NOT_FOUND / TEST_CLOCK_NOT_FOUND, also for a deleted one. */
const struct error *test_clock_load(struct call *call, struct uuid id, int64_t *now_us) MUST_CHECK;

/* The columns of the customer row, from a statement that selects them as customer_load does. */
void customer_from_row(struct call *call, const struct pg_rows *rows, size_t row,
                       struct customer *customer);

extern pg_statement_list customer_statements;
