/*
 * ListEvents: everything that happened, in order, with what docs/events.md says of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_events.h"

typedef Dues__Payment__V1__ListEventsResponse Events;

static const Events *events_of(struct rpc_fixture *f, const char *customer, int32_t page_size,
                               const char *page_token, const char *cursor)
{
    return must_reply(ask_events(f, AS(SERVICE_BILLING), customer, page_size, page_token, cursor));
}

static const char *datum(const Event *event, const char *key)
{
    for (size_t i = 0; i < event->n_data; i++) {
        if (text_equal(event->data[i]->key, key))
            return event->data[i]->value;
    }
    return "(none)";
}

static void tells_what_happened_to_whom_oldest_first(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *payment = given_payment(f, payer);
    const char *refund = given_refund(f, payment, 100);

    const Events *events = events_of(f, payer.customer, 0, "", "");

    assert_int_equal(events->n_events, 3);
    assert_string_equal(events->events[0]->type, "customer.created");
    assert_string_equal(events->events[0]->subject, payer.customer);
    assert_string_equal(events->events[0]->name, rpc_printf(f, "%s/events/1", payer.customer));
    assert_string_equal(events->events[1]->type, "payment.succeeded");
    assert_string_equal(events->events[1]->subject, payment);
    assert_string_equal(datum(events->events[1], "amount"), "999");
    assert_string_equal(datum(events->events[1], "currency"), "USD");
    assert_string_equal(datum(events->events[1], "decline_code"), "");
    assert_non_null(events->events[1]->create_time);
    assert_string_equal(events->events[2]->type, "refund.succeeded");
    assert_string_equal(events->events[2]->subject, refund);
    assert_string_equal(datum(events->events[2], "amount"), "100");
    for (size_t i = 0; i < events->n_events; i++)
        assert_int_equal(events->events[i]->sequence, i + 1);
}

static void names_members_invoices_devices_and_sessions(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    size_t named = 0;

    const Events *events = events_of(f, world->owner.customer, 100, "", "");

    for (size_t i = 0; i < events->n_events; i++) {
        const Event *event = events->events[i];
        assert_string_not_equal(event->subject, "");
        named += text_equal(event->subject, world->names.membership);
        named += text_equal(event->subject, world->names.payment);
    }
    assert_true(named >= 2);
    world_free(world);
}

static void pages_without_gaps(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *token = "";
    int64_t seen = 0;

    given_events(f, customer, 12);
    do {
        const Events *page = events_of(f, customer, 5, token, "");
        for (size_t i = 0; i < page->n_events; i++)
            assert_int_equal(page->events[i]->sequence, ++seen);
        token = page->next_page_token;
    } while (token[0] != '\0');

    assert_int_equal(seen, 13);
}

static void begins_after_a_cursor(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    given_events(f, customer, 4);
    const Events *all = events_of(f, customer, 0, "", "");
    const Events *rest = events_of(f, customer, 0, "", all->events[2]->cursor);
    const Events *none = events_of(f, customer, 0, "", all->events[4]->cursor);

    assert_int_equal(rest->n_events, 2);
    assert_int_equal(rest->events[0]->sequence, 4);
    assert_int_equal(none->n_events, 0);
}

static void knows_its_cursors_after_a_restart(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    given_events(f, customer, 2);
    const Events *all = events_of(f, customer, 0, "", "");
    rpc_restart(f);
    const Events *rest = events_of(f, customer, 0, "", all->events[1]->cursor);

    assert_int_equal(rest->n_events, 1);
    assert_int_equal(rest->events[0]->sequence, 3);
}

static void assert_cursor_refused(struct rpc_fixture *f, const char *customer, const char *cursor)
{
    const struct dues_answer *answer = ask_events(f, AS(SERVICE_BILLING), customer, 0, "", cursor);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "CURSOR_INVALID");
}

static void refuses_cursors_that_are_not_this_customers(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    const char *other = given_customer(f, "");
    const char *good = events_of(f, customer, 0, "", "")->events[0]->cursor;
    char *damaged = member_text(f, good);

    /* In the number: five base64 digits before the check. */
    damaged[strlen(good) - 10] = damaged[strlen(good) - 10] == 'B' ? 'C' : 'B';

    assert_cursor_refused(f, other, good);
    assert_cursor_refused(f, customer, damaged);
    assert_cursor_refused(f, customer, "1");
    assert_cursor_refused(f, customer, rpc_printf(f, "%s%s", good, good));
}

/* As when a backup was restored: what the client has seen is not there. */
static void says_when_a_cursor_is_ahead_of_the_data(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    given_events(f, customer, 3);
    const char *cursor = events_of(f, customer, 0, "", "")->events[3]->cursor;
    db_execute(f->db, db_printf(f->db,
                                "DELETE FROM dues.event WHERE customer_id = '%s' AND sequence > 2;"
                                "UPDATE dues.customer SET event_count = 2"
                                " WHERE customer_id = '%s'",
                                customer_id_of(f, customer), customer_id_of(f, customer)));
    const struct dues_answer *answer = ask_events(f, AS(SERVICE_BILLING), customer, 0, "", cursor);

    assert_int_equal(answer->status, DUES_OUT_OF_RANGE);
    assert_string_equal(answer->reason, "CURSOR_AHEAD");
    assert_string_equal(metadata_of(answer, "event"), "4");
    assert_string_equal(metadata_of(answer, "last_event"), "2");
}

static void refuses_a_page_token_of_another_cursor(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");

    given_events(f, customer, 3);
    const Events *first = events_of(f, customer, 2, "", "");
    const struct dues_answer *answer = ask_events(f, AS(SERVICE_BILLING), customer, 2,
                                                  first->next_page_token, first->events[0]->cursor);

    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, "PAGE_TOKEN_INVALID");
}

static void finds_no_customer_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const char *absent = rpc_printf(f, "customers/%s", db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer = ask_events(f, AS(SERVICE_BILLING), absent, 0, "", "");

    assert_int_equal(answer->status, DUES_NOT_FOUND);
    assert_string_equal(answer->reason, "CUSTOMER_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_happened_to_whom_oldest_first),
        cmocka_unit_test(names_members_invoices_devices_and_sessions),
        cmocka_unit_test(pages_without_gaps),
        cmocka_unit_test(begins_after_a_cursor),
        cmocka_unit_test(knows_its_cursors_after_a_restart),
        cmocka_unit_test(refuses_cursors_that_are_not_this_customers),
        cmocka_unit_test(says_when_a_cursor_is_ahead_of_the_data),
        cmocka_unit_test(refuses_a_page_token_of_another_cursor),
        cmocka_unit_test(finds_no_customer_that_does_not_exist),
    };
    return cmocka_run_group_tests_name("ListEvents", tests, members_setup, rpc_teardown);
}
