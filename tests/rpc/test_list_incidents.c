/*
 * ListIncidents: what waits for people, of one customer or of all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_incident.h"

static void lists_those_of_a_customer_newest_first(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    given_incident(f, customer, "OURS_ONLY", "first", "2026-01-01Z");
    given_incident(f, customer, "GATEWAY_ONLY", "second", "2026-01-02Z");
    given_incident(f, given_customer(f, ""), "GATEWAY_ONLY", "another's", "2026-01-03Z");
    const Incidents *list = must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, 0, 0, 0, ""));

    assert_int_equal(list->n_incidents, 2);
    assert_string_equal(list->incidents[0]->subject, "second");
    assert_int_equal(list->incidents[0]->kind, INCIDENT_KIND(GATEWAY_ONLY));
    assert_int_equal(list->incidents[0]->state, INCIDENT_STATE(OPEN));
    assert_string_equal(list->incidents[0]->etag, "1");
    assert_string_equal(list->incidents[0]->detail, "planted");
    assert_string_equal(list->incidents[1]->subject, "first");
}

static void opens_the_same_once(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    given_incident(f, customer, "OURS_ONLY", "twice", "2026-01-01Z");
    given_incident(f, customer, "OURS_ONLY", "twice", "2026-01-02Z");
    const Incidents *list = must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, 0, 0, 0, ""));

    assert_int_equal(list->n_incidents, 1);
    assert_int_equal(
        number_of(f, customer, "count(*) FILTER (WHERE type = 'incident.opened') FROM dues.event"),
        1);
}

static void goes_through_all_customers_page_by_page(void **state)
{
    struct rpc_fixture *f = *state;
    const char *house = "customers/00000000-0000-8000-8000-000000000000";
    const char *token = "";
    int found = 0;

    given_incident(f, house, "UNMATCHED_NEWS", "evt_1", "2026-02-01Z");
    given_incident(f, given_customer(f, ""), "UNMATCHED_NEWS", "evt_2", "2026-02-01Z");
    given_incident(f, given_customer(f, ""), "UNMATCHED_NEWS", "evt_3", "2026-02-02Z");
    do {
        const Incidents *page =
            must_reply(ask_incidents(f, AS(OPERATOR_DEMO), "customers/-", INCIDENT_STATE(OPEN),
                                     INCIDENT_KIND(UNMATCHED_NEWS), 1, token));
        assert_in_range(page->n_incidents, 0, 1);
        found += (int)page->n_incidents;
        token = page->next_page_token;
    } while (token[0] != '\0');
    const Incidents *of_house = must_reply(ask_incidents(f, AS(OPERATOR_DEMO), house, 0, 0, 0, ""));

    assert_int_equal(found, 3);
    assert_int_equal(of_house->n_incidents, 1);
}

/* Twelve incidents about each of which as much was asked for as an answer tells. */
static void pages_are_short_where_much_was_asked_for(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *token = "";
    size_t found = 0;

    for (int i = 0; i < 12; i++)
        given_incident(f, customer, "OURS_ONLY", rpc_printf(f, "subject %d", i), "2026-01-01Z");
    db_execute(f->db,
               db_printf(f->db,
                         "INSERT INTO dues.incident_approval (customer_id, incident_id, wish,"
                         " version, approver, resolution, account, reason, create_time)"
                         " SELECT customer_id, incident_id, n, 1, 'spiffe://dues.local/x',"
                         " 'IGNORE', '', repeat('\u20ac', 500), clock_timestamp()"
                         " FROM dues.incident, generate_series(1, 100) n"
                         " WHERE customer_id = '%s'",
                         last_id(customer)));
    do {
        const Incidents *page =
            must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, 0, 0, 100, token));
        assert_in_range(page->n_incidents, 1, 2);
        assert_int_equal(page->incidents[0]->n_approvals, 100);
        found += page->n_incidents;
        token = page->next_page_token;
    } while (token[0] != '\0');

    assert_int_equal(found, 12);
}

static void refuses_who_is_no_operator_and_what_is_not_there(void **state)
{
    struct rpc_fixture *f = *state;

    assert_string_equal(ask_incidents(f, AS(SERVICE_BILLING), "customers/-", 0, 0, 0, "")->reason,
                        "CALLER_NOT_ALLOWED");
    assert_string_equal(ask_incidents(f, AS(OPERATOR_DEMO),
                                      "customers/018f0000-0000-7000-8000-000000000000", 0, 0, 0, "")
                            ->reason,
                        "CUSTOMER_NOT_FOUND");
    assert_true(
        answer_names(ask_incidents(f, AS(OPERATOR_DEMO), "customers", 0, 0, 0, ""), "parent"));
    assert_string_equal(
        ask_incidents(f, AS(OPERATOR_DEMO), "customers/-", 0, 0, 0, "garbage")->reason,
        "PAGE_TOKEN_INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_those_of_a_customer_newest_first),
        cmocka_unit_test(opens_the_same_once),
        cmocka_unit_test(goes_through_all_customers_page_by_page),
        cmocka_unit_test(pages_are_short_where_much_was_asked_for),
        cmocka_unit_test(refuses_who_is_no_operator_and_what_is_not_there),
    };
    return cmocka_run_group_tests_name("ListIncidents", tests, members_setup, rpc_teardown);
}
