/*
 * What `dues payments` consists of: what was asked, and one function a word.
 */
#pragma once

#include "cli/ask.h"
#include "dues/payment/v1/payment_service.pb-c.h"

/* What the command line said; NULL and false for what it did not. */
struct payments_wish {
    struct arena *arena;
    struct connection connection;
    const char *name; /* of the payment: get, refund */
    const char *customer;
    const char *filter;
    const char *page;
    const char *amount;
    const char *reason;
    const char *request_id;
    int64_t limit; /* 0: not given */
    bool all;
    bool as_json;
    struct dues_client *client;
};

/* An answer of PaymentService, to be freed; NULL after a complaint. */
struct dues_answer *ask_payments(struct dues_client *client, const char *method,
                                 const ProtobufCMessage *request, int *exit_status);

/* Exit statuses. */
int payments_list(struct payments_wish *wish);
int payments_get(struct payments_wish *wish);
int payments_refund(struct payments_wish *wish);

/* "SUCCEEDED" of STATE_SUCCEEDED: what people call a value of an enum; its number when unknown. */
const char *enum_word(struct arena *arena, const ProtobufCEnumDescriptor *descriptor, int value,
                      const char *prefix);

/* For people. */
void print_payment_head(FILE *out);
void print_payment_row(FILE *out, struct arena *arena, const Dues__Payment__V1__Payment *payment);
void print_payment(FILE *out, struct arena *arena, const Dues__Payment__V1__Payment *payment);
void print_refund(FILE *out, struct arena *arena, const Dues__Payment__V1__Refund *refund);
void print_dispute(FILE *out, struct arena *arena, const Dues__Payment__V1__Dispute *dispute);
