/*
 * Why a bank or gateway says no, normalised: one table, used by payments and memberships.
 * docs/declines.md and the comments of the contract say the same; tests compare them.
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
    DECLINE_CLASS_COUNT
};

enum decline_actor {
    DECLINE_BY_CUSTOMER,
    DECLINE_BY_MERCHANT,
    DECLINE_BY_NOBODY, /* time does it */
    DECLINE_BY_ISSUER,
    DECLINE_ACTOR_COUNT
};

/* What the card network adds to its answer. */
enum decline_advice {
    DECLINE_ADVICE_NONE,
    DECLINE_ADVICE_DO_NOT_TRY_AGAIN,
    DECLINE_ADVICE_TRY_AGAIN_LATER,
    DECLINE_ADVICE_CONFIRM_CARD_DATA,
    DECLINE_ADVICE_COUNT
};

enum decline_language {
    DECLINE_ENGLISH,
    DECLINE_GERMAN,
    DECLINE_SPANISH,
    DECLINE_FRENCH,
    DECLINE_LANGUAGE_COUNT
};

struct decline {
    const char *code;
    enum decline_class class;
    enum decline_actor actor;
    const char *const *texts; /* by language; safe for the customer */
    bool ends_method;         /* the payment method will never work again */
};

/* The row of a code; a code without one is a "generic_decline".  Never NULL. */
const struct decline *decline_find(const char *code);

bool decline_is_known(const char *code);

/* "do_not_try_again" and so on, as gateways tell it; anything else is none. */
enum decline_advice decline_advice_of(const char *name);
const char *decline_advice_name(enum decline_advice advice);

/* What one refusal calls for: the class of its code, unless the network knows better. */
enum decline_class decline_class_of(const char *code, enum decline_advice advice);

/* The same charge may be tried again by itself: nobody has to correct anything. */
bool decline_may_retry(enum decline_class class);

/* "RETRY_NOW" and "CUSTOMER": the names of the contract without their prefix. */
const char *decline_class_name(enum decline_class class);
const char *decline_actor_name(enum decline_actor actor);

extern const struct decline decline_table[];
extern const size_t decline_count;
