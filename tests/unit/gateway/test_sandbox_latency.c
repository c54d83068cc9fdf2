/*
 * The sandbox gateway that takes its time: what was asked is done at once and heard of later, or
 * not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/text.h"
#include "gateway/sandbox/sandbox.h"

#define TIMEOUT_MS 30

struct fixture {
    char path[64];
    struct fiber_pool *fibers;
    struct house house;
    struct call call;
    struct sandbox *sandbox;
    struct gateway_answer answer;
    int64_t took_us;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->path, sizeof f->path, "/tmp/dues-sandbox-XXXXXX");
    int descriptor = mkstemp(f->path);
    if (descriptor < 0)
        return -1;
    close(descriptor);
    f->fibers = fiber_pool_open(2);
    f->house = (struct house){.clock = clock_system(), .random = random_system()};
    f->call = (struct call){
        .arena = arena_new(1024 * 1024),
        .house = &f->house,
        .request_id = "",
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sandbox_close(f->sandbox);
    fiber_pool_close(f->fibers);
    arena_free(f->call.arena);
    unlink(f->path);
    free(f);
    return 0;
}

static void charge_in_fiber(void *arg)
{
    struct fixture *f = arg;
    const struct gateway *gateway = sandbox_gateway(f->sandbox);
    const struct gateway_request request = {
        .operation = GATEWAY_CHARGE,
        .idempotency_key = "k1",
        .reference = "attempt-of-charge",
        .amount = money_make("USD", 999),
        .token = "tok_visa",
        .transaction = "",
    };
    int64_t before_us = clock_monotonic_us(clock_system());

    gateway->send(gateway, &f->call, &request, &f->answer);
    f->took_us = clock_monotonic_us(clock_system()) - before_us;
}

static void charge_with_latency(struct fixture *f, int64_t latency_ms)
{
    char problem[256] = "";

    f->sandbox =
        sandbox_open(f->path, TIMEOUT_MS, latency_ms, clock_system(), random_system(), problem);
    assert_string_equal(problem, "");
    f->call.deadline_us = clock_monotonic_us(clock_system()) + US_PER_MINUTE;
    fiber_run(f->fibers, charge_in_fiber, f);
}

static bool is_charged(struct fixture *f)
{
    const char *reference = "attempt-of-charge";
    size_t count;
    const struct sandbox_call *calls =
        sandbox_calls(f->sandbox, f->call.arena, 0, &reference, 1, 10, &count);

    return count == 1 && text_equal(calls[0].outcome, "APPROVED");
}

static void answers_after_its_latency(void **state)
{
    struct fixture *f = *state;

    charge_with_latency(f, TIMEOUT_MS / 2);

    assert_int_equal(f->answer.outcome, GATEWAY_SUCCEEDED);
    assert_true(f->took_us >= TIMEOUT_MS / 2 * US_PER_MS);
    assert_true(is_charged(f));
}

static void an_answer_later_than_the_timeout_is_not_heard_and_has_charged(void **state)
{
    struct fixture *f = *state;

    charge_with_latency(f, 1000 * TIMEOUT_MS);

    assert_int_equal(f->answer.outcome, GATEWAY_UNKNOWN);
    assert_string_equal(f->answer.transaction, "");
    assert_true(f->took_us >= TIMEOUT_MS * US_PER_MS);
    assert_true(f->took_us < 1000 * TIMEOUT_MS * US_PER_MS);
    assert_true(is_charged(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_after_its_latency),
        TEST(an_answer_later_than_the_timeout_is_not_heard_and_has_charged),
    };
    return cmocka_run_group_tests_name("latency of the sandbox", tests, NULL, NULL);
}
