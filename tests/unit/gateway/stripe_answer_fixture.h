/*
 * A question to Stripe and a reply to it, for tests of what the reply means.
 */
#pragma once

#include "gateway/stripe/answer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/text.h"

#define REFERENCE "0197a1b2-0000-7000-8000-000000000001"
#define PAYMENT   "0197a1b2-0000-7000-8000-000000000002"
#define METADATA  "\"metadata\":{\"attempt_id\":\"" REFERENCE "\",\"payment_id\":\"" PAYMENT "\"}"
struct fixture {
    struct arena *arena;
    struct gateway_request request;
    struct stripe_question question;
    struct http_field header;
    struct http_exchange_reply reply;
    struct stripe_reading reading;
};

static inline int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){
        .arena = arena_new(16 * 1024 * 1024),
        .request = {.operation = GATEWAY_CHARGE,
                    .idempotency_key = "k1",
                    .reference = REFERENCE,
                    .payment = PAYMENT,
                    .amount = money_make("USD", 1999),
                    .token = "cus_1/pm_1",
                    .transaction = ""},
        .reply = {.result = HTTP_ANSWERED, .status = 200, .problem = ""},
    };
    f.question = (struct stripe_question){.request = &f.request, .arena = f.arena};
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(f->arena);
    return 0;
}

static inline void given_operation(struct fixture *f, enum gateway_operation operation)
{
    f->request.operation = operation;
    f->request.transaction =
        operation == GATEWAY_CHARGE || operation == GATEWAY_AUTHORIZE ? "" : "pi_1";
}

static inline void when_read(struct fixture *f, int status, const char *body)
{
    f->reply.status = status;
    f->reply.body = body;
    f->reply.body_size = strlen(body);
    stripe_read(&f->question, &f->reply, &f->reading);
}

static inline void then(const struct fixture *f, enum gateway_outcome outcome)
{
    if (f->reading.answer.outcome != outcome)
        print_error("%s (%s)\n%s\n", gateway_outcome_name(f->reading.answer.outcome),
                    f->reading.answer.evidence, f->reply.body);
    assert_int_equal(f->reading.answer.outcome, outcome);
}
