/*
 * What `dues payments` consists of: what was asked, and one function a word.
 */
#pragma once

#include "cli/pages.h"
#include "dues/payment/v1/payment_service.pb-c.h"

/* What the command line said; NULL and false for what it did not. */
struct payments_wish {
    struct list_wish list; /* operand: the payment's name, for get and refund, as is `all` */
    const char *customer;
    const char *amount;
    const char *reason;
    const char *request_id;
};

/* Words: exit statuses. */
int payments_list(void *given);
int payments_get(void *given);
int payments_refund(void *given);

/* For people. */
void print_payment_head(FILE *out);
void print_payment_row(FILE *out, struct arena *arena, const Dues__Payment__V1__Payment *payment);
void print_payment(FILE *out, struct arena *arena, const Dues__Payment__V1__Payment *payment);
void print_refund(FILE *out, struct arena *arena, const Dues__Payment__V1__Refund *refund);
void print_payment_dispute(FILE *out, struct arena *arena,
                           const Dues__Payment__V1__Dispute *dispute);
