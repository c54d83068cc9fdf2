/*
 * AcceptDispute: lost at once, without a fight.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rpc_dispute.h"

static void gives_the_money_up(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    const Dispute *accepted = must_reply(ask_acceptance(f, dispute->name, new_request_id(f)));
    learn_disputes(f);

    assert_int_equal(accepted->state, DISPUTE_STATE(ACCEPTED));
    assert_int_equal(dispute_now(f, dispute->name)->state, DISPUTE_STATE(ACCEPTED));
    assert_int_equal(payment_now(f, dispute->payment)->amount_disputed->minor_units, 999);
    assert_int_equal(balance_of(f, dispute->name, "disputes"), 0);
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 999);
    assert_int_equal(event_count(f, dispute->name, "dispute.lost"), 1);
}

static void closes_an_inquiry(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDisputeInquiry");

    const Dispute *accepted = must_reply(ask_acceptance(f, dispute->name, new_request_id(f)));

    assert_int_equal(accepted->state, DISPUTE_STATE(CLOSED));
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 0);
}

static void also_while_the_bank_looks_at_evidence(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    must_reply(ask_evidence(f, dispute->name, "we are not sure", new_request_id(f)));

    const Dispute *accepted = must_reply(ask_acceptance(f, dispute->name, new_request_id(f)));

    assert_int_equal(accepted->state, DISPUTE_STATE(ACCEPTED));
    assert_non_null(accepted->evidence_submit_time);
}

static void answers_a_repeat_as_the_first_time(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");

    const struct dues_answer *first = ask_acceptance(f, dispute->name, "give-up");
    const struct dues_answer *again = ask_acceptance(f, dispute->name, "give-up");

    assert_int_equal(first->status, DUES_OK);
    assert_true(is_replayed(again));
    assert_memory_equal(first->reply_bytes, again->reply_bytes, first->reply_size);
}

static void refuses_one_that_is_decided(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    must_reply(ask_evidence(f, dispute->name, "winning_evidence", new_request_id(f)));
    learn_disputes(f);

    const struct dues_answer *answer = ask_acceptance(f, dispute->name, new_request_id(f));

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "DISPUTE_NOT_OPEN");
    assert_int_equal(balance_of(f, dispute->name, "dispute_losses"), 0);
}

/* We think that it is open; the gateway knows better. */
static void learns_why_the_gateway_refuses_and_says_that(void **state)
{
    struct rpc_fixture *f = *state;
    const Dispute *dispute = given_dispute(f, "tok_createDispute");
    must_reply(ask_evidence(f, dispute->name, "winning_evidence", new_request_id(f)));

    const struct dues_answer *answer = ask_acceptance(f, dispute->name, "too-late");

    assert_int_equal(answer->status, DUES_FAILED_PRECONDITION);
    assert_string_equal(answer->reason, "DISPUTE_NOT_OPEN");
    assert_int_equal(dispute_now(f, dispute->name)->state, DISPUTE_STATE(WON));
    assert_int_equal(dispute_now(f, dispute->name)->pending_response, 0);
    assert_string_equal(ask_acceptance(f, dispute->name, "too-late")->reason, "DISPUTE_NOT_OPEN");
}

static void finds_no_dispute_that_does_not_exist(void **state)
{
    struct rpc_fixture *f = *state;
    const char *absent = rpc_printf(f, "%s/disputes/%s", given_payer(f, "tok_visa").customer,
                                    db_uuid_text(f->db, db_uuid(f->db)));

    const struct dues_answer *answer = ask_acceptance(f, absent, new_request_id(f));

    assert_string_equal(answer->reason, "DISPUTE_NOT_FOUND");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_money_up),
        cmocka_unit_test(closes_an_inquiry),
        cmocka_unit_test(also_while_the_bank_looks_at_evidence),
        cmocka_unit_test(answers_a_repeat_as_the_first_time),
        cmocka_unit_test(refuses_one_that_is_decided),
        cmocka_unit_test(learns_why_the_gateway_refuses_and_says_that),
        cmocka_unit_test(finds_no_dispute_that_does_not_exist),
    };

    return cmocka_run_group_tests_name("AcceptDispute", tests, rpc_setup, rpc_teardown);
}
