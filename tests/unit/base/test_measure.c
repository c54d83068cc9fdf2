/*
 * The page that Prometheus reads, to the byte.
 */

#include "base/measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct measure calls = {"dues_calls_total", "Calls.", MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure age = {"dues_age_seconds", "How old.", MEASURE_GAUGE, MEASURE_SECONDS};
static const struct measure wait = {"dues_wait_seconds", "How long.", MEASURE_HISTOGRAM,
                                    MEASURE_SECONDS};

static int start(void **state)
{
    *state = measures_new();
    return 0;
}

static int stop(void **state)
{
    measures_free(*state);
    return 0;
}

static void assert_page(const struct measures *out, const char *expected)
{
    size_t size;
    const char *text = measures_text(out, &size);

    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
}

static void an_empty_page_is_empty(void **state)
{
    assert_page(*state, "");
}

static void writes_numbers_with_and_without_labels(void **state)
{
    struct measures *out = *state;

    measure_number(out, &calls, MEASURE_LABELS({"method", "Get"}, {"code", "OK"}), 3);
    measure_number(out, &calls, MEASURE_LABELS({"method", "Put"}, {"code", "OK"}), INT64_MAX);
    measure_number(out, &age, MEASURE_NO_LABELS, 1500000);

    assert_page(out, "# HELP dues_calls_total Calls.\n"
                     "# TYPE dues_calls_total counter\n"
                     "dues_calls_total{method=\"Get\",code=\"OK\"} 3\n"
                     "dues_calls_total{method=\"Put\",code=\"OK\"} 9223372036854775807\n"
                     "# HELP dues_age_seconds How old.\n"
                     "# TYPE dues_age_seconds gauge\n"
                     "dues_age_seconds 1.500000\n");
}

static void writes_seconds_without_losing_a_microsecond(void **state)
{
    struct measures *out = *state;
    const int64_t values[] = {0, 1, -1, 999999, -2500000, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        measure_number(out, &age, MEASURE_NO_LABELS, values[i]);

    assert_page(out, "# HELP dues_age_seconds How old.\n"
                     "# TYPE dues_age_seconds gauge\n"
                     "dues_age_seconds 0.000000\n"
                     "dues_age_seconds 0.000001\n"
                     "dues_age_seconds -0.000001\n"
                     "dues_age_seconds 0.999999\n"
                     "dues_age_seconds -2.500000\n"
                     "dues_age_seconds 9223372036854.775807\n"
                     "dues_age_seconds -9223372036854.775808\n");
}

static void keeps_the_samples_of_a_family_together(void **state)
{
    struct measures *out = *state;
    const struct measure same = calls; /* another room's row of the same name */

    measure_number(out, &calls, MEASURE_LABELS({"method", "a"}), 1);
    measure_number(out, &age, MEASURE_NO_LABELS, 0);
    measure_number(out, &same, MEASURE_LABELS({"method", "b"}), 2);

    assert_page(out, "# HELP dues_calls_total Calls.\n"
                     "# TYPE dues_calls_total counter\n"
                     "dues_calls_total{method=\"a\"} 1\n"
                     "dues_calls_total{method=\"b\"} 2\n"
                     "# HELP dues_age_seconds How old.\n"
                     "# TYPE dues_age_seconds gauge\n"
                     "dues_age_seconds 0.000000\n");
}

static void escapes_what_would_break_a_line(void **state)
{
    struct measures *out = *state;
    static const struct measure odd = {"dues_odd", "a \"quote\", a \\ and a\nline", MEASURE_GAUGE,
                                       MEASURE_PLAIN};

    measure_number(out, &odd, MEASURE_LABELS({"name", "a \"quote\", a \\ and a\nline"}), 1);
    measure_number(out, &odd, MEASURE_LABELS({"name", "\xc3\xbc is whole, \xc3 is not"}), 1);
    measure_number(out, &odd, MEASURE_LABELS({"name", ""}), 1);

    assert_page(out, "# HELP dues_odd a \"quote\", a \\\\ and a\\nline\n"
                     "# TYPE dues_odd gauge\n"
                     "dues_odd{name=\"a \\\"quote\\\", a \\\\ and a\\nline\"} 1\n"
                     "dues_odd{name=\"\xc3\xbc is whole, \xef\xbf\xbd is not\"} 1\n"
                     "dues_odd{name=\"\"} 1\n");
}

static void writes_a_histogram_with_its_bounds_in_seconds(void **state)
{
    struct measures *out = *state;
    static struct histogram histogram;

    histogram_add(&histogram, 100);      /* in the first: a bound belongs to it */
    histogram_add(&histogram, 101);      /* in the second */
    histogram_add(&histogram, 2000000);  /* up to 2.5 s */
    histogram_add(&histogram, 10000001); /* beyond the last bound */
    measure_histogram(out, &wait, MEASURE_LABELS({"lane", "w0"}), &histogram);

    assert_page(out, "# HELP dues_wait_seconds How long.\n"
                     "# TYPE dues_wait_seconds histogram\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.0001\"} 1\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.00025\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.0005\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.001\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.0025\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.005\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.01\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.025\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.05\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.1\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.25\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"0.5\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"1\"} 2\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"2.5\"} 3\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"5\"} 3\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"10\"} 3\n"
                     "dues_wait_seconds_bucket{lane=\"w0\",le=\"+Inf\"} 4\n"
                     "dues_wait_seconds_sum{lane=\"w0\"} 12.000202\n"
                     "dues_wait_seconds_count{lane=\"w0\"} 4\n");
}

static void a_histogram_without_labels_has_only_bounds(void **state)
{
    struct measures *out = *state;
    static struct histogram histogram;
    size_t size;

    measure_histogram(out, &wait, MEASURE_NO_LABELS, &histogram);

    const char *text = measures_text(out, &size);
    assert_non_null(strstr(text, "\ndues_wait_seconds_bucket{le=\"0.0001\"} 0\n"));
    assert_non_null(strstr(text, "\ndues_wait_seconds_sum 0.000000\n"
                                 "dues_wait_seconds_count 0\n"));
}

static void a_page_of_many_series_is_whole(void **state)
{
    struct measures *out = *state;
    char value[16];
    size_t size;
    size_t lines = 0;

    for (int i = 0; i < 20000; i++) {
        snprintf(value, sizeof(value), "%d", i);
        measure_number(out, &calls, MEASURE_LABELS({"method", value}), i);
    }

    const char *text = measures_text(out, &size);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 20002);
    assert_string_equal(text + size - strlen("{method=\"19999\"} 19999\n"),
                        "{method=\"19999\"} 19999\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_page_is_empty),
        TEST(writes_numbers_with_and_without_labels),
        TEST(writes_seconds_without_losing_a_microsecond),
        TEST(keeps_the_samples_of_a_family_together),
        TEST(escapes_what_would_break_a_line),
        TEST(writes_a_histogram_with_its_bounds_in_seconds),
        TEST(a_histogram_without_labels_has_only_bounds),
        TEST(a_page_of_many_series_is_whole),
    };
    return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
