/*
 * Loading the customer, and with it the time it lives in.
 */
#include "customer/customer.h"

#include "customer/event.h"
#include "customer/event_feed.h"

/* Version 8 (RFC 9562 §5.8): made by nobody else. */
const struct uuid HOUSE_CUSTOMER = {{0, 0, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, 0}};

static const struct pg_statement load = {
    .name = "customer_load",
    .sql = "SELECT c.customer_id, c.display_name, c.email, c.default_payment_method_id,"
           "       c.test_clock_id, c.trial_used, c.create_time,"
           "       (SELECT t.clock_time FROM test_clock t"
           "         WHERE t.test_clock_id = c.test_clock_id) AS clock_time"
           "  FROM customer c WHERE c.customer_id = $1",
    .is_lookup = true,
};

void customer_from_row(struct call *call, const struct pg_rows *rows, size_t row,
                       struct customer *customer)
{
    bool in_wall_time = pg_is_null(rows, row, "clock_time");

    *customer = (struct customer){
        .id = pg_get_uuid(rows, row, "customer_id"),
        .display_name = pg_get_text(rows, row, "display_name"),
        .email = pg_get_text(rows, row, "email"),
        .default_payment_method = pg_get_uuid(rows, row, "default_payment_method_id"),
        .test_clock = pg_get_uuid(rows, row, "test_clock_id"),
        .trial_used = pg_get_bool(rows, row, "trial_used"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
        .now_us = in_wall_time ? call->now_us : pg_get_time(rows, row, "clock_time"),
    };
}

const struct error *customer_load(struct call *call, struct uuid id, struct customer *customer)
{
    static const struct pg_named named = {&load, "customers/{}", "CUSTOMER_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, &id, 1, &rows));
    customer_from_row(call, &rows, 0, customer);
    return NULL;
}

struct uuid customer_or_house(struct uuid id)
{
    return uuid_is_nil(id) ? HOUSE_CUSTOMER : id;
}

const struct error *payer_load(struct call *call, struct uuid id, struct customer *customer)
{
    if (uuid_equal(id, HOUSE_CUSTOMER))
        return not_found(call, "CUSTOMER_NOT_FOUND", name_make(call->arena, "customers/{}", &id));
    return customer_load(call, id, customer);
}

static const struct pg_statement load_clock = {
    .name = "test_clock_load",
    .sql = "SELECT clock_time FROM test_clock WHERE test_clock_id = $1 AND delete_time IS NULL",
    .is_lookup = true,
};

const struct error *test_clock_load(struct call *call, struct uuid id, int64_t *now_us)
{
    static const struct pg_named named = {&load_clock, "testClocks/{}", "TEST_CLOCK_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, &id, 1, &rows));
    *now_us = pg_get_time(&rows, 0, "clock_time");
    return NULL;
}

pg_statement_list customer_statements = {
    &load, &load_clock, &event_head_statement, &event_list_statement, &event_poll_statement, NULL,
};
