/*
 * ListMemberships over the wire: newest first, ended ones too, page by page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "support/rpc_membership.h"
#include "support/rpc_world.h"

typedef Dues__Membership__V1__ListMembershipsResponse Memberships;

static const Memberships *page_of(const struct dues_answer *answer)
{
    assert_int_equal(answer->status, DUES_OK);
    return (const Memberships *)answer->reply;
}

static const char *given_three(struct rpc_fixture *f, const char *names[3])
{
    const char *customer = given_customer(f, "");

    for (int i = 0; i < 3; i++) {
        names[i] = given_membership(f, customer, "plans/free", "")->name;
        ask_cancel(f, names[i], true, NULL);
        fake_clock_advance(f->clock, US_PER_SECOND); /* ids are in order of time */
    }
    return customer;
}

static void lists_newest_first_page_by_page(void **state)
{
    struct rpc_fixture *f = *state;
    const char *names[3];
    const char *customer = given_three(f, names);

    const Memberships *first =
        page_of(ask_page(f, AS(SERVICE_BILLING), "ListMemberships", customer, 2, ""));
    const Memberships *second = page_of(
        ask_page(f, AS(SERVICE_BILLING), "ListMemberships", customer, 2, first->next_page_token));

    assert_int_equal(first->n_memberships, 2);
    assert_string_equal(first->memberships[0]->name, names[2]);
    assert_string_equal(first->memberships[1]->name, names[1]);
    assert_int_equal(second->n_memberships, 1);
    assert_string_equal(second->memberships[0]->name, names[0]);
    assert_string_equal(second->next_page_token, "");
}

static void a_page_token_belongs_to_its_list(void **state)
{
    struct rpc_fixture *f = *state;
    const char *names[3];
    const char *customer = given_three(f, names);
    const Memberships *page =
        page_of(ask_page(f, AS(SERVICE_BILLING), "ListMemberships", customer, 1, ""));

    const struct dues_answer *answer = ask_page(f, AS(SERVICE_BILLING), "ListMemberships",
                                                given_customer(f, ""), 1, page->next_page_token);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "PAGE_TOKEN_INVALID");
}

static void refuses_strangers_and_bad_pages(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *nobody = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *foreign =
        ask_page(f, user_of(world), "ListMemberships", world->other.customer, 0, "");
    const struct dues_answer *own =
        ask_page(f, user_of(world), "ListMemberships", "customers/me", 0, "");
    world_free(world);

    assert_string_equal(foreign->reason, "CUSTOMER_NOT_FOUND");
    assert_int_equal(page_of(own)->n_memberships, 1);
    assert_string_equal(ask_page(f, AS(SERVICE_BILLING), "ListMemberships", nobody, 0, "")->reason,
                        "CUSTOMER_NOT_FOUND");
    assert_true(answer_names(ask_page(f, AS(SERVICE_BILLING), "ListMemberships", nobody, -1, ""),
                             "page_size"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_newest_first_page_by_page),
        cmocka_unit_test(a_page_token_belongs_to_its_list),
        cmocka_unit_test(refuses_strangers_and_bad_pages),
    };
    return cmocka_run_group_tests_name("ListMemberships", tests, members_setup, rpc_teardown);
}
