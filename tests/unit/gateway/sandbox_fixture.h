/*
 * A sandbox on a journal of its own, and the requests that its tests send.
 */
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/text.h"
#include "gateway/sandbox/sandbox.h"

#define TIMEOUT_MS 30

struct fixture {
    char path[64];
    struct fiber_pool *fibers;
    struct arena *arena;
    struct house house;
    struct call call;
    struct sandbox *sandbox;
    const struct gateway *gateway;
    /* of the request that a fiber is at work on */
    struct gateway_request request;
    struct gateway_answer answer;
};

static inline void open_sandbox(struct fixture *f)
{
    char problem[256] = "";

    f->sandbox = sandbox_open(f->path, TIMEOUT_MS, 0, clock_system(), random_system(), problem);
    assert_string_equal(problem, "");
    assert_non_null(f->sandbox);
    f->gateway = sandbox_gateway(f->sandbox);
}

static inline void crash_and_open(struct fixture *f)
{
    sandbox_close(f->sandbox);
    open_sandbox(f);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->path, sizeof f->path, "/tmp/dues-sandbox-XXXXXX");
    int descriptor = mkstemp(f->path);
    if (descriptor < 0)
        return -1;
    close(descriptor);
    f->fibers = fiber_pool_open(16);
    f->arena = arena_new(16 * 1024 * 1024);
    f->house = (struct house){.clock = clock_system(), .random = random_system()};
    f->call = (struct call){.arena = f->arena, .house = &f->house, .request_id = ""};
    *state = f;
    open_sandbox(f);
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    sandbox_close(f->sandbox);
    fiber_pool_close(f->fibers);
    arena_free(f->arena);
    unlink(f->path);
    free(f);
    return 0;
}

static inline void send_in_fiber(void *arg)
{
    struct fixture *f = arg;

    f->gateway->send(f->gateway, &f->call, &f->request, &f->answer);
}

static inline struct gateway_answer ask(struct fixture *f, struct gateway_request request)
{
    f->request = request;
    fiber_run(f->fibers, send_in_fiber, f);
    return f->answer;
}

static inline struct gateway_request charge_of(const char *key, const char *token,
                                               int64_t minor_units)
{
    return (struct gateway_request){
        .operation = GATEWAY_CHARGE,
        .idempotency_key = key,
        .reference = "attempt-of-charge",
        .amount = money_make("USD", minor_units),
        .token = token,
        .transaction = "",
    };
}

static inline struct gateway_request refund_of(const char *key, const char *transaction,
                                               int64_t minor_units)
{
    return (struct gateway_request){
        .operation = GATEWAY_REFUND,
        .idempotency_key = key,
        .reference = "attempt-of-refund",
        .amount = money_make("USD", minor_units),
        .token = "",
        .transaction = transaction,
        .off_session = true,
    };
}

/* How often money moved for a reference, by the journal. */
static inline int approved_count(struct fixture *f, const char *reference)
{
    size_t count;
    int approved = 0;
    const struct sandbox_call *calls =
        sandbox_calls(f->sandbox, f->arena, 0, &reference, 1, 100, &count);

    for (size_t i = 0; i < count; i++)
        approved += text_equal(calls[i].outcome, "APPROVED");
    return approved;
}

static inline struct gateway_answer query(struct fixture *f, struct gateway_request request)
{
    struct gateway_answer answer;

    f->gateway->query(f->gateway, &f->call, &request, &answer);
    return answer;
}
