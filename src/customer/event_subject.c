/*
 * What an event is about follows from the first word of its type.  docs/events.md has the list, and
 * tests/tidy compares the two.
 */
#include "base/text.h"
#include "customer/event.h"

/* The customer, then the subject. */
static const struct {
    const char *word;
    const char *pattern;
    enum { OF_CUSTOMER, OF_PAYMENT, OF_NOBODY } owner;
} subjects[] = {
    {"customer", "customers/{}", OF_NOBODY},
    {"device", "users/{}/devices/{}", OF_CUSTOMER},
    {"dispute", "customers/{}/disputes/{}", OF_CUSTOMER},
    {"incident", "customers/{}/incidents/{}", OF_CUSTOMER},
    {"invoice", "customers/{}/invoices/{}", OF_CUSTOMER},
    {"membership", "customers/{}/memberships/{}", OF_CUSTOMER},
    {"payment", "customers/{}/payments/{}", OF_CUSTOMER},
    {"payment_method", "customers/{}/paymentMethods/{}", OF_CUSTOMER},
    {"refund", "customers/{}/payments/{}/refunds/{}", OF_PAYMENT},
    {"session", "users/{}/sessions/{}", OF_CUSTOMER},
    {"webhook_endpoint", "webhookEndpoints/{}", OF_NOBODY},
};

bool event_is_about(const char *type, const char *word)
{
    return text_starts_with(type, word) && type[strlen(word)] == '.';
}

char *event_subject_name(struct arena *arena, const char *type, struct uuid customer,
                         struct uuid subject, struct uuid payment)
{
    for (size_t i = 0; i < ARRAY_LENGTH(subjects); i++) {
        if (!event_is_about(type, subjects[i].word))
            continue;
        switch (subjects[i].owner) {
        case OF_CUSTOMER:
            return name_make(arena, subjects[i].pattern, (struct uuid[]){customer, subject});
        case OF_PAYMENT:
            if (uuid_is_nil(payment))
                return arena_strdup(arena, "");
            return name_make(arena, subjects[i].pattern,
                             (struct uuid[]){customer, payment, subject});
        case OF_NOBODY:
            return name_make(arena, subjects[i].pattern, &subject);
        }
    }
    return arena_strdup(arena, "");
}
