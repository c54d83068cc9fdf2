/*
 * Counting what became of money: each outcome under its own labels, and no label that a gateway
 * could invent.
 */
#include "payment/payment_measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "gateway/decline.h"

struct world {
    struct house house;
    struct call call;
    struct measures *page;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL)
        return -1;
    world->house.payment_counts = payment_counts_open();
    world->call.house = &world->house;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    payment_counts_close(world->house.payment_counts);
    measures_free(world->page);
    free(world);
    return 0;
}

static const char *page_of(struct world *world)
{
    size_t size;

    measures_free(world->page);
    world->page = measures_new();
    payment_measure(world->house.payment_counts, world->page);
    return measures_text(world->page, &size);
}

static void assert_tells(struct world *world, const char *line)
{
    char text[256];

    snprintf(text, sizeof(text), "\n%s\n", line);
    if (strstr(page_of(world), text) == NULL)
        fail_msg("not on the page: %s", line);
}

static void settle(struct world *world, enum gateway_outcome outcome, const char *decline_code)
{
    const struct gateway_answer answer = {.outcome = outcome, .decline_code = decline_code};

    payment_count_settled(&world->call, &answer);
}

static void counts_payments_by_outcome_and_reason(void **state)
{
    struct world *world = *state;

    settle(world, GATEWAY_SUCCEEDED, "");
    settle(world, GATEWAY_SUCCEEDED, "");
    settle(world, GATEWAY_DECLINED, "insufficient_funds");
    settle(world, GATEWAY_FAILED, "");
    settle(world, GATEWAY_REQUIRES_ACTION, "authentication_required");

    assert_tells(world, "dues_payments_total{outcome=\"succeeded\",decline_code=\"\"} 2");
    assert_tells(world,
                 "dues_payments_total{outcome=\"declined\",decline_code=\"insufficient_funds\"} 1");
    assert_tells(world, "dues_payments_total{outcome=\"failed\",decline_code=\"\"} 1");
    assert_tells(world, "dues_payments_total{outcome=\"requires_action\",decline_code=\"\"} 1");
    assert_tells(world, "dues_payments_total{outcome=\"declined\",decline_code=\"lost_card\"} 0");
}

static void a_code_that_is_in_no_table_counts_as_the_general_one(void **state)
{
    struct world *world = *state;

    settle(world, GATEWAY_DECLINED, "made_up_by_a_gateway");
    settle(world, GATEWAY_DECLINED, "");

    assert_tells(world,
                 "dues_payments_total{outcome=\"declined\",decline_code=\"generic_decline\"} 2");
    assert_null(strstr(page_of(world), "made_up"));
}

static void every_code_of_the_table_has_a_series_from_the_start(void **state)
{
    struct world *world = *state;
    char line[128];

    for (size_t i = 0; i < decline_count; i++) {
        snprintf(line, sizeof(line),
                 "dues_payments_total{outcome=\"declined\",decline_code=\"%s\"} 0",
                 decline_table[i].code);
        assert_tells(world, line);
    }
}

static void counts_refunds_by_outcome(void **state)
{
    struct world *world = *state;
    const struct gateway_answer good = {.outcome = GATEWAY_SUCCEEDED};
    const struct gateway_answer bad = {.outcome = GATEWAY_FAILED, .decline_code = "expired_card"};

    refund_count_settled(&world->call, &good);
    refund_count_settled(&world->call, &bad);
    refund_count_settled(&world->call, &bad);

    assert_tells(world, "dues_refunds_total{outcome=\"succeeded\"} 1");
    assert_tells(world, "dues_refunds_total{outcome=\"failed\"} 2");
    assert_tells(world, "dues_refunds_total{outcome=\"declined\"} 0");
    assert_null(strstr(page_of(world), "dues_refunds_total{outcome=\"requires_action\"}"));
}

static void tells_how_long_gateways_took(void **state)
{
    struct world *world = *state;

    gateway_count_answer(&world->call, GATEWAY_CHARGE, false, GATEWAY_SUCCEEDED, 150000);
    gateway_count_answer(&world->call, GATEWAY_REFUND, false, GATEWAY_UNKNOWN, 20000000);
    gateway_count_answer(&world->call, GATEWAY_REFUND, true, GATEWAY_SUCCEEDED, 1);

    assert_tells(world, "dues_gateway_answer_duration_seconds_sum{operation=\"charge\","
                        "outcome=\"succeeded\"} 0.150000");
    assert_tells(world, "dues_gateway_answer_duration_seconds_count{operation=\"refund\","
                        "outcome=\"unknown\"} 1");
    assert_tells(world, "dues_gateway_answer_duration_seconds_count{operation=\"query\","
                        "outcome=\"succeeded\"} 1");
    assert_tells(world, "dues_gateway_answer_duration_seconds_count{operation=\"refund\","
                        "outcome=\"succeeded\"} 0");
}

static void a_house_without_counts_counts_nothing(void **state)
{
    struct world *world = *state;
    struct house bare = {0};
    struct call call = {.house = &bare};
    const struct gateway_answer answer = {.outcome = GATEWAY_SUCCEEDED};

    payment_count_settled(&call, &answer);
    refund_count_settled(&call, &answer);
    gateway_count_answer(&call, GATEWAY_CHARGE, false, GATEWAY_SUCCEEDED, 1);

    assert_tells(world, "dues_payments_total{outcome=\"succeeded\",decline_code=\"\"} 0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_payments_by_outcome_and_reason),
        TEST(a_code_that_is_in_no_table_counts_as_the_general_one),
        TEST(every_code_of_the_table_has_a_series_from_the_start),
        TEST(counts_refunds_by_outcome),
        TEST(tells_how_long_gateways_took),
        TEST(a_house_without_counts_counts_nothing),
    };
    return cmocka_run_group_tests_name("payment measures", tests, NULL, NULL);
}
