/*
 * Why a bank or gateway says no, normalised: one table, used by payments and
 * memberships.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum decline_class {
    DECLINE_RETRY_NOW,
    DECLINE_RETRY_LATER,
    DECLINE_FIX_DATA,
    DECLINE_NEW_METHOD,
    DECLINE_STEP_UP,
    DECLINE_STOP,
};

enum decline_actor { DECLINE_BY_CUSTOMER, DECLINE_BY_MERCHANT, DECLINE_BY_NOBODY };

struct decline {
    const char *code;
    enum decline_class class;
    enum decline_actor actor;
    const char *customer_message;
    bool ends_method; /* the payment method will never work again */
};

/* The row of a code; a code without one is a "generic_decline".  Never NULL. */
const struct decline *decline_find(const char *code);

extern const struct decline decline_table[];
extern const size_t decline_count;
