/*
 * Faults: who gets one, how often, and that the dice fall the same way again.
 */

#include "simulator/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct fault_plan choose(struct faults *faults, int64_t number, const char *path,
                                const char *body, const char *header)
{
    const struct fault_subject subject = {
        .number = number, .method = "POST", .path = path, .body = body, .header = header};
    struct fault_plan plan;
    char problem[128];

    assert_true(faults_choose(faults, &subject, &plan, problem));
    return plan;
}

static void order(struct faults *faults, const char *text)
{
    json_t *wish = json_loads(text, 0, NULL);
    char problem[128] = "";

    if (!faults_order(faults, wish, problem))
        fail_msg("%s: %s", text, problem);
    json_decref(wish);
}

static void nothing_goes_wrong_without_an_order(void **state)
{
    struct faults faults = {0};

    (void)state;
    for (int64_t i = 1; i < 100; i++)
        assert_int_equal(choose(&faults, i, "/v1/charges", "", NULL).kinds, 0);
}

static void a_header_names_faults_with_and_without_values(void **state)
{
    struct faults faults = {0};
    struct fault_plan plan = choose(&faults, 1, "/", "", " late=70 ,webhook_forged,reset_after=0");

    (void)state;
    assert_int_equal(plan.kinds,
                     1U << FAULT_LATE | 1U << FAULT_WEBHOOK_FORGED | 1U << FAULT_RESET_AFTER);
    assert_int_equal(plan.values[FAULT_LATE], 70);
    assert_int_equal(choose(&faults, 1, "/", "", "late").values[FAULT_LATE], 1500);
}

static void a_header_that_names_no_fault_is_refused(void **state)
{
    static const char *const headers[] = {"lat", "late=", "late=x", "late=-1", "late late", "=1"};
    struct faults faults = {0};
    struct fault_plan plan;
    char problem[128];

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const struct fault_subject subject = {1, "POST", "/", "", headers[i]};
        assert_false(faults_choose(&faults, &subject, &plan, problem));
    }
}

static void an_order_waits_for_what_matches_and_ends(void **state)
{
    struct faults faults = {0};
    uint32_t seen = 0;

    (void)state;
    order(&faults, "{\"fault\":\"error_500\",\"method\":\"POST\",\"path\":\"/refunds\","
                   "\"body\":\"amount=5\",\"skip\":1,\"count\":2}");
    assert_int_equal(choose(&faults, 1, "/v1/charges", "amount=5", NULL).kinds, 0);
    assert_int_equal(choose(&faults, 2, "/v1/refunds", "amount=6", NULL).kinds, 0);
    for (int64_t i = 0; i < 5; i++)
        seen = seen << 1 | (choose(&faults, 3 + i, "/v1/refunds", "amount=5", NULL).kinds != 0);
    assert_int_equal(seen, 12); /* 0 1 1 0 0 */
}

static void what_happens_by_itself_later_has_orders_of_its_own(void **state)
{
    struct faults faults = {0};
    struct fault_plan plan;

    (void)state;
    order(&faults, "{\"fault\": \"webhook_reorder\", \"count\": 9}");
    order(&faults, "{\"fault\": \"webhook_lost\", \"method\": \"TASK\", \"path\": \"dispute\"}");
    faults_choose_task(&faults, "refund.succeeded", &plan);
    assert_int_equal(plan.kinds, 0);
    assert_int_equal(choose(&faults, 1, "/v1/disputes", "", NULL).kinds,
                     1U << FAULT_WEBHOOK_REORDER);
    faults_choose_task(&faults, "dispute.decide", &plan);
    assert_int_equal(plan.kinds, 1U << FAULT_WEBHOOK_LOST);
    faults_choose_task(&faults, "dispute", &plan);
    assert_int_equal(plan.kinds, 0);
}

static void orders_that_make_no_sense_are_refused(void **state)
{
    static const char *const wishes[] = {
        "{}", "{\"fault\":\"nothing\"}", "{\"fault\":\"late\",\"value\":-1}",
        "{\"fault\":\"late\",\"count\":0}", "{\"fault\":\"late\",\"method\":\"PROPFIND\"}"};
    struct faults faults = {0};
    char problem[128];

    (void)state;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        json_t *wish = json_loads(wishes[i], 0, NULL);
        assert_false(faults_order(&faults, wish, problem));
        json_decref(wish);
    }
    assert_int_equal(faults.orders[0].left, 0);
}

static void the_dice_give_their_share_and_every_kind(void **state)
{
    struct faults faults = {.percent = 30, .seed = 9, .random_kinds = FAULT_ALL};
    uint32_t kinds = 0;
    int count = 0;

    (void)state;
    for (int64_t i = 1; i <= 10000; i++) {
        struct fault_plan plan = choose(&faults, i, "/", "", NULL);
        struct fault_plan again = choose(&faults, i, "/", "", NULL);
        assert_memory_equal(&plan, &again, sizeof plan);
        assert_in_range(__builtin_popcount(plan.kinds), 0, 1);
        count += plan.kinds != 0;
        kinds |= plan.kinds;
    }
    assert_in_range(count, 2700, 3300);
    assert_int_equal(kinds, FAULT_ALL);
    faults.random_kinds = 1U << FAULT_DRIP;
    for (int64_t i = 1; i <= 100; i++)
        assert_int_equal(choose(&faults, i, "/", "", NULL).kinds & ~(1U << FAULT_DRIP), 0);
}

static void every_fault_is_found_by_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        enum fault fault;
        const char *name = fault_name((enum fault)i);
        assert_true(fault_from_name(name, strlen(name), &fault));
        assert_int_equal(fault, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_wrong_without_an_order),
        cmocka_unit_test(a_header_names_faults_with_and_without_values),
        cmocka_unit_test(a_header_that_names_no_fault_is_refused),
        cmocka_unit_test(an_order_waits_for_what_matches_and_ends),
        cmocka_unit_test(what_happens_by_itself_later_has_orders_of_its_own),
        cmocka_unit_test(orders_that_make_no_sense_are_refused),
        cmocka_unit_test(the_dice_give_their_share_and_every_kind),
        cmocka_unit_test(every_fault_is_found_by_its_name),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
