/*
 * Reading memberships.  The steps that write them are in membership_steps.c.
 */
#include "membership/membership_store.h"

#include "membership/statements.h"

#define COLUMNS                                                                                    \
    "customer_id, membership_id, version, state, plan_id, tier_id, currency, price_minor,"         \
    " period_months, payment_method_id, anchor_time, period_index, period_start, period_end,"      \
    " trial_end_time, access_end_time, next_charge_time, cancel_at_period_end, cancel_time,"       \
    " end_time, retry_number, pending_payment_id, latest_invoice_id, decline_code, decline_time,"  \
    " network_decline_code, advice, create_time, update_time"

static void membership_from_row(const struct pg_rows *rows, size_t row, struct membership *m)
{
    *m = (struct membership){
        .customer = pg_get_uuid(rows, row, "customer_id"),
        .id = pg_get_uuid(rows, row, "membership_id"),
        .version = pg_get_int64(rows, row, "version"),
        .state = membership_state_from_name(pg_get_text(rows, row, "state")),
        .plan = pg_get_text(rows, row, "plan_id"),
        .tier = pg_get_text(rows, row, "tier_id"),
        .price =
            money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "price_minor")),
        .period_months = (int32_t)pg_get_int64(rows, row, "period_months"),
        .payment_method = pg_get_uuid(rows, row, "payment_method_id"),
        .anchor_us = pg_get_time(rows, row, "anchor_time"),
        .period_index = (int32_t)pg_get_int64(rows, row, "period_index"),
        .period_start_us = pg_get_time(rows, row, "period_start"),
        .period_end_us = pg_get_time(rows, row, "period_end"),
        .trial_end_us = pg_get_time(rows, row, "trial_end_time"),
        .access_end_us = pg_get_time(rows, row, "access_end_time"),
        .next_charge_us = pg_get_time(rows, row, "next_charge_time"),
        .cancel_at_period_end = pg_get_bool(rows, row, "cancel_at_period_end"),
        .cancel_us = pg_get_time(rows, row, "cancel_time"),
        .end_us = pg_get_time(rows, row, "end_time"),
        .retry_number = (int32_t)pg_get_int64(rows, row, "retry_number"),
        .pending_payment = pg_get_uuid(rows, row, "pending_payment_id"),
        .latest_invoice = pg_get_uuid(rows, row, "latest_invoice_id"),
        .decline_code = pg_get_text(rows, row, "decline_code"),
        .network_decline_code = pg_get_text(rows, row, "network_decline_code"),
        .advice = pg_get_text(rows, row, "advice"),
        .decline_us = pg_get_time(rows, row, "decline_time"),
        .create_us = pg_get_time(rows, row, "create_time"),
        .update_us = pg_get_time(rows, row, "update_time"),
    };
}

const struct pg_statement membership_load_statement = {
    .name = "membership_load",
    .sql = "SELECT " COLUMNS " FROM membership WHERE customer_id = $1 AND membership_id = $2",
    .is_lookup = true,
};

const struct error *membership_load(struct call *call, struct uuid customer, struct uuid id,
                                    struct membership *membership)
{
    static const struct pg_named named = {&membership_load_statement, "customers/{}/memberships/{}",
                                          "MEMBERSHIP_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, id}, 2, &rows));
    membership_from_row(&rows, 0, membership);
    return NULL;
}

const struct pg_statement membership_due_statement = {
    .name = "membership_due",
    .sql = "SELECT m.*, t.clock_time, p.display_name AS plan_name,"
           "       i.invoice_id AS period_invoice_id, w.gateway, w.token_sealed,"
           "       (SELECT k.wrapped_key FROM customer_data_key k"
           "         WHERE k.customer_id = m.customer_id) AS data_key,"
           "       w.retry_time, w.mandate_type,"
           "       coalesce(w.state = 'ACTIVE', false) AS method_is_usable"
           "  FROM (SELECT " COLUMNS " FROM membership) m"
           "  JOIN customer c ON c.customer_id = m.customer_id"
           "  LEFT JOIN test_clock t ON t.test_clock_id = c.test_clock_id"
           "  LEFT JOIN plan p ON p.plan_id = m.plan_id"
           "  LEFT JOIN payment_method w ON w.customer_id = m.customer_id"
           "       AND w.payment_method_id = m.payment_method_id"
           "  LEFT JOIN invoice i ON i.customer_id = m.customer_id"
           "       AND i.membership_id = m.membership_id AND i.due_time = m.period_end"
           " WHERE m.customer_id = $1 AND m.membership_id = $2",
    .is_lookup = true,
};

const struct error *membership_due_load(struct call *call, struct uuid customer, struct uuid id,
                                        struct membership_due *due)
{
    static const struct pg_named named = {&membership_due_statement, "customers/{}/memberships/{}",
                                          "MEMBERSHIP_NOT_FOUND"};
    struct pg_rows rows;

    TRY(pg_load(call, &named, (struct uuid[]){customer, id}, 2, &rows));
    membership_from_row(&rows, 0, &due->membership);
    due->now_us =
        pg_is_null(&rows, 0, "clock_time") ? call->now_us : pg_get_time(&rows, 0, "clock_time");
    due->plan_name = pg_get_text(&rows, 0, "plan_name");
    due->invoice = pg_get_uuid(&rows, 0, "period_invoice_id");
    due->method = (struct payment_method){
        .customer = customer,
        .id = due->membership.payment_method,
        .gateway = pg_get_text(&rows, 0, "gateway"),
        .is_usable = pg_get_bool(&rows, 0, "method_is_usable"),
        .retry_us = pg_get_time(&rows, 0, "retry_time"),
        .mandate = {.type = pg_get_text(&rows, 0, "mandate_type")},
    };
    payment_method_sealed_from_row(&rows, 0, &due->method);
    return NULL;
}

const struct pg_statement membership_list_statement = {
    .name = "membership_list",
    .sql = "SELECT " COLUMNS "  FROM membership"
           " WHERE customer_id = $1 AND " PG_BELOW("membership_id",
                                                   "$2") " ORDER BY membership_id DESC LIMIT $3",
};

const struct error *membership_list(struct call *call, struct uuid customer, struct uuid before,
                                    int64_t limit, struct membership **memberships, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &membership_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_uuid_or_null(before), pg_int64(limit)), &rows));
    struct membership *list = arena_array(call->arena, rows.count, sizeof(*list));
    for (size_t i = 0; i < rows.count; i++)
        membership_from_row(&rows, i, &list[i]);
    *memberships = list;
    *count = rows.count;
    return NULL;
}

const struct pg_statement entitlement_facts_statement = {
    .name = "entitlement_facts",
    .sql = "SELECT * FROM entitlement_facts($1, $2, $3)",
    .is_lookup = true,
};

/* The same, and whether it may be remembered. */
const struct pg_statement entitlement_facts_clocked_statement = {
    .name = "entitlement_facts_clocked",
    .sql = "SELECT f.*, c.test_clock_id IS NOT NULL AS is_on_clock"
           "  FROM entitlement_facts($1, $2, $3) f, customer c WHERE c.customer_id = $1",
    .is_lookup = true,
};

static const struct error *facts_from_rows(struct call *call, struct uuid customer,
                                           const struct pg_rows *rows,
                                           struct entitlement_facts *facts)
{
    if (rows->count == 0)
        return not_found(call, "CUSTOMER_NOT_FOUND",
                         name_make(call->arena, "customers/{}", &customer));
    *facts = (struct entitlement_facts){
        .now_us = pg_get_time(rows, 0, "customer_now"),
        .open_tier = pg_get_text(rows, 0, "open_tier_id"),
        .has_membership = !pg_is_null(rows, 0, "membership_id"),
        .granted = pg_get_bool(rows, 0, "granted"),
        .membership = pg_get_uuid(rows, 0, "membership_id"),
        .tier = pg_get_text(rows, 0, "tier_id"),
        .period_end_us = pg_get_time(rows, 0, "period_end"),
        .access_end_us = pg_get_time(rows, 0, "access_end_time"),
        .cancel_at_period_end = pg_get_bool(rows, 0, "cancel_at_period_end"),
    };
    if (facts->has_membership)
        facts->state = membership_state_from_name(pg_get_text(rows, 0, "state"));
    return NULL;
}

const struct error *entitlement_facts_load(struct call *call, struct uuid customer,
                                           const char *entitlement, struct entitlement_facts *facts)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &entitlement_facts_statement,
                PG_PARAMS(pg_uuid(customer), pg_text(entitlement), pg_time(call->now_us)), &rows));
    return facts_from_rows(call, customer, &rows, facts);
}

const struct error *entitlement_facts_clocked_load(struct call *call, struct uuid customer,
                                                   const char *entitlement,
                                                   struct entitlement_facts *facts,
                                                   bool *is_on_clock)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &entitlement_facts_clocked_statement,
                PG_PARAMS(pg_uuid(customer), pg_text(entitlement), pg_time(call->now_us)), &rows));
    TRY(facts_from_rows(call, customer, &rows, facts));
    *is_on_clock = pg_get_bool(&rows, 0, "is_on_clock");
    return NULL;
}

const struct pg_statement payment_method_newer_statement = {
    .name = "membership_payment_method_newer",
    .sql = "SELECT payment_method_id FROM payment_method"
           " WHERE customer_id = $1 AND state = 'ACTIVE' AND payment_method_id <> $2"
           "   AND mandate_type IS NOT NULL"
           "   AND create_time >= $3"
           " ORDER BY payment_method_id DESC LIMIT 1",
};

const struct error *payment_method_newer(struct call *call, const struct membership *membership,
                                         struct uuid *method)
{
    struct pg_rows rows;

    TRY(pg_read(call, membership->customer, &payment_method_newer_statement,
                PG_PARAMS(pg_uuid(membership->customer), pg_uuid(membership->payment_method),
                          pg_time(membership->decline_us)),
                &rows));
    *method = rows.count == 0 ? UUID_NIL : pg_get_uuid(&rows, 0, "payment_method_id");
    return NULL;
}
