/*
 * W3C Trace Context: what is taken, what is not, and what goes out.
 */

#include "base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/house.h"
#include "base/random.h"

#define ID   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static bool parse(const char *text, struct trace_parent *parent)
{
    return trace_parse(text, strlen(text), parent);
}

static void reads_who_asks_and_whether_it_is_sampled(void **state)
{
    struct trace_parent parent;
    (void)state;

    assert_true(parse("00-" ID "-" SPAN "-01", &parent));
    assert_string_equal(parent.id, ID);
    assert_string_equal(parent.span, SPAN);
    assert_true(parent.sampled);

    assert_true(parse("00-" ID "-" SPAN "-00", &parent));
    assert_false(parent.sampled);
    assert_true(parse("00-" ID "-" SPAN "-fe", &parent));
    assert_false(parent.sampled);
}

static void reads_later_versions_as_far_as_it_knows_them(void **state)
{
    struct trace_parent parent;
    (void)state;

    assert_true(parse("cc-" ID "-" SPAN "-01", &parent));
    assert_true(parse("cc-" ID "-" SPAN "-01-what-comes-later", &parent));
    assert_false(parse("cc-" ID "-" SPAN "-01.what-comes-later", &parent));
}

static void refuses_what_the_specification_calls_invalid(void **state)
{
    static const char *const texts[] = {
        "",
        "00",
        "00-" ID "-" SPAN "-0",
        "00-" ID "-" SPAN "-01-",
        "00-" ID "-" SPAN "-01-more",
        "ff-" ID "-" SPAN "-01",
        "0g-" ID "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" ID "-00F067AA0BA902B7-01",
        "00-" ID "-" SPAN "-0x",
        "00 " ID "-" SPAN "-01",
        "00-" ID "_" SPAN "-01",
        "00-" ID "-" SPAN "_01",
    };
    struct trace_parent parent;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_false(parse(texts[i], &parent));
}

static void goes_on_with_a_trace_as_a_part_of_it(void **state)
{
    const struct house house = {.random = random_system()};
    struct call call = {.arena = arena_new(1 << 16), .house = &house};
    struct trace_parent parent;
    struct trace_parent sent;
    char text[TRACEPARENT_LENGTH + 1];
    (void)state;

    assert_true(parse("00-" ID "-" SPAN "-01", &parent));
    trace_begin(&call);
    trace_go_on(&call, &parent);
    trace_format(&call, text);

    assert_true(parse(text, &sent));
    assert_string_equal(sent.id, ID);
    assert_string_equal(sent.span, call.span);
    assert_string_not_equal(sent.span, SPAN);
    assert_string_equal(call.parent_span, SPAN);
    assert_true(sent.sampled);
    arena_free(call.arena);
}

static void begins_a_trace_that_nobody_samples(void **state)
{
    const struct house house = {.random = random_system()};
    struct call call = {.arena = arena_new(1 << 16), .house = &house};
    struct trace_parent sent;
    char text[TRACEPARENT_LENGTH + 1];
    (void)state;

    trace_begin(&call);
    trace_format(&call, text);

    assert_true(parse(text, &sent));
    assert_string_equal(sent.id, call.trace);
    assert_false(sent.sampled);
    assert_null(call.parent_span);
    arena_free(call.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_who_asks_and_whether_it_is_sampled),
        cmocka_unit_test(reads_later_versions_as_far_as_it_knows_them),
        cmocka_unit_test(refuses_what_the_specification_calls_invalid),
        cmocka_unit_test(goes_on_with_a_trace_as_a_part_of_it),
        cmocka_unit_test(begins_a_trace_that_nobody_samples),
    };

    return cmocka_run_group_tests_name("trace context", tests, NULL, NULL);
}
