/*
 * What nobody should send, field by field: for every field that a request of the contract can hold,
 * the values that must be refused, and those that look bad but are as good as any.
 *
 * The kind of a field is said once, by message and name, so a field that is new in the contract has
 * none and the test says so.
 */
#pragma once

#include "base/error.h"
#include "base/method.h"
#include "support/rpc_samples.h"

enum field_kind {
    FIELD_OUTPUT_ONLY, /* what a caller writes there is not read */
    FIELD_REQUEST_ID,
    FIELD_NAME, /* a name of what belongs to a customer */
    FIELD_NAME_OPTIONAL,
    FIELD_CATALOGUE_NAME,
    FIELD_TEXT, /* free text, at most `length_max` characters */
    FIELD_EMAIL,
    FIELD_EMAIL_OPTIONAL,
    FIELD_EMAIL_KNOWN, /* of somebody who should exist */
    FIELD_PASSWORD_NEW,
    FIELD_PASSWORD_KNOWN,
    FIELD_REFRESH_TOKEN,
    FIELD_GATEWAY_TOKEN,
    FIELD_CSR,
    FIELD_ENTITLEMENT,
    FIELD_URL,        /* of a webhook endpoint */
    FIELD_EVENT_TYPE, /* "payment.succeeded", "payment.*" */
    FIELD_PATH,       /* of a field mask */
    FIELD_DELIVERY,   /* a name that ends in a customer and a number */
    FIELD_PAGE_SIZE,
    FIELD_PAGE_TOKEN,
    FIELD_CURSOR,
    FIELD_FILTER,
    FIELD_CURRENCY,
    FIELD_MINOR_UNITS,
    FIELD_SECONDS,
    FIELD_NANOS,
    FIELD_CHOICE, /* an enum */
    FIELD_FLAG,
    FIELD_CARD_MONTH, /* rpc_hostile_card.c, as the next */
    FIELD_CARD_YEAR,
    FIELD_MESSAGE, /* required: what is inside is tested by itself */
    FIELD_MESSAGE_OPTIONAL,
};

struct field_rule {
    const char *message; /* "dues.payment.v1.Payment" */
    const char *field;
    enum field_kind kind;
    size_t length_max;
};

/* NULL: the contract has a field that this table does not know. */
const struct field_rule *field_rule_find(const char *message, const char *field);

/* The same for a field at `path` of a method that may be an exception. */
const struct field_rule *field_rule_of(const char *method, const char *path, const char *message,
                                       const char *field);

enum hostile_verdict {
    VERDICT_FIELD,    /* INVALID_ARGUMENT, the field named, nothing written */
    VERDICT_STATUS,   /* this status, this reason if one is given, nothing written */
    VERDICT_HARMLESS, /* legitimate for this field: anything but a failure of ours */
};

struct hostile_value {
    const char *label;
    const void *bytes; /* NULL: `number` */
    size_t size;
    int64_t number;
    bool absent; /* the field, with all inside it, is left out */
    enum hostile_verdict verdict;
    enum status status;
    const char *reason; /* NULL: any */
};

#define HOSTILE_VALUES_MAX 64

struct hostile_list {
    struct hostile_value values[HOSTILE_VALUES_MAX];
    size_t count;
};

/* The values of the kinds that it knows.  False: it does not know this one. */
bool hostile_card_values(enum field_kind kind, struct hostile_list *list);

/*
 * `unread`: the field is output only, or inside one that is.  `sample` is the field's value in the
 * sample, NULL when it has none.
 */
void hostile_values(const struct field_rule *rule, const ProtobufCFieldDescriptor *field,
                    const struct rpc_method *method, const char *path, bool unread,
                    const char *sample, struct hostile_list *list);
