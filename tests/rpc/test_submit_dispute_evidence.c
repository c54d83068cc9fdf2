/*
 * SubmitDisputeEvidence: once for all, and what the bank makes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "support/rpc_dispute.h"
#include "support/rpc_incident.h"

#define LOOKS_MAX 600

static void wins_with_good_evidence_and_the_money_is_back(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    const Dispute *given =
        must_reply(ask_evidence(f, dispute->name, "winning_evidence", "evidence"));
    learn_disputes(f);
    const Dispute *decided = dispute_now(f, dispute->name);

    assert_int_equal(given->state, DISPUTE_STATE(UNDER_REVIEW));
    assert_non_null(given->evidence_submit_time);
    assert_null(given->evidence_due_time);
    assert_int_equal(given->pending_response, 0);
    assert_int_equal(decided->state, DISPUTE_STATE(WON));
    assert_int_equal(decided->amount_withdrawn->minor_units, 0);
    assert_null(payment_now(f, dispute->payment)->amount_disputed);
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 0);
    assert_int_equal(balance_of(f, dispute->name, "gateway_clearing:sandbox"), 999 - 1500);
    assert_int_equal(event_count(f, dispute->name, "dispute.won"), 1);
    given_refund(f, dispute->payment, 999);
}

static void loses_with_bad_evidence(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDisputeProductNotReceived");

    must_reply(ask_evidence(f, dispute->name, "losing_evidence", "evidence"));
    learn_disputes(f);

    assert_int_equal(dispute_now(f, dispute->name)->state, DISPUTE_STATE(LOST));
    assert_int_equal(payment_now(f, dispute->payment)->amount_disputed->minor_units, 999);
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 999);
    assert_int_equal(event_count(f, dispute->name, "dispute.lost"), 1);
}

static void an_inquiry_that_is_answered_is_closed(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDisputeInquiry");

    must_reply(ask_evidence(f, dispute->name, "winning_evidence", "evidence"));
    learn_disputes(f);

    assert_int_equal(dispute_now(f, dispute->name)->state, DISPUTE_STATE(CLOSED));
    assert_int_equal(event_count(f, dispute->name, "dispute.closed"), 1);
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
}

static void a_repeat_gets_the_first_answer_also_when_it_is_decided(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    const struct dues_answer *first =
        ask_evidence(f, dispute->name, "winning_evidence", "evidence");
    learn_disputes(f);
    const struct dues_answer *again =
        ask_evidence(f, dispute->name, "winning_evidence", "evidence");
    const struct dues_answer *other = ask_evidence(f, dispute->name, "losing_evidence", "evidence");

    assert_int_equal(first->status, DUES_OK);
    assert_true(is_replayed(again));
    assert_int_equal(first->reply_size, again->reply_size);
    assert_memory_equal(first->reply_bytes, again->reply_bytes, first->reply_size);
    assert_string_equal(other->reason, "REQUEST_ID_REUSED");
}

static void is_taken_once(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    must_reply(ask_evidence(f, dispute->name, "it was them", new_request_id(f)));

    const struct dues_answer *more =
        ask_evidence(f, dispute->name, "it really was", new_request_id(f));

    assert_int_equal(more->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(more->reason, "DISPUTE_NOT_OPEN");
    assert_int_equal(number_of(f, dispute->name, "count(*) FROM dues.dispute_response"), 1);
}

static void keeps_no_text_once_the_gateway_has_it(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    must_reply(ask_evidence(f, dispute->name, "a very particular sentence", new_request_id(f)));

    assert_int_equal(
        number_of(f, dispute->name, "sum(length(evidence_sealed)) FROM dues.dispute_response"), 0);
    assert_int_equal(db_number(f->db, db_printf(f->db,
                                                "SELECT count(*) FROM dues.obligation"
                                                " WHERE kind = 'dispute.respond'"
                                                "   AND subject_id = '%s'",
                                                strrchr(dispute->name, '/') + 1)),
                     0);
}

static void evidence_may_have_lines_and_tabs_and_nothing_else_of_the_kind(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    const struct dues_answer *vertical = ask_evidence(f, dispute->name, "a\vb", new_request_id(f));
    const struct dues_answer *alone = ask_evidence(f, dispute->name, "a\rb", new_request_id(f));
    const struct dues_answer *lines = ask_evidence(
        f, dispute->name, "09:00\tlog in\n09:01\tread\r\n09:02\tread", new_request_id(f));

    assert_true(answer_names(vertical, "evidence.uncategorized_text"));
    assert_true(answer_names(alone, "evidence.uncategorized_text"));
    must_reply(lines);
}

static void comes_too_late_after_it_was_due(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.dispute SET evidence_due_time = '2020-01-01Z'"
                                " WHERE dispute_id = '%s'",
                                strrchr(dispute->name, '/') + 1));

    const struct dues_answer *late =
        ask_evidence(f, dispute->name, "winning_evidence", new_request_id(f));

    assert_int_equal(late->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(late->reason, "DISPUTE_EVIDENCE_LATE");
    assert_int_equal(number_of(f, dispute->name, "count(*) FROM dues.dispute_response"), 0);
    assert_int_equal(dispute_now(f, dispute->name)->state, DISPUTE_STATE(NEEDS_RESPONSE));
}

/* The answer never comes: nobody is told that it failed, and the server finds out. */
static void a_lost_answer_is_pending_until_it_is_known(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    const char *text = "winning_evidence_unanswered";

    const Dispute *unknown = must_reply(ask_evidence(f, dispute->name, text, "lost"));
    const struct dues_answer *meanwhile = ask_acceptance(f, dispute->name, new_request_id(f));
    const Dispute *known = unknown;
    for (int i = 0; i < LOOKS_MAX && known->pending_response != 0; i++) {
        db_execute(f->db, "UPDATE dues.obligation SET due_time = '2020-01-01Z'"
                          " WHERE kind = 'dispute.respond'");
        usleep(100000);
        known = dispute_now(f, dispute->name);
    }
    const struct dues_answer *again = ask_evidence(f, dispute->name, text, "lost");

    assert_int_equal(unknown->state, DISPUTE_STATE(NEEDS_RESPONSE));
    assert_int_equal(unknown->pending_response,
                     DUES__PAYMENT__V1__DISPUTE__RESPONSE__RESPONSE_EVIDENCE);
    assert_string_equal(meanwhile->reason, "DISPUTE_RESPONSE_IN_PROGRESS");
    assert_int_equal(known->pending_response, 0);
    assert_int_equal(known->state, DISPUTE_STATE(WON));
    assert_non_null(known->evidence_submit_time);
    assert_true(is_replayed(again));
    assert_int_equal(((const Dispute *)again->reply)->state, DISPUTE_STATE(WON));
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
}

/* The answer never comes, and later the gateway cannot tell how the dispute stands. */
static void what_nobody_can_find_out_goes_to_people(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    must_reply(ask_evidence(f, dispute->name, "winning_evidence_unanswered", "lost"));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.dispute SET gateway_dispute = 'dp_gone'"
                                " WHERE dispute_id = '%s';"
                                "UPDATE dues.dispute_response"
                                "   SET first_sent_time = clock_timestamp() - interval '4 d'"
                                " WHERE dispute_id = '%s'",
                                last_id(dispute->name), last_id(dispute->name)));

    const Dispute *now = dispute;
    for (int i = 0; i < LOOKS_MAX && (i == 0 || now->pending_response != 0); i++) {
        db_execute(f->db, "UPDATE dues.obligation SET due_time = '2020-01-01Z'"
                          " WHERE kind = 'dispute.respond'");
        usleep(100000);
        now = dispute_now(f, dispute->name);
    }
    const struct dues_answer *other = ask_acceptance(f, dispute->name, new_request_id(f));

    const Incident *incident = the_incident(f, customer_of(f, dispute->name));
    assert_int_equal(incident->kind, INCIDENT_KIND(UNKNOWN_TOO_LONG));
    assert_string_equal(incident->subject, dispute->name);
    assert_int_equal(now->pending_response, 0);
    assert_null(now->evidence_submit_time);
    assert_string_not_equal(other->reason, "DISPUTE_RESPONSE_IN_PROGRESS");
    assert_string_equal(
        db_text(f->db, "SELECT count(*) FROM dues.obligation WHERE kind = 'dispute.respond'"), "0");
}

static const char *had_evidence(struct rpc_fixture *f, const Dispute *dispute)
{
    return db_text(f->db, db_printf(f->db,
                                    "SELECT had_evidence FROM dues.dispute_response"
                                    " WHERE dispute_id = '%s'",
                                    last_id(dispute->name)));
}

static void what_was_there_before_is_remembered(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *first = given_dispute(f, "tok_createDispute");
    const Dispute *second = given_dispute(f, "tok_createDispute");
    db_execute(f->db,
               db_printf(f->db,
                         "UPDATE dues.dispute SET evidence_time = now() WHERE dispute_id = '%s'",
                         last_id(second->name)));

    must_reply(ask_evidence(f, first->name, "it was them", new_request_id(f)));
    must_reply(ask_evidence(f, second->name, "it was them", new_request_id(f)));

    assert_string_equal(had_evidence(f, first), "f");
    assert_string_equal(had_evidence(f, second), "t");
}

/* Its COMMIT is lost and it runs again, or whoever looks was first: the evidence is not there. */
static void a_refusal_that_is_recorded_already_is_one(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    must_reply(ask_evidence(f, dispute->name, "it was them", new_request_id(f)));
    const char *id = strrchr(dispute->name, '/') + 1;
    const char *refuse =
        db_printf(f->db,
                  "SELECT dues.dispute_response_refused(r.customer_id, r.response_id, now())"
                  "  FROM dues.dispute_response r WHERE r.dispute_id = '%s'",
                  id);

    const char *done = db_text(f->db, refuse);
    db_execute(
        f->db,
        db_printf(f->db,
                  "UPDATE dues.dispute_response SET state = 'SENDING' WHERE dispute_id = '%s'",
                  id));
    const char *first = db_text(f->db, refuse);
    const char *again = db_text(f->db, refuse);

    assert_string_equal(done, "f");
    assert_string_equal(first, "t");
    assert_string_equal(again, "t");
}

static void refuses_wrong_fields(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    char *long_text = arena_alloc(f->arena, 2002);
    memset(long_text, 'a', 2001);

    const struct dues_answer *empty = ask_evidence(f, dispute->name, "", new_request_id(f));
    const struct dues_answer *too_long =
        ask_evidence(f, dispute->name, long_text, new_request_id(f));
    const struct dues_answer *no_id = ask_evidence(f, dispute->name, "text", "");

    assert_true(answer_names(empty, "evidence"));
    assert_true(answer_names(too_long, "evidence.uncategorized_text"));
    assert_string_equal(no_id->reason, "REQUEST_ID_REQUIRED");
    assert_int_equal(number_of(f, dispute->name, "count(*) FROM dues.dispute_response"), 0);
}

struct racer {
    struct rpc_fixture *f;
    const char *dispute;
    int number;
    bool learns;
    const struct dues_answer *answer;
};

static void *race(void *argument)
{
    struct racer *racer = argument;

    if (racer->learns)
        learn_disputes(racer->f);
    else
        racer->answer = ask_evidence(racer->f, racer->dispute, "winning_evidence",
                                     rpc_printf(racer->f, "race-%d-%s", racer->number,
                                                strrchr(racer->dispute, '/') + 1 + 24));
    return NULL;
}

/* Evidence of several, and news of the gateway in between: one is taken, and the money is right. */
static void of_racers_one_is_taken_whatever_news_comes_in_between(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    struct racer racers[16];
    int taken = 0;

    for (int i = 0; i < 16; i++)
        racers[i] = (struct racer){f, dispute->name, i, i % 2 == 1, NULL};
    rpc_race(race, racers, 16, sizeof racers[0]);
    learn_disputes(f);

    for (int i = 0; i < 16; i += 2) {
        const struct dues_answer *answer = racers[i].answer;
        if (answer->status == DUES_OK)
            taken++;
        else
            assert_true(text_equal(answer->reason, "DISPUTE_NOT_OPEN") ||
                        text_equal(answer->reason, "DISPUTE_RESPONSE_IN_PROGRESS"));
    }
    assert_int_equal(taken, 1);
    assert_int_equal(dispute_now(f, dispute->name)->state, DISPUTE_STATE(WON));
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
    assert_int_equal(balance_of(f, dispute->name, "gateway_clearing:sandbox"), 999 - 1500);
    assert_int_equal(event_count(f, dispute->name, "dispute.won"), 1);
    assert_int_equal(number_of(f, dispute->name, "count(*) FROM dues.dispute_response"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wins_with_good_evidence_and_the_money_is_back),
        cmocka_unit_test(loses_with_bad_evidence),
        cmocka_unit_test(an_inquiry_that_is_answered_is_closed),
        cmocka_unit_test(a_repeat_gets_the_first_answer_also_when_it_is_decided),
        cmocka_unit_test(is_taken_once),
        cmocka_unit_test(keeps_no_text_once_the_gateway_has_it),
        cmocka_unit_test(evidence_may_have_lines_and_tabs_and_nothing_else_of_the_kind),
        cmocka_unit_test(comes_too_late_after_it_was_due),
        cmocka_unit_test(a_lost_answer_is_pending_until_it_is_known),
        cmocka_unit_test(what_nobody_can_find_out_goes_to_people),
        cmocka_unit_test(what_was_there_before_is_remembered),
        cmocka_unit_test(a_refusal_that_is_recorded_already_is_one),
        cmocka_unit_test(refuses_wrong_fields),
        cmocka_unit_test(of_racers_one_is_taken_whatever_news_comes_in_between),
    };

    return cmocka_run_group_tests_name("SubmitDisputeEvidence", tests, rpc_setup, rpc_teardown);
}
