/*
 * One thing that a client of the fault test wants: what to call, with which request_id and content,
 * so that it can be sent again, byte for byte, as often as it takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dues/client.h"

#define NAME_SIZE 192

enum operation_kind {
    CREATE_TEST_CLOCK,
    CREATE_CUSTOMER,
    CREATE_PAYMENT_METHOD,
    CREATE_PAYMENT,
    CAPTURE_PAYMENT,
    CANCEL_PAYMENT,
    CONFIRM_PAYMENT,
    CREATE_REFUND,
    CREATE_MEMBERSHIP,
    CANCEL_MEMBERSHIP,
    ADVANCE_TEST_CLOCK,
    GET_PAYMENT,
    GET_REFUND,
    GET_MEMBERSHIP,
    OPERATION_KIND_COUNT,
};

/* "CreatePayment" */
const char *operation_kind_rpc(enum operation_kind kind);

/* A read has no request_id, and neither has ConfirmPayment: `request_id` is then only a label of
 * the log. */
bool operation_kind_is_read(enum operation_kind kind);

struct operation {
    enum operation_kind kind;
    char request_id[65];
    char parent[NAME_SIZE]; /* whose, or the name of what is read, cancelled or advanced */
    char method[NAME_SIZE]; /* payment method; CREATE_CUSTOMER: the test clock */
    char token[64];
    char plan[64];
    /* Minor units, 0: all that is left; ADVANCE_TEST_CLOCK: the target in seconds since 1970. */
    int64_t amount;
    char currency[4];
    bool manual;        /* CREATE_PAYMENT: authorize only */
    bool final;         /* CAPTURE_PAYMENT: the last one */
    bool other_content; /* sent under an id that was used for something else: must be refused */

    int tries;
    bool in_flight;    /* the last answer: under way */
    bool known;        /* a definitive answer came */
    bool acknowledged; /* … and it was OK */
    char name[NAME_SIZE];
    char state[24];
    int64_t captured; /* of the payment that it was about */
};

/* What came back, until the answer is freed. */
struct outcome {
    const char *status; /* "UNAVAILABLE" */
    const char *reason;
    const char *message;
    const char *name;
    const char *state;
    int64_t captured;
    int64_t capturable;
    int64_t refunded;
    bool definitive; /* a repeat must answer the same */
    bool waits;      /* for its customer: known, and a repeat may answer something else */
    bool may_repeat; /* not known: ask again */
    bool replayed;
    const uint8_t *reply;
    size_t reply_size;
};

/* Sends it once.  `*answer` owns what `*outcome` points to. */
void operation_send(struct dues_client *client, const struct operation *operation,
                    struct outcome *outcome, struct dues_answer **answer);
