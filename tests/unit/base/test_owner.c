/*
 * Whose thing is it: every kind of caller against its own and somebody else's customer.
 */

#include "base/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MINE   "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
#define THEIRS "0190ffff-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
#define THING  "0190eeee-c3d4-7e5f-8a6b-7c8d9e0f1a2b"

struct fixture {
    struct call call;
    struct field_errors errors;
};

static struct uuid parsed(const char *text)
{
    struct uuid id;

    assert_true(uuid_parse(text, &id));
    return id;
}

static int given_user(void **state)
{
    static struct fixture f;

    f = (struct fixture){.call = {.arena = arena_new(1 << 20)}};
    f.call.caller.kind = CALLER_DEVICE_USER;
    f.call.caller.user = parsed(MINE);
    f.errors.call = &f.call;
    *state = &f;
    return 0;
}

static int end_call(void **state)
{
    struct fixture *f = *state;

    arena_free(f->call.arena);
    return 0;
}

static void me_is_the_logged_in_user(void **state)
{
    struct fixture *f = *state;
    struct uuid ids[2];

    check_owned_name(&f->errors, "name", "customers/me", "customers/{}", ids, 1);
    assert_int_equal(f->errors.count, 0);
    assert_true(uuid_equal(ids[0], parsed(MINE)));

    check_owned_name(&f->errors, "name", "users/me", "users/{}", ids, 1);
    assert_int_equal(f->errors.count, 0);
    assert_true(uuid_equal(ids[0], parsed(MINE)));

    check_owned_name(&f->errors, "name", "customers/me/payments/" THING, "customers/{}/payments/{}",
                     ids, 2);
    assert_int_equal(f->errors.count, 0);
    assert_true(uuid_equal(ids[0], parsed(MINE)));
    assert_true(uuid_equal(ids[1], parsed(THING)));
}

static void full_names_are_read_for_everybody(void **state)
{
    struct fixture *f = *state;
    struct uuid ids[1];

    check_owned_name(&f->errors, "name", "customers/" THEIRS, "customers/{}", ids, 1);

    assert_int_equal(f->errors.count, 0);
    assert_true(uuid_equal(ids[0], parsed(THEIRS)));
}

static void me_needs_a_user(void **state)
{
    static const enum caller_kind nobody[] = {CALLER_SERVICE, CALLER_OPERATOR, CALLER_APP,
                                              CALLER_DEVICE, CALLER_SYSTEM};
    struct fixture *f = *state;
    struct uuid ids[1] = {UUID_NIL};

    for (size_t i = 0; i < ARRAY_LENGTH(nobody); i++) {
        f->call.caller.kind = nobody[i];
        f->errors.count = 0;
        check_owned_name(&f->errors, "parent", "customers/me", "customers/{}", ids, 1);
        assert_int_equal(f->errors.count, 1);
        assert_string_equal(f->errors.list[0].field, "parent");
    }
    assert_true(uuid_is_nil(ids[0]));
}

static void me_is_a_whole_segment_of_the_right_collection(void **state)
{
    static const char *const wrong[] = {
        "",
        "me",
        "customers/mee",
        "customers/m",
        "users/me",
        "customers/me/",
        "customers//me",
        ("customers/me/payments/" THING),
        "customers/ME",
    };
    struct fixture *f = *state;
    struct uuid ids[1];

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        f->errors.count = 0;
        check_owned_name(&f->errors, "name", wrong[i], "customers/{}", ids, 1);
        if (f->errors.count != 1)
            fail_msg("accepted '%s'", wrong[i]);
    }
    f->errors.count = 0;
    check_owned_name(&f->errors, "name", NULL, "customers/{}", ids, 1);
    assert_int_equal(f->errors.count, 1);
}

static void each_kind_of_caller_touches_what_it_may(void **state)
{
    static const struct {
        enum caller_kind kind;
        bool mine;
        bool theirs;
    } rows[] = {
        {CALLER_SERVICE, true, true},      {CALLER_OPERATOR, true, true},
        {CALLER_SYSTEM, true, true},       {CALLER_APP, false, false},
        {CALLER_DEVICE, false, false},     {CALLER_APP_USER, true, false},
        {CALLER_DEVICE_USER, true, false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        f->call.caller.kind = rows[i].kind;
        assert_int_equal(owner_check(&f->call, parsed(MINE), "CUSTOMER_NOT_FOUND", "x") == NULL,
                         rows[i].mine);
        assert_int_equal(owner_check(&f->call, parsed(THEIRS), "CUSTOMER_NOT_FOUND", "x") == NULL,
                         rows[i].theirs);
    }
}

static void somebody_elses_thing_is_not_found(void **state)
{
    struct fixture *f = *state;
    const char *name = "customers/" THEIRS "/payments/" THING;

    const struct error *error = owner_check(&f->call, parsed(THEIRS), "PAYMENT_NOT_FOUND", name);

    assert_non_null(error);
    assert_int_equal(error->status, STATUS_NOT_FOUND);
    assert_string_equal(error->reason, "PAYMENT_NOT_FOUND");
    assert_string_equal(error->metadata[0].key, "name");
    assert_string_equal(error->metadata[0].value, name);
    assert_null(f->call.customer);
}

static void the_log_line_learns_the_customer(void **state)
{
    struct fixture *f = *state;

    assert_null(owner_check(&f->call, parsed(MINE), "CUSTOMER_NOT_FOUND", "customers/me"));

    assert_string_equal(f->call.customer, MINE);
}

int main(void)
{
#define OWNER_TEST(name) cmocka_unit_test_setup_teardown(name, given_user, end_call)
    const struct CMUnitTest tests[] = {
        OWNER_TEST(me_is_the_logged_in_user),
        OWNER_TEST(full_names_are_read_for_everybody),
        OWNER_TEST(me_needs_a_user),
        OWNER_TEST(me_is_a_whole_segment_of_the_right_collection),
        OWNER_TEST(each_kind_of_caller_touches_what_it_may),
        OWNER_TEST(somebody_elses_thing_is_not_found),
        OWNER_TEST(the_log_line_learns_the_customer),
    };
    return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
