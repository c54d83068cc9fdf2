/*
 * CheckEntitlement with max_staleness over the wire: what is remembered, what is never, and who
 * makes it void.  What changes behind the server's back (no step does that) shows where an answer
 * comes from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/time.h"
#include "config.h"
#include "support/entitlement_wait.h"
#include "support/rpc_membership.h"
#include "support/rpc_world.h"

#define PATIENCE_US (60 * US_PER_SECOND)
#define STEP_US     20000

static const struct dues_answer *ask_stale(struct rpc_fixture *f, struct rpc_as as,
                                           const char *customer, int64_t seconds, int32_t nanos)
{
    Dues__Membership__V1__CheckEntitlementRequest request =
        DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_REQUEST__INIT;
    Google__Protobuf__Duration staleness = GOOGLE__PROTOBUF__DURATION__INIT;

    staleness.seconds = seconds;
    staleness.nanos = nanos;
    request.customer = member_text(f, customer);
    request.entitlement = member_text(f, "video.hd");
    request.max_staleness = &staleness;
    return ask_member_service(f, as, "CheckEntitlement", &request.base);
}

/* May be a minute old. */
static const Access *stale_access(struct rpc_fixture *f, struct rpc_as as, const char *customer)
{
    const struct dues_answer *answer = ask_stale(f, as, customer, 60, 0);

    assert_int_equal(answer->status, DUES_OK);
    return (const Access *)(const void *)answer->reply;
}

/* The feed tells of our own changes, too: what is learnt before that is void once more. */
static void await_feed(struct rpc_fixture *f)
{
    assert_true(entitlements_followed(f->house->entitlements, f->house->clock));
}

static const Membership *given_member(struct rpc_fixture *f, const char **customer)
{
    *customer = given_customer(f, "");
    const Membership *membership = given_membership(f, *customer, "plans/premium-monthly",
                                                    given_card(f, *customer, "tok_visa"));
    await_feed(f);
    return membership;
}

static void change_behind_the_back(struct rpc_fixture *f, const char *customer, const char *what)
{
    db_execute(f->db, db_printf(f->db, "UPDATE dues.membership SET %s WHERE customer_id = '%s'",
                                what, customer_id_of(f, customer)));
}

#define ENDED "state = 'CANCELED', end_time = now(), access_end_time = now() - interval '1 hour'"

static void an_answer_may_be_as_old_as_it_is_allowed_to(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    given_member(f, &customer);
    bool before = stale_access(f, AS(SERVICE_BILLING), customer)->allowed;

    change_behind_the_back(f, customer, ENDED);

    assert_true(before);
    assert_true(stale_access(f, AS(SERVICE_BILLING), customer)->allowed);
    assert_false(access_of(f, customer, "video.hd")->allowed);
}

static void the_answer_is_the_same_from_memory(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    given_member(f, &customer);

    const Access *read = stale_access(f, AS(SERVICE_BILLING), customer);
    const Access *remembered = stale_access(f, AS(SERVICE_BILLING), customer);
    const Access *truth = access_of(f, customer, "video.hd");

    assert_true(remembered->allowed);
    assert_int_equal(remembered->cause, truth->cause);
    assert_string_equal(remembered->membership, truth->membership);
    assert_string_equal(remembered->tier, truth->tier);
    assert_true(time_in(remembered->until_time) == time_in(truth->until_time));
    assert_true(time_in(read->until_time) == time_in(truth->until_time));
}

static void without_the_wish_the_truth_is_read(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    given_member(f, &customer);
    stale_access(f, AS(SERVICE_BILLING), customer);

    change_behind_the_back(f, customer, ENDED);

    const struct dues_answer *zero = ask_stale(f, AS(SERVICE_BILLING), customer, 0, 0);
    assert_int_equal(zero->status, DUES_OK);
    assert_false(((const Access *)(const void *)zero->reply)->allowed);
}

static void an_own_change_is_in_the_next_answer(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    const Membership *membership = given_member(f, &customer);
    bool before = stale_access(f, AS(SERVICE_BILLING), customer)->allowed;

    const struct dues_answer *canceled = ask_cancel(f, membership->name, true, NULL);
    const Access *after = stale_access(f, AS(SERVICE_BILLING), customer);

    assert_true(before);
    assert_int_equal(canceled->status, DUES_OK);
    assert_false(after->allowed);
    assert_int_equal(after->cause, CAUSE(CANCELED));
}

static void a_new_member_is_let_in_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    bool before = stale_access(f, AS(SERVICE_BILLING), customer)->allowed;

    given_membership(f, customer, "plans/premium-monthly", given_card(f, customer, "tok_visa"));

    assert_false(before);
    assert_true(stale_access(f, AS(SERVICE_BILLING), customer)->allowed);
}

static void what_is_remembered_ends_at_its_time(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    given_member(f, &customer);
    change_behind_the_back(f, customer, "cancel_at_period_end = true");
    const Access *before = stale_access(f, AS(SERVICE_BILLING), customer);
    int64_t end_us = time_in(before->until_time);

    fake_clock_set(f->clock, end_us - 1);
    bool just_before = stale_access(f, AS(SERVICE_BILLING), customer)->allowed;
    /* So that an answer from the database would be another one. */
    change_behind_the_back(f, customer, "period_end = period_end + interval '1 year'");
    fake_clock_set(f->clock, end_us);
    const Access *after = stale_access(f, AS(SERVICE_BILLING), customer);
    fake_clock_set(f->clock, clock_wall_us(clock_system()));

    assert_true(before->allowed);
    assert_true(just_before);
    assert_false(after->allowed);
    assert_int_equal(after->cause, CAUSE(CANCELED));
}

static void customers_on_a_test_clock_are_always_asked_for(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, given_clock(f, clock_wall_us(clock_system())));
    given_membership(f, customer, "plans/premium-monthly", given_card(f, customer, "tok_visa"));
    bool before = stale_access(f, AS(SERVICE_BILLING), customer)->allowed;

    change_behind_the_back(f, customer, ENDED);

    assert_true(before);
    assert_false(stale_access(f, AS(SERVICE_BILLING), customer)->allowed);
}

static void what_is_remembered_of_others_is_still_not_found(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    bool other = stale_access(f, AS(SERVICE_BILLING), world->other.customer)->allowed;

    const struct dues_answer *own = ask_stale(f, user_of(world), "customers/me", 60, 0);
    const struct dues_answer *foreign = ask_stale(f, user_of(world), world->other.customer, 60, 0);
    world_free(world);

    assert_false(other);
    assert_int_equal(own->status, DUES_OK);
    assert_string_equal(foreign->reason, "CUSTOMER_NOT_FOUND");
}

static void nobody_is_remembered_as_nobody(void **state)
{
    struct rpc_fixture *f = *state;
    const char *nobody = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    for (int i = 0; i < 2; i++)
        assert_string_equal(ask_stale(f, AS(SERVICE_BILLING), nobody, 60, 0)->reason,
                            "CUSTOMER_NOT_FOUND");
}

static void names_a_staleness_that_is_none(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    static const struct {
        int64_t seconds;
        int32_t nanos;
    } wrong[] = {{61, 0}, {60, 1}, {-1, 0}, {0, -1}, {0, 1000000000}, {INT64_MAX, 0}};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct dues_answer *answer =
            ask_stale(f, AS(SERVICE_BILLING), customer, wrong[i].seconds, wrong[i].nanos);
        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_true(answer_names(answer, "max_staleness"));
    }
    assert_int_equal(ask_stale(f, AS(SERVICE_BILLING), customer, 0, 1)->status, DUES_OK);
}

/* Another server on the same database, with a gateway of its own. */
struct second {
    struct settings settings;
    struct opened_house *house;
    struct rpc_as as;
};

static void open_second(struct rpc_fixture *f, struct second *second, int32_t entries_max)
{
    static int opened;
    char problem[HOUSE_PROBLEM_SIZE] = "";

    second->settings = *config_settings(f->config);
    second->settings.sandbox_journal = rpc_printf(f, "%s/journal-%d", f->directory, ++opened);
    second->settings.entitlement_cache_max = entries_max;
    second->house =
        house_open(&second->settings, &f->clock->clock, &f->db->random.random, f->log, problem);
    assert_string_equal(problem, "");
    const char *target = rpc_printf(f, "127.0.0.1:%d", house_port(second->house));
    second->as.client = test_client(target, f->authority, f->pairs[SERVICE_BILLING]);
}

static bool close_second(struct second *second)
{
    dues_client_close(second->as.client);
    return house_close(second->house);
}

static void a_change_on_another_server_is_seen_soon(void **state)
{
    struct rpc_fixture *f = *state;
    struct second second = {.as = {.identity = SERVICE_BILLING}};
    const char *customer;
    const Membership *membership = given_member(f, &customer);
    open_second(f, &second, 100);
    bool before = stale_access(f, second.as, customer)->allowed;

    const struct dues_answer *canceled = ask_cancel(f, membership->name, true, NULL);
    bool allowed = true;
    for (int64_t i = 0; i < PATIENCE_US / STEP_US && allowed; i++) {
        allowed = stale_access(f, second.as, customer)->allowed;
        usleep(allowed ? STEP_US : 0);
    }
    bool closed = close_second(&second);

    assert_true(before);
    assert_int_equal(canceled->status, DUES_OK);
    assert_false(allowed);
    assert_true(closed);
}

static void nothing_is_remembered_where_nothing_may_be(void **state)
{
    struct rpc_fixture *f = *state;
    struct second second = {.as = {.identity = SERVICE_BILLING}};
    const char *customer;
    given_member(f, &customer);
    open_second(f, &second, 0);
    bool before = stale_access(f, second.as, customer)->allowed;

    change_behind_the_back(f, customer, ENDED);
    bool after = stale_access(f, second.as, customer)->allowed;
    bool closed = close_second(&second);

    assert_true(before);
    assert_false(after);
    assert_true(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_may_be_as_old_as_it_is_allowed_to),
        cmocka_unit_test(the_answer_is_the_same_from_memory),
        cmocka_unit_test(without_the_wish_the_truth_is_read),
        cmocka_unit_test(an_own_change_is_in_the_next_answer),
        cmocka_unit_test(a_new_member_is_let_in_at_once),
        cmocka_unit_test(what_is_remembered_ends_at_its_time),
        cmocka_unit_test(customers_on_a_test_clock_are_always_asked_for),
        cmocka_unit_test(what_is_remembered_of_others_is_still_not_found),
        cmocka_unit_test(nobody_is_remembered_as_nobody),
        cmocka_unit_test(names_a_staleness_that_is_none),
        cmocka_unit_test(a_change_on_another_server_is_seen_soon),
        cmocka_unit_test(nothing_is_remembered_where_nothing_may_be),
    };
    return cmocka_run_group_tests_name("max_staleness", tests, members_setup, rpc_teardown);
}
