/*
 * From what a gateway names to what we recorded.
 */

#include "base/text.h"
#include "base/time.h"
#include "payment/reconcile.h"

/* Ids of attempts begin with the time in which they were made; the first send follows at once. */
#define AROUND_US US_PER_HOUR

/* The time in a UUIDv7; false for another. */
static bool time_of_id(struct uuid id, int64_t *time_us)
{
    int64_t time_ms = 0;

    if (id.bytes[6] >> 4 != 7)
        return false;
    for (int i = 0; i < 6; i++)
        time_ms = time_ms << 8 | id.bytes[i];
    *time_us = time_ms * US_PER_MS;
    return true;
}

const struct pg_statement reconcile_find_statement = {
    .name = "reconcile_find",
    .sql = "SELECT customer_id FROM attempt"
           " WHERE attempt_id = $1 AND first_sent_time >= $2 AND first_sent_time < $3",
};

const struct error *reconcile_find(struct call *call, const char *reference, struct uuid *customer,
                                   struct attempt *attempt, bool *found)
{
    struct pg_rows rows;
    struct uuid id;
    int64_t made_us;

    *found = false;
    if (!uuid_parse(reference, &id) || !time_of_id(id, &made_us))
        return NULL;
    TRY(pg_read(call, UUID_NIL, &reconcile_find_statement,
                PG_PARAMS(pg_uuid(id), pg_time(made_us - AROUND_US), pg_time(made_us + AROUND_US)),
                &rows));
    if (rows.count == 0)
        return NULL;
    *customer = pg_get_uuid(&rows, 0, "customer_id");
    return attempt_find(call, *customer, id, attempt, found);
}

const struct error *reconcile_ask(struct call *call, struct uuid customer_id,
                                  const struct attempt *attempt, struct attempt_errand *errand,
                                  struct gateway_answer *answer)
{
    struct customer customer;

    TRY(customer_load(call, customer_id, &customer));
    TRY(attempt_errand_restore(call, &customer, attempt, 0, errand));
    attempt_errand_query(call, errand, answer);
    return NULL;
}
