/*
 * ResolveIncident: two operators who want the same, and what then happens to the money.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_card.h"
#include "support/rpc_incident.h"

static int64_t ledger_sum(struct rpc_fixture *f, const char *customer)
{
    return number_of(f, customer, "coalesce(sum(amount), 0)::bigint FROM dues.ledger_entry");
}

static void takes_two_operators(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    given_incident(f, customer, "GATEWAY_ONLY", "ch_1", "2026-01-01Z");
    const Incident *incident = the_incident(f, customer);
    struct resolve_wish wish = resolve_wish_of(f, incident, RESOLUTION(IGNORE), "");

    const Incident *first = must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &wish));
    const struct dues_answer *repeated = ask_resolve(f, AS(OPERATOR_DEMO), &wish);
    wish.request_id = new_request_id(f);
    const struct dues_answer *again = ask_resolve(f, AS(OPERATOR_DEMO), &wish);
    const Incident *between = the_incident(f, customer);
    wish.request_id = new_request_id(f);
    const Incident *second = must_reply(ask_resolve(f, second_operator(f), &wish));
    const Incident *done = await_incident(f, customer, INCIDENT_STATE(RESOLVED));

    assert_int_equal(first->state, INCIDENT_STATE(OPEN));
    assert_int_equal(first->n_approvals, 1);
    assert_string_equal(first->approvals[0]->reason, "looked at it");
    assert_true(is_replayed(repeated));
    assert_int_equal(again->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(again->reason, "INCIDENT_APPROVED_BY_YOU");
    assert_int_equal(between->state, INCIDENT_STATE(OPEN));
    assert_int_equal(second->state, INCIDENT_STATE(APPROVED));
    assert_int_equal(second->n_approvals, 2);
    assert_string_not_equal(second->approvals[0]->approver, second->approvals[1]->approver);
    assert_int_equal(done->resolution, RESOLUTION(IGNORE));
    assert_string_equal(done->outcome, "nothing had to be done");
    assert_int_equal(
        number_of(f, customer, "count(*) FILTER (WHERE type LIKE 'incident.%') FROM dues.event"),
        4); /* opened, approved twice, resolved */
}

static void two_who_want_different_things_are_not_two(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutBeforeSuccess");
    given_unknown_too_long(f, payer);
    const Incident *incident = the_incident(f, payer.customer);
    struct resolve_wish failed = resolve_wish_of(f, incident, RESOLUTION(MARK_FAILED), "");
    struct resolve_wish other = resolve_wish_of(f, incident, RESOLUTION(MARK_SUCCEEDED), "");

    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &failed));
    const struct dues_answer *unproven = ask_resolve(f, second_operator(f), &other);

    assert_string_equal(unproven->reason, "INCIDENT_EVIDENCE_MISSING");
    assert_int_equal(the_incident(f, payer.customer)->state, INCIDENT_STATE(OPEN));
}

static void marks_as_failed_what_was_not_executed(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutBeforeSuccess");
    const char *payment = given_unknown_too_long(f, payer);

    const Incident *done = resolve_by_two(f, payer.customer, RESOLUTION(MARK_FAILED), "");

    assert_int_equal(payment_now(f, payment)->state, PAYMENT_STATE(FAILED));
    assert_string_equal(done->outcome, "recorded as FAILED");
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.ledger_entry"), 0);
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.obligation"), 0);
}

static void marks_as_succeeded_what_the_gateway_says_it_did(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    const char *payment = given_unknown_too_long(f, payer);
    const Incident *incident = the_incident(f, payer.customer);
    struct resolve_wish wrong = resolve_wish_of(f, incident, RESOLUTION(MARK_FAILED), "");

    const struct dues_answer *contradicted = ask_resolve(f, AS(OPERATOR_DEMO), &wrong);
    const Incident *done = resolve_by_two(f, payer.customer, RESOLUTION(MARK_SUCCEEDED), "");

    assert_string_equal(contradicted->reason, "INCIDENT_EVIDENCE_MISSING");
    assert_int_equal(payment_now(f, payment)->state, PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(done->outcome, "recorded as SUCCEEDED");
    assert_int_equal(number_of(f, payer.customer, "count(*) FROM dues.ledger_entry"), 2);
    assert_int_equal(ledger_sum(f, payer.customer), 0);
}

static void the_card_stays_until_it_is_decided(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    given_unknown_too_long(f, payer);

    const struct dues_answer *refused = ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, NULL);
    resolve_by_two(f, payer.customer, RESOLUTION(MARK_SUCCEEDED), "");
    const struct dues_answer *deleted = ask_card_deletion(f, AS(SERVICE_BILLING), payer.card, NULL);

    assert_int_equal(refused->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(refused->reason, "PAYMENT_METHOD_IN_USE");
    assert_int_equal(deleted->status, DUES_OK);
}

/* As a payment's attempt whose money came under another amount. */
static void plant_suspense(struct rpc_fixture *f, const char *customer)
{
    db_execute(f->db,
               db_printf(f->db,
                         "SET search_path = dues; SELECT dues.incident_open('%s', NULL,"
                         " 'GATEWAY_ONLY', 'ch_9', 'planted', '2026-01-01Z', NULL, NULL, 'sandbox',"
                         " 'ch_9', 'USD', 500);"
                         " SELECT dues.ledger_post('%s', i.incident_id, 'suspense',"
                         " ARRAY[ROW('gateway_clearing:sandbox', 'USD', 500)::dues.ledger_line,"
                         " ROW('suspense', 'USD', -500)::dues.ledger_line], '2026-01-01Z')"
                         " FROM dues.incident i WHERE i.customer_id = '%s'",
                         last_id(customer), last_id(customer), last_id(customer)));
}

/* The one incident of a customer of its own, with 5.00 USD in suspense. */
static const Incident *given_suspense(struct rpc_fixture *f, const char **customer)
{
    *customer = given_customer(f, "");
    plant_suspense(f, *customer);
    return the_incident(f, *customer);
}

static struct resolve_wish post_to(struct rpc_fixture *f, const Incident *incident,
                                   const char *account)
{
    return resolve_wish_of(f, incident, RESOLUTION(POST_FROM_SUSPENSE), account);
}

/* What the second asks for does not fit; the first asks anew, and it is done. */
static const Incident *resolved_after_all(struct rpc_fixture *f, const char *customer,
                                          struct resolve_wish first, struct resolve_wish second)
{
    const Incident *alone = must_reply(ask_resolve(f, second_operator(f), &second));
    first.request_id = new_request_id(f);
    const Incident *both = must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &first));

    assert_int_equal(alone->state, INCIDENT_STATE(OPEN));
    assert_int_equal(both->state, INCIDENT_STATE(APPROVED));
    return await_incident(f, customer, INCIDENT_STATE(RESOLVED));
}

static void posts_from_suspense_to_where_it_belongs(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    const Incident *incident = given_suspense(f, &customer);
    struct resolve_wish ignore = resolve_wish_of(f, incident, RESOLUTION(IGNORE), "");

    const struct dues_answer *ignored = ask_resolve(f, AS(OPERATOR_DEMO), &ignore);
    const Incident *done = resolve_by_two(f, customer, RESOLUTION(POST_FROM_SUSPENSE), "revenue");

    assert_string_equal(ignored->reason, "INCIDENT_RESOLUTION_UNFIT");
    assert_int_equal(incident->suspense->minor_units, 500);
    assert_null(done->suspense);
    assert_string_equal(done->outcome, "posted 5.00 USD to revenue");
    assert_int_equal(ledger_sum(f, customer), 0);
    assert_int_equal(
        number_of(f, customer,
                  "sum(amount) FILTER (WHERE account = 'revenue') FROM dues.ledger_entry"),
        -500);
    assert_int_equal(
        number_of(f, customer,
                  "sum(amount) FILTER (WHERE account = 'suspense') FROM dues.ledger_entry"),
        0);
}

struct racer {
    struct rpc_fixture *f;
    struct rpc_as as;
    struct resolve_wish wish;
    const struct dues_answer *answer;
};

static void *race(void *arg)
{
    struct racer *racer = arg;

    racer->answer = ask_resolve(racer->f, racer->as, &racer->wish);
    return NULL;
}

static void two_at_the_same_moment_carry_it_out_once(void **state)
{
    struct rpc_fixture *f = *state;

    for (int round = 0; round < 10; round++) {
        const char *customer = given_customer(f, "");
        plant_suspense(f, customer);
        const Incident *incident = the_incident(f, customer);
        struct racer racers[6];
        for (size_t i = 0; i < ARRAY_LENGTH(racers); i++)
            racers[i] = (struct racer){
                .f = f,
                .as = i % 2 == 0 ? AS(OPERATOR_DEMO) : second_operator(f),
                .wish = post_to(f, incident, "revenue"),
            };
        rpc_race(race, racers, ARRAY_LENGTH(racers), sizeof racers[0]);
        const Incident *done = await_incident(f, customer, INCIDENT_STATE(RESOLVED));

        int accepted = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(racers); i++)
            accepted += racers[i].answer->status == DUES_OK;
        assert_int_equal(accepted, 2);
        assert_int_equal(done->n_approvals, 2);
        assert_int_equal(number_of(f, customer, "count(*) FROM dues.ledger_entry"), 4);
        assert_int_equal(ledger_sum(f, customer), 0);
    }
}

static void the_newest_wish_counts(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    const Incident *incident = given_suspense(f, &customer);
    struct resolve_wish first = post_to(f, incident, "revenue");
    struct resolve_wish better = post_to(f, incident, "refunds");
    struct resolve_wish second = post_to(f, incident, "revenue");

    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &first));
    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &better));
    const Incident *done = resolved_after_all(f, customer, first, second);

    assert_string_equal(done->outcome, "posted 5.00 USD to revenue");
    assert_int_equal(number_of(f, customer,
                               "count(*) FILTER (WHERE type = 'incident.approved'"
                               " AND data ->> 'account' = 'refunds') FROM dues.event"),
                     1);
}

static void two_who_saw_another_sum_are_not_two(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer;
    const Incident *incident = given_suspense(f, &customer);
    struct resolve_wish first = post_to(f, incident, "revenue");
    struct resolve_wish second = post_to(f, incident, "revenue");

    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &first));
    db_execute(f->db, db_printf(f->db,
                                "SET search_path = dues;"
                                "SELECT ledger_post(customer_id, incident_id, 'more',"
                                " ARRAY[ROW('gateway_clearing:sandbox', 'USD', 100)::ledger_line,"
                                " ROW('suspense', 'USD', -100)::ledger_line,"
                                " ROW('gateway_clearing:sandbox', 'EUR', 900)::ledger_line,"
                                " ROW('suspense', 'EUR', -900)::ledger_line], '2026-01-01Z')"
                                "  FROM incident WHERE customer_id = '%s'",
                                last_id(customer)));
    const Incident *done = resolved_after_all(f, customer, first, second);

    assert_string_equal(done->outcome, "posted 6.00 USD to revenue");
}

static void refuses_what_does_not_fit(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    given_incident(f, customer, "GATEWAY_ONLY", "ch_2", "2026-01-01Z");
    const Incident *incident = the_incident(f, customer);
    struct resolve_wish wish = resolve_wish_of(f, incident, RESOLUTION(MARK_SUCCEEDED), "");

    assert_string_equal(ask_resolve(f, AS(OPERATOR_DEMO), &wish)->reason,
                        "INCIDENT_RESOLUTION_UNFIT");
    wish.resolution = RESOLUTION(POST_FROM_SUSPENSE);
    assert_true(answer_names(ask_resolve(f, AS(OPERATOR_DEMO), &wish), "account"));
    wish.account = "revenue";
    assert_string_equal(ask_resolve(f, AS(OPERATOR_DEMO), &wish)->reason,
                        "INCIDENT_RESOLUTION_UNFIT");
    wish.resolution = RESOLUTION(IGNORE);
    assert_true(answer_names(ask_resolve(f, AS(OPERATOR_DEMO), &wish), "account"));
    wish.account = "";
    wish.etag = "7";
    assert_string_equal(ask_resolve(f, AS(OPERATOR_DEMO), &wish)->reason, "INCIDENT_CHANGED");
    wish.name = rpc_printf(f, "%s/incidents/018f0000-0000-7000-8000-000000000000", customer);
    assert_string_equal(ask_resolve(f, AS(OPERATOR_DEMO), &wish)->reason, "INCIDENT_NOT_FOUND");
    assert_string_equal(ask_resolve(f, AS(SERVICE_BILLING), &wish)->reason, "CALLER_NOT_ALLOWED");
    assert_int_equal(number_of(f, customer, "count(*) FROM dues.incident_approval"), 0);
}

static void what_is_resolved_stays_so(void **state)
{
    struct rpc_fixture *f = *state;
    const char *customer = given_customer(f, "");
    given_incident(f, customer, "OURS_ONLY", "again", "2026-01-01Z");

    const Incident *done = resolve_by_two(f, customer, RESOLUTION(IGNORE), "");
    struct resolve_wish late = resolve_wish_of(f, done, RESOLUTION(IGNORE), "");
    given_incident(f, customer, "OURS_ONLY", "again", "2026-01-02Z");

    assert_string_equal(ask_resolve(f, AS(OPERATOR_DEMO), &late)->reason, "INCIDENT_NOT_OPEN");
    assert_int_equal(the_incident(f, customer)->state, INCIDENT_STATE(RESOLVED));
}

static int setup(void **state)
{
    *state = rpc_fixture_new(SECOND_OPERATOR);
    return *state == NULL ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_two_operators),
        cmocka_unit_test(two_who_want_different_things_are_not_two),
        cmocka_unit_test(marks_as_failed_what_was_not_executed),
        cmocka_unit_test(marks_as_succeeded_what_the_gateway_says_it_did),
        cmocka_unit_test(the_card_stays_until_it_is_decided),
        cmocka_unit_test(posts_from_suspense_to_where_it_belongs),
        cmocka_unit_test(two_at_the_same_moment_carry_it_out_once),
        cmocka_unit_test(the_newest_wish_counts),
        cmocka_unit_test(two_who_saw_another_sum_are_not_two),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(what_is_resolved_stays_so),
    };
    return cmocka_run_group_tests_name("ResolveIncident", tests, setup, rpc_teardown);
}
