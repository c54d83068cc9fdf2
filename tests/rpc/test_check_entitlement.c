/*
 * CheckEntitlement over the wire: who may use what, why, and until when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_membership.h"
#include "support/rpc_world.h"

#define START "2026-01-10T10:00:00Z"

static void without_a_membership_only_what_is_open_to_everybody(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    const Access *open = access_of(f, customer, "library.read");
    assert_true(open->allowed);
    assert_int_equal(open->cause, CAUSE(GRANTED_BY_TIER));
    assert_string_equal(open->tier, "tiers/free");
    assert_string_equal(open->membership, "");
    assert_null(open->until_time);

    const Access *closed = access_of(f, customer, "video.hd");
    assert_false(closed->allowed);
    assert_int_equal(closed->cause, CAUSE(NO_MEMBERSHIP));
    assert_int_equal(access_of(f, customer, "no.such.thing")->cause, CAUSE(NO_MEMBERSHIP));
}

static void a_member_may_what_its_tier_grants_until_the_period_ends(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, given_clock(f, time_of(START)));
    const Membership *membership =
        given_membership(f, customer, "plans/premium-monthly", given_card(f, customer, "tok_visa"));

    const Access *granted = access_of(f, customer, "video.hd");
    assert_true(granted->allowed);
    assert_int_equal(granted->cause, CAUSE(GRANTED_BY_TIER));
    assert_string_equal(granted->membership, membership->name);
    assert_string_equal(granted->tier, "tiers/premium");
    assert_true(time_in(granted->until_time) == time_of("2026-02-10T10:00:00Z"));

    const Access *denied = access_of(f, customer, "video.4k");
    assert_false(denied->allowed);
    assert_int_equal(denied->cause, CAUSE(NOT_IN_TIER));
    assert_string_equal(denied->membership, membership->name);
    assert_null(denied->until_time);
}

static void platinum_may_more(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    given_membership(f, customer, "plans/platinum-monthly", given_card(f, customer, "tok_visa"));

    assert_true(access_of(f, customer, "video.4k")->allowed);
    assert_true(access_of(f, customer, "support.priority")->allowed);
    assert_true(access_of(f, customer, "library.read")->allowed);
}

static const struct dues_answer *ask_access(struct rpc_fixture *f, struct rpc_as as,
                                            const char *customer, const char *entitlement)
{
    Dues__Membership__V1__CheckEntitlementRequest request =
        DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_REQUEST__INIT;

    request.customer = member_text(f, customer);
    request.entitlement = member_text(f, entitlement);
    return ask_member_service(f, as, "CheckEntitlement", &request.base);
}

static void names_what_is_wrong(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *const wrong[] = {"", "Video.HD", "video hd", "a*"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const struct dues_answer *answer = ask_access(f, AS(SERVICE_BILLING), customer, wrong[i]);
        assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
        assert_true(answer_names(answer, "entitlement"));
    }
    assert_true(answer_names(ask_access(f, AS(SERVICE_BILLING), "customers/me", "a"), "customer"));
}

static void somebody_else_is_not_found(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *nobody = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *own = ask_access(f, user_of(world), "customers/me", "video.hd");
    const struct dues_answer *foreign =
        ask_access(f, user_of(world), world->other.customer, "video.hd");
    world_free(world);

    assert_int_equal(own->status, DUES_OK);
    assert_string_equal(foreign->reason, "CUSTOMER_NOT_FOUND");
    assert_string_equal(ask_access(f, AS(SERVICE_BILLING), nobody, "video.hd")->reason,
                        "CUSTOMER_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_membership_only_what_is_open_to_everybody),
        cmocka_unit_test(a_member_may_what_its_tier_grants_until_the_period_ends),
        cmocka_unit_test(platinum_may_more),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(somebody_else_is_not_found),
    };
    return cmocka_run_group_tests_name("CheckEntitlement", tests, members_setup, rpc_teardown);
}
