/*
 * The filter of ListPayments: what it becomes, and where it is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/time.h"
#include "payment/payment_internal.h"

#define NEW_YEAR_US 1767225600000000LL /* 2026-01-01T00:00:00Z */

struct fixture {
    struct arena *arena;
    struct house house;
    struct call call;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->arena = arena_new(1024 * 1024);
    f->call = (struct call){.arena = f->arena, .house = &f->house};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(f->arena);
    free(f);
    return 0;
}

static struct payment_filter parsed(struct fixture *f, const char *text)
{
    struct payment_filter filter;

    assert_null(payment_filter_parse(&f->call, text, &filter));
    return filter;
}

static void takes_everything_when_empty(void **state)
{
    struct payment_filter filter = parsed(*state, "  ");

    assert_null(filter.states);
    assert_null(filter.created_never);
    assert_int_equal(filter.created_from_us, 0);
    assert_int_equal(filter.created_until_us, 0);
}

static void narrows_states(void **state)
{
    assert_string_equal(parsed(*state, "state = SUCCEEDED").states, "SUCCEEDED");
    assert_string_equal(parsed(*state, "state=\"FAILED\"").states, "FAILED");
    assert_string_equal(parsed(*state, "state = STATE_FAILED").states, "FAILED");
    assert_string_equal(parsed(*state, "state != SUCCEEDED AND state!=CANCELED").states,
                        "PROCESSING,REQUIRES_ACTION,REQUIRES_CAPTURE,FAILED");
    assert_string_equal(parsed(*state, "state = SUCCEEDED AND state = FAILED").states, "");
}

static void bounds_times(void **state)
{
#define NEW_YEAR "\"2026-01-01T00:00:00Z\""
    assert_int_equal(parsed(*state, "create_time >= " NEW_YEAR).created_from_us, NEW_YEAR_US);
    assert_int_equal(parsed(*state, "create_time > " NEW_YEAR).created_from_us, NEW_YEAR_US + 1);
    assert_int_equal(parsed(*state, "create_time < " NEW_YEAR).created_until_us, NEW_YEAR_US);
    assert_int_equal(parsed(*state, "create_time<=" NEW_YEAR).created_until_us, NEW_YEAR_US + 1);
    struct payment_filter exact = parsed(*state, "create_time = " NEW_YEAR);
    assert_int_equal(exact.created_from_us, NEW_YEAR_US);
    assert_int_equal(exact.created_until_us, NEW_YEAR_US + 1);
    assert_string_equal(parsed(*state, "create_time != " NEW_YEAR).created_never,
                        "2026-01-01T00:00:00.000000Z");
    assert_int_equal(parsed(*state, "create_time < \"1970-01-01T00:00:00Z\"").created_until_us, 1);
}

static void joins_by_and(void **state)
{
    struct payment_filter filter =
        parsed(*state, "state = SUCCEEDED AND create_time >= " NEW_YEAR
                       " AND create_time < \"2026-02-01T01:00:00+01:00\"");

    assert_string_equal(filter.states, "SUCCEEDED");
    assert_int_equal(filter.created_from_us, NEW_YEAR_US);
    assert_int_equal(filter.created_until_us, NEW_YEAR_US + 31 * US_PER_DAY);
}

static void refuses_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {
        "SUCCEEDED",
        "state",
        "state =",
        "state = ",
        "state = succeeded",
        "state > SUCCEEDED",
        "state == SUCCEEDED",
        "state = SUCCEEDED OR state = FAILED",
        "state = SUCCEEDED state = FAILED",
        "state = SUCCEEDED AND",
        "amount = 5",
        "create_time > 2026-01-01T00:00:00Z",
        "create_time > \"yesterday\"",
        "create_time > \"2026-01-01T00:00:00Z",
        "\"state\" = SUCCEEDED",
        "AND state = SUCCEEDED",
        "= = =",
        "state = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct payment_filter filter;
        const struct error *error = payment_filter_parse(&f->call, wrong[i], &filter);

        assert_non_null(error);
        assert_string_equal(error->reason, "FILTER_INVALID");
        assert_int_equal(error->status, STATUS_INVALID_ARGUMENT);
        assert_string_equal(error->fields[0].field, "filter");
    }
}

static void points_to_where_it_went_wrong(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        const char *description;
    } cases[] = {
        {"amount > 5", "at character 1: "},
        {"state = DONE", "at character 9: "},
        {"state > FAILED", "at character 7: "},
        {"state = FAILED OR state = FAILED", "at character 16: "},
        {"create_time > \"2026-02-30T00:00:00Z\"", "at character 15: "},
        {"state =", "at character 8: "},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct payment_filter filter;
        const struct error *error = payment_filter_parse(&f->call, cases[i].text, &filter);

        assert_non_null(error);
        assert_memory_equal(error->fields[0].description, cases[i].description,
                            strlen(cases[i].description));
    }
}

static void takes_eight_conditions_and_not_nine(void **state)
{
    struct fixture *f = *state;
#define FOUR "state!=FAILED AND state!=FAILED AND state!=FAILED AND state!=FAILED"
    struct payment_filter filter;

    assert_null(payment_filter_parse(&f->call, FOUR " AND " FOUR, &filter));
    assert_non_null(
        payment_filter_parse(&f->call, FOUR " AND " FOUR " AND state!=FAILED", &filter));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_everything_when_empty),
        cmocka_unit_test(narrows_states),
        cmocka_unit_test(bounds_times),
        cmocka_unit_test(joins_by_and),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(points_to_where_it_went_wrong),
        cmocka_unit_test(takes_eight_conditions_and_not_nine),
    };
    return cmocka_run_group_tests_name("payment filter", tests, setup, teardown);
}
