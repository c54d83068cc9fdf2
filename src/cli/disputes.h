/*
 * What `dues disputes` consists of: what was asked, and one function a word.
 */
#pragma once

#include "cli/pages.h"
#include "dues/payment/v1/payment_service.pb-c.h"

struct disputes_wish {
    struct list_wish list; /* operand: the dispute's name, for all but list */
    const char *customer;
    const char *payment;
    const char *file;   /* evidence: where it is read from, "-" for standard input */
    const char *amount; /* accept: what is given up */
    const char *request_id;
};

/* Words: exit statuses. */
int disputes_evidence(void *given);
int disputes_accept(void *given);

/* A Dispute, for people. */
void print_dispute(struct arena *arena, const ProtobufCMessage *message);
