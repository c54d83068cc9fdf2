/*
 * Errors as values, and what a call makes of them.
 */

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/call.h"
#include "base/time.h"

struct frozen_clock {
    struct clock clock;
    int64_t monotonic_us;
};

static int64_t frozen_us(const struct clock *clock)
{
    return ((const struct frozen_clock *)(const void *)clock)->monotonic_us;
}

struct fixture {
    struct frozen_clock clock;
    struct house house;
    struct call call;
};

static int given_call(void **state)
{
    static struct fixture f;

    f.clock = (struct frozen_clock){{frozen_us, frozen_us}, 5000};
    f.house = (struct house){.clock = &f.clock.clock};
    f.call = (struct call){.arena = arena_new(1 << 20), .house = &f.house};
    *state = &f;
    return 0;
}

static int end_call(void **state)
{
    struct fixture *f = *state;

    arena_free(f->call.arena);
    return 0;
}

static void names_every_status_of_grpc(void **state)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        assert_string_equal(status_name((enum status)i), names[i]);
}

static void carries_status_reason_and_message(void **state)
{
    struct fixture *f = *state;

    struct error *error =
        refuse(&f->call, STATUS_NOT_FOUND, "PAYMENT_NOT_FOUND", "payment %d was not found", 7);

    assert_int_equal(error->status, STATUS_NOT_FOUND);
    assert_string_equal(error->reason, "PAYMENT_NOT_FOUND");
    assert_string_equal(error->message, "payment 7 was not found");
    assert_int_equal(error->field_count, 0);
    assert_int_equal(error->metadata_count, 0);
    assert_int_equal(error->retry_after_ms, 0);
    assert_null(error->cause);
}

static void collects_metadata_retry_and_cause(void **state)
{
    struct fixture *f = *state;
    struct arena *arena = f->call.arena;
    struct error *error = error_make(arena, STATUS_UNAVAILABLE, "INTERNAL", "try again");

    struct error *same = error_with(arena, error, "method", "%s", "GetPayment");
    error_retry(error, 250);
    error_cause(arena, error, "connection %d lost", 3);

    assert_ptr_equal(same, error);
    assert_int_equal(error->metadata_count, 1);
    assert_string_equal(error->metadata[0].key, "method");
    assert_string_equal(error->metadata[0].value, "GetPayment");
    assert_int_equal(error->retry_after_ms, 250);
    assert_string_equal(error->cause, "connection 3 lost");
}

static void keeps_the_first_metadata_when_there_is_too_much(void **state)
{
    struct fixture *f = *state;
    struct error *error = error_make(f->call.arena, STATUS_INTERNAL, "INTERNAL", "x");

    for (int i = 0; i < ERROR_METADATA_MAX + 5; i++)
        error_with(f->call.arena, error, "key", "%d", i);

    assert_int_equal(error->metadata_count, ERROR_METADATA_MAX);
    assert_string_equal(error->metadata[ERROR_METADATA_MAX - 1].value, "7");
}

static const struct error *fails_when_asked(struct call *call, bool fails, int *steps)
{
    *steps = 1;
    TRY(fails ? refuse(call, STATUS_ABORTED, "INTERNAL", "asked to") : NULL);
    *steps = 2;
    return NULL;
}

static void try_returns_the_error_and_goes_on_without_one(void **state)
{
    struct fixture *f = *state;
    int steps = 0;

    assert_null(fails_when_asked(&f->call, false, &steps));
    assert_int_equal(steps, 2);

    assert_non_null(fails_when_asked(&f->call, true, &steps));
    assert_int_equal(steps, 1);
}

static void time_left_ends_at_zero(void **state)
{
    struct fixture *f = *state;

    f->call.deadline_us = 5001;
    assert_int_equal(call_time_left_us(&f->call), 1);

    f->call.deadline_us = 5000;
    assert_int_equal(call_time_left_us(&f->call), 0);

    f->call.deadline_us = 1;
    assert_int_equal(call_time_left_us(&f->call), 0);
}

static const struct error *refuse_in_part(struct call *call)
{
    struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);

    arena_alloc(part.arena, CALL_PART_SIZE_MAX / 2); /* more than the call has */
    part.patient = true;
    return call_part_end(call, &part,
                         refuse(&part, STATUS_ABORTED, "CONCURRENT_CHANGE", "part %d", 7));
}

static void a_part_of_a_call_leaves_its_error_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    size_t before = arena_used(f->call.arena);

    const struct error *error = refuse_in_part(&f->call);

    assert_int_equal(error->status, STATUS_ABORTED);
    assert_string_equal(error->message, "part 7");
    assert_true(arena_used(f->call.arena) - before < 4096);
    assert_false(f->call.patient);
    for (int i = 0; i < 100; i++) {
        struct call part = call_part_begin(&f->call, CALL_PART_SIZE_MAX);
        arena_alloc(part.arena, CALL_PART_SIZE_MAX / 2);
        assert_null(call_part_end(&f->call, &part, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_status_of_grpc),
        cmocka_unit_test(carries_status_reason_and_message),
        cmocka_unit_test(collects_metadata_retry_and_cause),
        cmocka_unit_test(keeps_the_first_metadata_when_there_is_too_much),
        cmocka_unit_test(try_returns_the_error_and_goes_on_without_one),
        cmocka_unit_test(time_left_ends_at_zero),
        cmocka_unit_test(a_part_of_a_call_leaves_its_error_and_nothing_else),
    };
    return cmocka_run_group_tests_name("error", tests, given_call, end_call);
}
