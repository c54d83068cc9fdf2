/*
 * ResolveIncident's marks on what acts on a payment that is there already: a hold, a capture, a
 * cancellation and a refund of which the server has given up to find out what became of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/gateway.h"
#include "support/patience.h"
#include "support/rpc_incident.h"

#define AMOUNT 999

/* The fixture's sandbox behind a line on which every answer is lost, or every request. */
static struct {
    struct gateway gateway; /* first */
    const struct gateway *honest;
    atomic_bool is_deaf; /* the server's threads read them */
    atomic_bool loses_requests;
    atomic_int says_more;              /* minor units, to whatever is asked */
    _Atomic(const char *) says_it_was; /* a transaction, to whatever is asked; NULL: the truth */
} line;

static void send(const struct gateway *gateway, struct call *call,
                 const struct gateway_request *request, struct gateway_answer *answer)
{
    struct gateway_answer unheard;

    (void)gateway;
    if (!line.is_deaf) {
        line.honest->send(line.honest, call, request, answer);
        answer->amount.minor_units += line.says_more;
        return;
    }
    if (!line.loses_requests)
        line.honest->send(line.honest, call, request, &unheard);
    *answer = gateway_answer_plain(GATEWAY_UNKNOWN, "nothing was heard");
}

static void query(const struct gateway *gateway, struct call *call,
                  const struct gateway_request *request, struct gateway_answer *answer)
{
    (void)gateway;
    line.honest->query(line.honest, call, request, answer);
    if (line.says_it_was != NULL) {
        *answer = gateway_answer_plain(GATEWAY_SUCCEEDED, "a lie");
        answer->transaction = line.says_it_was;
        answer->amount = request->amount;
    }
    answer->amount.minor_units += line.says_more;
}

static const char *of_attempts(struct rpc_fixture *f, struct payer payer)
{
    return db_printf(f->db, "WHERE customer_id = '%s'", last_id(payer.customer));
}

/* Four days later the server has given up. */
static void given_up(struct rpc_fixture *f, struct payer payer)
{
    const char *of_payer = of_attempts(f, payer);

    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.attempt SET lease_until = NULL, first_sent_time ="
                                " clock_timestamp() - interval '4 d' %s AND state <> 'SUCCEEDED'",
                                of_payer));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.obligation SET lease_until = NULL, due_time ="
                                " clock_timestamp() - interval '1 d' %s AND kind LIKE '%%.resolve'",
                                of_payer));
    await_incident(f, payer.customer, INCIDENT_STATE(OPEN));
    line.is_deaf = false;
}

static void listen_to_nothing(bool loses_requests)
{
    line.loses_requests = loses_requests;
    line.is_deaf = true;
}

/* What was asked of a payment. */
struct deed {
    struct payer payer;
    const char *payment;
    const char *refund; /* NULL: none */
};

static struct deed given_unheard_hold(struct rpc_fixture *f, bool loses_requests)
{
    struct deed deed = {.payer = given_payer(f, "tok_visa")};
    struct payment_wish wish = wish_of(deed.payer, new_request_id(f));

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    listen_to_nothing(loses_requests);
    deed.payment = ((const Payment *)must_reply(ask_wished(f, &wish)))->name;
    given_up(f, deed.payer);
    return deed;
}

static struct deed given_unheard_capture(struct rpc_fixture *f, bool loses_requests)
{
    struct deed deed = {.payer = given_payer(f, "tok_visa")};

    deed.payment = given_held(f, deed.payer);
    listen_to_nothing(loses_requests);
    must_reply(ask_capture(f, deed.payment, AMOUNT, true, new_request_id(f)));
    given_up(f, deed.payer);
    return deed;
}

static struct deed given_unheard_cancellation(struct rpc_fixture *f, bool loses_requests)
{
    struct deed deed = {.payer = given_payer(f, "tok_visa")};

    deed.payment = given_held(f, deed.payer);
    listen_to_nothing(loses_requests);
    must_reply(ask_cancel_payment(f, deed.payment, new_request_id(f)));
    given_up(f, deed.payer);
    return deed;
}

static struct deed given_unheard_refund(struct rpc_fixture *f, bool loses_requests)
{
    struct deed deed = {.payer = given_payer(f, "tok_visa")};

    deed.payment = given_payment(f, deed.payer);
    listen_to_nothing(loses_requests);
    deed.refund =
        ((const Refund *)must_reply(ask_refund(f, deed.payment, 400, new_request_id(f))))->name;
    given_up(f, deed.payer);
    return deed;
}

/* Two operators say so; nothing is owed any more, and the incident tells what it was recorded as.
 */
static void mark(struct rpc_fixture *f, const struct deed *deed, bool is_done)
{
    const struct resolve_wish wrong =
        resolve_wish_of(f, the_incident(f, deed->payer.customer),
                        is_done ? RESOLUTION(MARK_FAILED) : RESOLUTION(MARK_SUCCEEDED), "");

    assert_string_equal(ask_resolve(f, AS(OPERATOR_DEMO), &wrong)->reason,
                        "INCIDENT_EVIDENCE_MISSING");
    const Incident *done =
        resolve_by_two(f, deed->payer.customer,
                       is_done ? RESOLUTION(MARK_SUCCEEDED) : RESOLUTION(MARK_FAILED), "");

    assert_string_equal(done->outcome, is_done ? "recorded as SUCCEEDED" : "recorded as FAILED");
    assert_int_equal(number_of(f, deed->payer.customer,
                               "count(*) FILTER (WHERE kind LIKE '%.resolve') FROM"
                               " dues.obligation"),
                     0);
    /* What the ledger says the gateway has of it is what the payment says; nothing is open. */
    assert_int_equal(number_of(f, deed->payer.customer,
                               "coalesce(sum(amount) FILTER (WHERE account LIKE"
                               " 'gateway_clearing%'), 0)::bigint FROM dues.ledger_entry"),
                     number_of(f, deed->payer.customer,
                               "sum(amount_captured - amount_refunded)::bigint FROM"
                               " dues.payment"));
    assert_int_equal(number_of(f, deed->payer.customer,
                               "coalesce(sum(amount) FILTER (WHERE account = 'suspense'),"
                               " 0)::bigint FROM dues.ledger_entry"),
                     0);
}

static int64_t posted(struct rpc_fixture *f, const struct deed *deed, const char *kind)
{
    return number_of(
        f, deed->payer.customer,
        db_printf(f->db, "count(*) FILTER (WHERE kind = '%s') FROM dues.ledger_entry", kind));
}

static void a_hold_that_was_made_can_be_captured(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_hold(f, false);

    mark(f, &deed, true);

    assert_int_equal(payment_now(f, deed.payment)->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    const Payment *captured =
        must_reply(ask_capture(f, deed.payment, AMOUNT, true, new_request_id(f)));
    assert_int_equal(captured->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(posted(f, &deed, "capture"), 2);
}

static void a_hold_that_was_not_made_fails(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_hold(f, true);

    mark(f, &deed, false);

    assert_int_equal(payment_now(f, deed.payment)->state, PAYMENT_STATE(FAILED));
    assert_int_equal(number_of(f, deed.payer.customer, "count(*) FROM dues.ledger_entry"), 0);
}

static void a_capture_that_was_done_is_posted_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_capture(f, false);

    mark(f, &deed, true);

    const Payment *payment = payment_now(f, deed.payment);
    assert_int_equal(payment->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(payment->amount_captured->minor_units, AMOUNT);
    assert_int_equal(posted(f, &deed, "capture"), 2);
}

static void a_capture_that_was_not_done_can_be_asked_for_again(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_capture(f, true);

    mark(f, &deed, false);

    const Payment *between = payment_now(f, deed.payment);
    const Payment *after =
        must_reply(ask_capture(f, deed.payment, AMOUNT, true, new_request_id(f)));
    assert_int_equal(between->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_null(between->amount_capture_pending);
    assert_int_equal(after->state, PAYMENT_STATE(SUCCEEDED));
    assert_int_equal(posted(f, &deed, "capture"), 2);
}

static void a_cancellation_that_was_done_ends_the_payment(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_cancellation(f, false);

    mark(f, &deed, true);

    assert_int_equal(payment_now(f, deed.payment)->state, PAYMENT_STATE(CANCELED));
    assert_int_equal(number_of(f, deed.payer.customer, "count(*) FROM dues.ledger_entry"), 0);
}

static void a_cancellation_that_was_not_done_leaves_the_hold(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_cancellation(f, true);

    mark(f, &deed, false);

    const Payment *between = payment_now(f, deed.payment);
    const Payment *after = must_reply(ask_cancel_payment(f, deed.payment, new_request_id(f)));
    assert_int_equal(between->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(after->state, PAYMENT_STATE(CANCELED));
}

static int32_t refund_state(struct rpc_fixture *f, const struct deed *deed)
{
    const Refund *refund =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", deed->refund));

    return (int32_t)refund->state;
}

static void a_refund_that_was_done_is_posted_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_refund(f, false);

    mark(f, &deed, true);

    assert_int_equal(refund_state(f, &deed), REFUND_STATE(SUCCEEDED));
    assert_int_equal(payment_now(f, deed.payment)->amount_refunded->minor_units, 400);
    assert_int_equal(posted(f, &deed, "refund"), 2);
}

static void a_refund_that_was_not_done_gives_back_what_it_held(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_refund(f, true);

    mark(f, &deed, false);

    assert_int_equal(refund_state(f, &deed), REFUND_STATE(FAILED));
    const Refund *refund =
        must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetRefund", deed.refund));
    assert_string_equal(refund->failure_code, "unknown");
    assert_int_equal(payment_now(f, deed.payment)->amount_refunded->minor_units, 0);
    assert_int_equal(posted(f, &deed, "refund"), 0);
    given_refund(f, deed.payment, AMOUNT);
}

/* The two have seen that it was done, and no other amount than was asked for. */
static void another_amount_is_recorded_only_when_two_have_seen_it(void **state)
{
    struct rpc_fixture *f = *state;
    struct deed deed = given_unheard_refund(f, false);
    const char *customer = deed.payer.customer;
    const Incident *given_up_on = the_incident(f, customer);

    line.says_more = 7;
    struct resolve_wish first = resolve_wish_of(f, given_up_on, RESOLUTION(MARK_SUCCEEDED), "");
    struct resolve_wish second = resolve_wish_of(f, given_up_on, RESOLUTION(MARK_SUCCEEDED), "");
    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &first));
    must_reply(ask_resolve(f, second_operator(f), &second));
    AWAIT(number_of(f, customer,
                    "count(*) FILTER (WHERE type IN ('incident.returned', 'incident.resolved'))"
                    " FROM dues.event") == 1);

    assert_int_equal(refund_state(f, &deed), REFUND_STATE(PENDING));
    assert_int_equal(payment_now(f, deed.payment)->amount_refunded->minor_units, 0);
    assert_int_equal(number_of(f, customer,
                               "count(*) FILTER (WHERE state = 'OPEN' AND kind IN"
                               " ('UNKNOWN_TOO_LONG', 'AMOUNT_MISMATCH')) FROM dues.incident"),
                     2);
    assert_int_equal(number_of(f, customer,
                               "sum(amount) FILTER (WHERE account = 'suspense')"
                               " FROM dues.ledger_entry"),
                     407);

    /* Now they have, by the same incident, which tells of the money in suspense. */
    const Incidents *open =
        must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, INCIDENT_STATE(OPEN),
                                 INCIDENT_KIND(UNKNOWN_TOO_LONG), 0, ""));
    const Incident *seen = open->incidents[0];
    assert_int_equal(seen->suspense->minor_units, -407);
    struct resolve_wish third = resolve_wish_of(f, seen, RESOLUTION(MARK_SUCCEEDED), "");
    struct resolve_wish fourth = resolve_wish_of(f, seen, RESOLUTION(MARK_SUCCEEDED), "");
    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &third));
    must_reply(ask_resolve(f, second_operator(f), &fourth));
    AWAIT(refund_state(f, &deed) != REFUND_STATE(PENDING));
    line.says_more = 0;

    assert_int_equal(refund_state(f, &deed), REFUND_STATE(SUCCEEDED));
    assert_int_equal(payment_now(f, deed.payment)->amount_refunded->minor_units, 407);
}

static const Incident *unknown_too_long(struct rpc_fixture *f, const char *customer)
{
    const Incidents *open =
        must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, INCIDENT_STATE(OPEN),
                                 INCIDENT_KIND(UNKNOWN_TOO_LONG), 0, ""));

    assert_int_equal(open->n_incidents, 1);
    return open->incidents[0];
}

/* Both ask for it, and the server has done what it can. */
static void mark_by_two(struct rpc_fixture *f, const Incident *incident, int32_t resolution)
{
    const char *customer = db_printf(f->db, "%.46s", incident->name); /* customers/UUID */
    const char *ended = "count(*) FILTER (WHERE type IN ('incident.returned',"
                        " 'incident.resolved')) FROM dues.event";
    struct resolve_wish first = resolve_wish_of(f, incident, resolution, "");
    struct resolve_wish second = resolve_wish_of(f, incident, resolution, "");
    int64_t before = number_of(f, customer, ended);

    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &first));
    must_reply(ask_resolve(f, second_operator(f), &second));
    AWAIT(number_of(f, customer, ended) == before + 1);
}

/* The gateway says of a capture that it was a charge of before, over another amount, and two
 * believe it; the capture was never made. */
static void a_transaction_of_before_takes_nothing_of_what_is_reserved(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *customer = payer.customer;
    given_payment(f, payer);
    const char *seen =
        db_text(f->db, db_printf(f->db, "SELECT gateway_transaction FROM dues.attempt %s",
                                 of_attempts(f, payer)));
    const char *held = given_held(f, payer);
    listen_to_nothing(true);
    must_reply(ask_capture(f, held, 400, false, new_request_id(f)));
    given_up(f, payer);

    line.says_it_was = seen;
    line.says_more = 7;
    mark_by_two(f, unknown_too_long(f, customer), RESOLUTION(MARK_SUCCEEDED));
    mark_by_two(f, unknown_too_long(f, customer), RESOLUTION(MARK_SUCCEEDED));
    line.says_it_was = NULL;
    line.says_more = 0;
    int64_t told = number_of(f, customer,
                             "count(*) FILTER (WHERE kind = 'DUPLICATE_TRANSACTION' AND"
                             " state = 'OPEN') FROM dues.incident");
    const Payment *between = payment_now(f, held);
    mark_by_two(f, unknown_too_long(f, customer), RESOLUTION(MARK_FAILED));

    assert_int_equal(told, 1);
    assert_int_equal(between->amount_capture_pending->minor_units, 400);
    assert_int_equal(between->amount_capturable->minor_units, AMOUNT - 400);
    const Payment *after = payment_now(f, held);
    assert_null(after->amount_capture_pending);
    assert_int_equal(after->amount_capturable->minor_units, AMOUNT);
    assert_int_equal(after->amount_captured->minor_units, 0);
    assert_int_equal(number_of(f, customer,
                               "sum(amount) FILTER (WHERE account = 'suspense')"
                               " FROM dues.ledger_entry"),
                     0);
    must_reply(ask_capture(f, held, AMOUNT, true, new_request_id(f)));
}

/* Of a hold nothing stands in suspense, so which amount they saw is in the incident. */
static void of_a_hold_no_other_amount_is_recorded_than_two_have_seen(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    line.says_more = 7;
    const char *name = ((const Payment *)must_reply(ask_wished(f, &wish)))->name;
    const Incident *seen = the_incident(f, payer.customer);
    assert_int_equal(seen->kind, INCIDENT_KIND(AMOUNT_MISMATCH));
    line.says_more = 20;
    mark_by_two(f, seen, RESOLUTION(MARK_SUCCEEDED));
    const Payment *between = payment_now(f, name);
    const Incident *told = the_incident(f, payer.customer);
    mark_by_two(f, told, RESOLUTION(MARK_SUCCEEDED));
    line.says_more = 0;

    assert_int_equal(between->state, PAYMENT_STATE(PROCESSING));
    assert_int_equal(told->state, INCIDENT_STATE(OPEN));
    assert_non_null(strstr(told->detail, "the gateway says 10.06 USD; then: "));
    assert_non_null(strstr(told->detail, "the gateway says 10.19 USD"));
    const Payment *held = payment_now(f, name);
    assert_int_equal(held->state, PAYMENT_STATE(REQUIRES_CAPTURE));
    assert_int_equal(held->amount_capturable->minor_units, AMOUNT + 20);
}

/* As it is when the gateway told of another amount between the second wish and its execution. */
static void what_was_not_tried_is_not_said_of_the_gateway(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    line.says_more = 7;
    const char *name = ((const Payment *)must_reply(ask_wished(f, &wish)))->name;
    const char *id = last_id(payer.customer);
    db_execute(
        f->db,
        db_printf(f->db,
                  "SET search_path = dues;"
                  "INSERT INTO incident_approval (customer_id, incident_id, wish, version,"
                  " approver, resolution, account, reason, amount, currency, said_amount,"
                  " create_time) SELECT customer_id, incident_id, 1, version, 'a',"
                  " 'MARK_SUCCEEDED', '', 'seen', 0, currency, said_amount - 1,"
                  " clock_timestamp() FROM incident WHERE customer_id = '%s';"
                  "UPDATE incident SET state = 'APPROVED', version = version + 1,"
                  " resolution = 'MARK_SUCCEEDED' WHERE customer_id = '%s';"
                  "SELECT obligation_add(customer_id, 'incident.resolve', incident_id::text,"
                  " incident_id, clock_timestamp() - interval '1 d', false, clock_timestamp())"
                  " FROM incident WHERE customer_id = '%s'",
                  id, id, id));
    const Incident *incident = await_incident(f, payer.customer, INCIDENT_STATE(OPEN));
    line.says_more = 0;

    assert_string_equal(incident->outcome, "the gateway was not asked: another amount is known of"
                                           " by now than was approved");
    assert_int_equal(payment_now(f, name)->state, PAYMENT_STATE(PROCESSING));
}

static int setup(void **state)
{
    struct rpc_fixture *f = rpc_fixture_new(SECOND_OPERATOR);

    *state = f;
    if (f == NULL)
        return -1;
    struct gateways *gateways = (struct gateways *)(uintptr_t)f->house->gateways;
    line.honest = gateways->list[0];
    line.gateway = *line.honest;
    line.gateway.send = send;
    line.gateway.query = query;
    gateways->list[0] = &line.gateway;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_that_was_made_can_be_captured),
        cmocka_unit_test(a_hold_that_was_not_made_fails),
        cmocka_unit_test(a_capture_that_was_done_is_posted_once),
        cmocka_unit_test(a_capture_that_was_not_done_can_be_asked_for_again),
        cmocka_unit_test(a_cancellation_that_was_done_ends_the_payment),
        cmocka_unit_test(a_cancellation_that_was_not_done_leaves_the_hold),
        cmocka_unit_test(a_refund_that_was_done_is_posted_once),
        cmocka_unit_test(a_refund_that_was_not_done_gives_back_what_it_held),
        cmocka_unit_test(another_amount_is_recorded_only_when_two_have_seen_it),
        cmocka_unit_test(a_transaction_of_before_takes_nothing_of_what_is_reserved),
        cmocka_unit_test(of_a_hold_no_other_amount_is_recorded_than_two_have_seen),
        cmocka_unit_test(what_was_not_tried_is_not_said_of_the_gateway),
    };
    return cmocka_run_group_tests_name("marks of incidents", tests, setup, rpc_teardown);
}
