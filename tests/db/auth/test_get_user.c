/*
 * GetUser against the database: whose user may be seen.
 */

#include "db/auth/auth_fixture.h"

static struct step get_step(struct db_fixture *f, struct who who, const char *name)
{
    GetUserRequest *request = arena_alloc(f->arena, sizeof(*request));
    dues__auth__v1__get_user_request__init(request);
    request->name = mutable(name);
    return (struct step){
        .handler = get_user,
        .method = "/dues.auth.v1.AuthService/GetUser",
        .request = &request->base,
        .reply_type = &dues__auth__v1__user__descriptor,
        .who = who,
    };
}

static void reads_the_caller_as_me_and_by_name(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    const char *name = db_printf(f, "users/%s", db_uuid_text(f, user.id));
    struct step me = get_step(f, user.who, "users/me");
    struct step by_name = get_step(f, user.who, name);

    run(f, &me);
    run(f, &by_name);

    assert_same_answer(&me, &by_name);
    const UserMessage *read = (const UserMessage *)(const void *)me.reply;
    assert_string_equal(read->name, name);
    assert_string_equal(read->email, user.email);
    assert_string_equal(read->customer, db_printf(f, "customers/%s", db_uuid_text(f, user.id)));
    end_step(&me);
    end_step(&by_name);
}

static void shows_services_anybody(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct who service = {.kind = CALLER_SERVICE,
                          .spiffe_id = "spiffe://dues.local/service/service-billing"};
    struct step step = get_step(f, service, db_printf(f, "users/%s", db_uuid_text(f, user.id)));
    struct step me = get_step(f, service, "users/me");

    run(f, &step);
    run(f, &me);

    assert_answered(&step);
    assert_field(&me, "name");
    end_step(&step);
}

static void hides_other_users_as_if_they_were_not_there(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    struct signed_up other = given_user(f);
    struct who service = {.kind = CALLER_SERVICE,
                          .spiffe_id = "spiffe://dues.local/service/service-billing"};
    const char *nobody = db_printf(f, "users/%s", db_uuid_text(f, db_uuid(f)));
    struct step theirs = get_step(f, user.who, db_printf(f, "users/%s", db_uuid_text(f, other.id)));
    struct step missing = get_step(f, user.who, nobody);
    struct step really_missing = get_step(f, service, nobody);

    run(f, &theirs);
    run(f, &missing);
    run(f, &really_missing);

    assert_refused(&theirs, STATUS_NOT_FOUND, "USER_NOT_FOUND");
    assert_refused(&missing, STATUS_NOT_FOUND, "USER_NOT_FOUND");
    assert_refused(&really_missing, STATUS_NOT_FOUND, "USER_NOT_FOUND");
    assert_string_equal(missing.error->message, really_missing.error->message);
}

static void refuses_names_of_no_user(void **state)
{
    struct db_fixture *f = *state;
    struct signed_up user = given_user(f);
    static const char *const names[] = {"", "users/", "users/1", "customers/me", "users/me/x"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct step step = get_step(f, user.who, names[i]);
        run(f, &step);
        assert_field(&step, "name");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_caller_as_me_and_by_name),
        cmocka_unit_test(shows_services_anybody),
        cmocka_unit_test(hides_other_users_as_if_they_were_not_there),
        cmocka_unit_test(refuses_names_of_no_user),
    };
    return cmocka_run_group_tests_name("GetUser", tests, auth_setup, auth_teardown);
}
