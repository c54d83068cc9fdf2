/*
 * From the structs of the room to the messages of the contract.  What is unset here is unset there.
 */
#include "membership/membership_proto.h"

#include "payment/payment_proto.h"

/* "customers/{c}/<collection>/{id}", or "" for the nil id. */
static char *child_name(struct arena *arena, struct uuid customer, const char *collection,
                        struct uuid id)
{
    if (uuid_equal(id, UUID_NIL))
        return arena_strdup(arena, "");
    return arena_printf(arena, "customers/%s/%s/%s", uuid_text(arena, customer), collection,
                        uuid_text(arena, id));
}

static Dues__Membership__V1__Membership__State
membership_state_to_proto(enum membership_state state)
{
    switch (state) {
    case MEMBERSHIP_INCOMPLETE:
        return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_INCOMPLETE;
    case MEMBERSHIP_TRIALING:
        return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_TRIALING;
    case MEMBERSHIP_ACTIVE:
        return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_ACTIVE;
    case MEMBERSHIP_PAST_DUE:
        return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_PAST_DUE;
    case MEMBERSHIP_CANCELED:
        return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_CANCELED;
    case MEMBERSHIP_EXPIRED:
        return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_EXPIRED;
    case MEMBERSHIP_STATE_COUNT:
        break;
    }
    return DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_UNSPECIFIED;
}

void membership_to_proto(struct arena *arena, const struct membership *membership,
                         Dues__Membership__V1__Membership *proto)
{
    bool has_begun =
        membership->state != MEMBERSHIP_INCOMPLETE && membership->state != MEMBERSHIP_EXPIRED;

    proto->name = child_name(arena, membership->customer, "memberships", membership->id);
    proto->plan = arena_printf(arena, "plans/%s", membership->plan);
    proto->tier = arena_printf(arena, "tiers/%s", membership->tier);
    proto->state = membership_state_to_proto(membership->state);
    proto->payment_method =
        child_name(arena, membership->customer, "paymentMethods", membership->payment_method);
    if (has_begun) {
        proto->current_period_start_time = time_to_proto(arena, membership->period_start_us);
        proto->current_period_end_time = time_to_proto(arena, membership->period_end_us);
    }
    proto->next_charge_time = time_to_proto(arena, membership->next_charge_us);
    proto->cancel_at_period_end = membership->cancel_at_period_end;
    proto->cancel_time = time_to_proto(arena, membership->cancel_us);
    proto->end_time = time_to_proto(arena, membership->end_us);
    proto->access_end_time = time_to_proto(arena, membership->access_end_us);
    proto->trial_end_time = time_to_proto(arena, membership->trial_end_us);
    proto->latest_invoice =
        child_name(arena, membership->customer, "invoices", membership->latest_invoice);
    proto->last_decline = decline_to_proto(arena, membership->decline_code,
                                           membership->network_decline_code, membership->advice);
    proto->create_time = time_to_proto(arena, membership->create_us);
    proto->update_time = time_to_proto(arena, membership->update_us);
}

struct bytes membership_pack(struct arena *arena, const struct membership *membership)
{
    Dues__Membership__V1__Membership proto = DUES__MEMBERSHIP__V1__MEMBERSHIP__INIT;

    membership_to_proto(arena, membership, &proto);
    return message_pack(arena, &proto.base);
}

static Dues__Membership__V1__Invoice__State invoice_state_to_proto(enum invoice_state state)
{
    switch (state) {
    case INVOICE_OPEN:
        return DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_OPEN;
    case INVOICE_PAID:
        return DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_PAID;
    case INVOICE_VOID:
        return DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_VOID;
    case INVOICE_UNCOLLECTIBLE:
        return DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_UNCOLLECTIBLE;
    case INVOICE_STATE_COUNT:
        break;
    }
    return DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_UNSPECIFIED;
}

static Dues__Membership__V1__InvoiceLine *line_to_proto(struct arena *arena,
                                                        const struct invoice_line *line)
{
    Dues__Membership__V1__InvoiceLine *proto = arena_alloc(arena, sizeof(*proto));

    dues__membership__v1__invoice_line__init(proto);
    proto->description = arena_strdup(arena, line->description);
    proto->amount = money_to_proto(arena, line->amount);
    proto->period_start_time = time_to_proto(arena, line->period_start_us);
    proto->period_end_time = time_to_proto(arena, line->period_end_us);
    return proto;
}

void invoice_to_proto(struct arena *arena, const struct invoice_with_lines *with_lines,
                      Dues__Membership__V1__Invoice *proto)
{
    const struct invoice *invoice = &with_lines->invoice;

    proto->name = child_name(arena, invoice->customer, "invoices", invoice->id);
    proto->number = arena_printf(arena, "%lld", (long long)invoice->number);
    proto->membership = child_name(arena, invoice->customer, "memberships", invoice->membership);
    proto->state = invoice_state_to_proto(invoice->state);
    proto->n_lines = with_lines->line_count;
    proto->lines = arena_array(arena, with_lines->line_count, sizeof(*proto->lines));
    for (size_t i = 0; i < with_lines->line_count; i++)
        proto->lines[i] = line_to_proto(arena, &with_lines->lines[i]);
    proto->total = money_to_proto(arena, invoice->total);
    proto->period_start_time = time_to_proto(arena, invoice->period_start_us);
    proto->period_end_time = time_to_proto(arena, invoice->period_end_us);
    proto->payment = child_name(arena, invoice->customer, "payments", invoice->payment);
    proto->create_time = time_to_proto(arena, invoice->create_us);
    proto->paid_time = time_to_proto(arena, invoice->paid_us);
}

void tier_to_proto(struct arena *arena, const struct tier *tier, Dues__Membership__V1__Tier *proto)
{
    proto->name = arena_printf(arena, "tiers/%s", tier->id);
    proto->display_name = arena_strdup(arena, tier->display_name);
    proto->rank = tier->rank;
    proto->n_entitlements = tier->entitlement_count;
    proto->entitlements = arena_array(arena, tier->entitlement_count, sizeof(*proto->entitlements));
    for (size_t i = 0; i < tier->entitlement_count; i++)
        proto->entitlements[i] = arena_strdup(arena, tier->entitlements[i]);
}

void plan_to_proto(struct arena *arena, const struct plan *plan, Dues__Membership__V1__Plan *proto)
{
    proto->name = arena_printf(arena, "plans/%s", plan->id);
    proto->tier = arena_printf(arena, "tiers/%s", plan->tier);
    proto->display_name = arena_strdup(arena, plan->display_name);
    proto->price = money_to_proto(arena, plan->price);
    proto->trial_days = plan->trial_days;
    if (plan->price.minor_units == 0)
        return;
    Dues__Membership__V1__BillingPeriod *period = arena_alloc(arena, sizeof(*period));
    dues__membership__v1__billing_period__init(period);
    period->unit = plan->is_yearly ? DUES__MEMBERSHIP__V1__BILLING_PERIOD__UNIT__UNIT_YEAR
                                   : DUES__MEMBERSHIP__V1__BILLING_PERIOD__UNIT__UNIT_MONTH;
    period->count = plan->period_count;
    proto->billing_period = period;
}

void customer_to_proto(struct arena *arena, const struct customer *customer,
                       Dues__Membership__V1__Customer *proto)
{
    proto->name = arena_printf(arena, "customers/%s", uuid_text(arena, customer->id));
    proto->display_name = arena_strdup(arena, customer->display_name);
    proto->email = arena_strdup(arena, customer->email);
    if (!uuid_equal(customer->test_clock, UUID_NIL))
        proto->test_clock =
            arena_printf(arena, "testClocks/%s", uuid_text(arena, customer->test_clock));
    proto->create_time = time_to_proto(arena, customer->create_time_us);
    proto->default_payment_method =
        child_name(arena, customer->id, "paymentMethods", customer->default_payment_method);
}
