/*
 * The names of the states, as the tables hold them and the contract spells them.
 */
#include "base/attributes.h"
#include "base/bug.h"
#include "base/text.h"
#include "membership/membership.h"

static const char *const membership_names[MEMBERSHIP_STATE_COUNT] = {
    [MEMBERSHIP_INCOMPLETE] = "INCOMPLETE", [MEMBERSHIP_TRIALING] = "TRIALING",
    [MEMBERSHIP_ACTIVE] = "ACTIVE",         [MEMBERSHIP_PAST_DUE] = "PAST_DUE",
    [MEMBERSHIP_CANCELED] = "CANCELED",     [MEMBERSHIP_EXPIRED] = "EXPIRED",
};

static const char *const invoice_names[INVOICE_STATE_COUNT] = {
    [INVOICE_OPEN] = "OPEN",
    [INVOICE_PAID] = "PAID",
    [INVOICE_VOID] = "VOID",
    [INVOICE_UNCOLLECTIBLE] = "UNCOLLECTIBLE",
};

const char *membership_state_name(enum membership_state state)
{
    return membership_names[state];
}

const char *invoice_state_name(enum invoice_state state)
{
    return invoice_names[state];
}

static int find(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (text_equal(names[i], name))
            return i;
    }
    bug("no state is called '%s'", name);
}

enum membership_state membership_state_from_name(const char *name)
{
    return (enum membership_state)find(membership_names, MEMBERSHIP_STATE_COUNT, name);
}

enum invoice_state invoice_state_from_name(const char *name)
{
    return (enum invoice_state)find(invoice_names, INVOICE_STATE_COUNT, name);
}
