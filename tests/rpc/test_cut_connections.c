/*
 * The connection to PostgreSQL is cut at every boundary between two messages of a payment and of a
 * refund, COMMIT above all: whatever the client was told meanwhile, money moves once and the books
 * say so.
 *
 * DUES_CUTS says at how many boundaries; work in the background shifts them a little, so more are
 * tried than a payment has, and COMMITs are counted by themselves too.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/db_cutter.h"
#include "support/rpc_payment.h"

#define CUTS     80
#define COMMITS  4 /* of each side, more than a payment or a refund needs */
#define TRIES    400
#define PAUSE_US 50000

static struct db_cutter *cutter;

/* What was cut, over all rounds. */
struct tally {
    int64_t cuts;
    int64_t commits_asked;
    int64_t commits_answered;
};

static int given_cutter(void **state)
{
    char socket[108];

    if (rpc_setup(state) != 0)
        return -1;
    struct rpc_fixture *f = *state;
    if (sscanf(f->db->service, "host=%107s", socket) != 1)
        return -1;
    cutter = db_cutter_open(socket);
    rpc_restart_on(f, rpc_printf(f, "host=%s %s", db_cutter_directory(cutter),
                                 f->db->service + strlen("host=") + strlen(socket)));
    return 0;
}

static int close_cutter(void **state)
{
    int result = rpc_teardown(state);

    db_cutter_close(cutter);
    return result;
}

static int64_t cuts_wanted(void)
{
    const char *text = getenv("DUES_CUTS");

    return text == NULL ? CUTS : strtoll(text, NULL, 10);
}

/* Round by round: at each message, then at each question for a COMMIT and at each answer to one. */
static int64_t rounds_wanted(void)
{
    return cuts_wanted() + 2 * COMMITS;
}

static void arm(int64_t round)
{
    int64_t commit = round - cuts_wanted();

    if (commit <= 0)
        db_cutter_arm(cutter, round);
    else
        db_cutter_arm_commit(cutter, (commit + 1) / 2, commit % 2 == 0);
}

static void count(struct tally *tally)
{
    struct cut cut = db_cutter_disarm(cutter);

    tally->cuts += cut.happened;
    tally->commits_asked += cut.is_about_commit && !cut.from_server;
    tally->commits_answered += cut.is_about_commit && cut.from_server;
}

/* The resolver's time is the machine's. */
static void let_time_pass(struct rpc_fixture *f)
{
    fake_clock_set(f->clock, clock_wall_us(clock_system()));
    usleep(PAUSE_US);
}

/* What a client may hear of a lost connection: to try again. */
static void assert_is_no_result(const struct dues_answer *answer)
{
    assert_true(answer->status == DUES_UNAVAILABLE || answer->status == DUES_ABORTED ||
                answer->status == DUES_DEADLINE_EXCEEDED);
}

static const Payment *pay_until_it_is_done(struct rpc_fixture *f, struct payer payer)
{
    const char *request_id = new_request_id(f);

    for (int tries = 0; tries < TRIES; tries++) {
        const struct dues_answer *answer = ask_payment(f, payer, request_id);
        if (answer->status != DUES_OK) {
            assert_is_no_result(answer);
        } else {
            const Payment *payment = must_reply(answer);
            if (payment->state == PAYMENT_STATE(SUCCEEDED))
                return payment;
            assert_int_equal(payment->state, PAYMENT_STATE(PROCESSING));
        }
        let_time_pass(f);
    }
    fail_msg("the payment was not done after %d tries", TRIES);
    return NULL;
}

static const Refund *refund_until_it_is_done(struct rpc_fixture *f, const char *payment)
{
    const char *request_id = new_request_id(f);

    for (int tries = 0; tries < TRIES; tries++) {
        const struct dues_answer *answer = ask_refund(f, payment, 400, request_id);
        if (answer->status != DUES_OK) {
            assert_is_no_result(answer);
        } else {
            const Refund *refund = must_reply(answer);
            if (refund->state == REFUND_STATE(SUCCEEDED))
                return refund;
            assert_int_equal(refund->state, REFUND_STATE(PENDING));
        }
        let_time_pass(f);
    }
    fail_msg("the refund was not done after %d tries", TRIES);
    return NULL;
}

/* The books of the customer: `captured` and `refunded` once, each group in balance. */
static void assert_books(struct rpc_fixture *f, const char *customer, int64_t captured,
                         int64_t refunded)
{
    const char *of = db_printf(f->db, "customer_id = '%s'", customer_id_of(f, customer));

    assert_int_equal(charges_of(f, customer), 1);
    assert_int_equal(
        db_number(f->db, db_printf(f->db,
                                   "SELECT sum(amount)::bigint FROM dues.ledger_entry"
                                   " WHERE %s AND account = 'gateway_clearing:sandbox'",
                                   of)),
        captured - refunded);
    assert_int_equal(db_count(f->db, db_printf(f->db, "dues.payment WHERE %s", of)), 1);
    assert_int_equal(
        db_number(f->db, db_printf(f->db,
                                   "SELECT count(*) FROM (SELECT FROM dues.ledger_entry"
                                   " WHERE %s GROUP BY group_id, kind, currency"
                                   " HAVING sum(amount) <> 0) wrong",
                                   of)),
        0);
    assert_int_equal(
        db_count(f->db, db_printf(f->db, "dues.attempt WHERE %s AND state <> 'SUCCEEDED'", of)), 0);
    assert_int_equal(db_count(f->db, db_printf(f->db, "dues.incident WHERE %s", of)), 0);
    assert_int_equal(
        db_count(f->db, db_printf(f->db, "dues.event WHERE %s AND type = 'payment.succeeded'", of)),
        1);
}

static void assert_commits_were_cut(const struct tally *tally)
{
    print_message("%" PRId64 " cuts, %" PRId64 " of them of a COMMIT, %" PRId64 " of its answer\n",
                  tally->cuts, tally->commits_asked, tally->commits_answered);
    assert_true(tally->cuts >= cuts_wanted() / 2);
    assert_true(tally->commits_asked > 0);
    assert_true(tally->commits_answered > 0);
}

static void a_payment_happens_once_wherever_the_connection_is_cut(void **state)
{
    struct rpc_fixture *f = *state;
    struct tally tally = {0};

    for (int64_t round = 1; round <= rounds_wanted(); round++) {
        struct payer payer = given_payer(f, "tok_visa");

        arm(round);
        const Payment *payment = pay_until_it_is_done(f, payer);
        count(&tally);

        assert_int_equal(payment->amount_captured->minor_units, 999);
        assert_books(f, payer.customer, 999, 0);
    }
    assert_commits_were_cut(&tally);
}

static void a_refund_happens_once_wherever_the_connection_is_cut(void **state)
{
    struct rpc_fixture *f = *state;
    struct tally tally = {0};

    for (int64_t round = 1; round <= rounds_wanted(); round++) {
        struct payer payer = given_payer(f, "tok_visa");
        const char *payment = given_payment(f, payer);

        arm(round);
        const Refund *refund = refund_until_it_is_done(f, payment);
        count(&tally);

        assert_int_equal(refund->amount->minor_units, 400);
        assert_books(f, payer.customer, 999, 400);
    }
    assert_commits_were_cut(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payment_happens_once_wherever_the_connection_is_cut),
        cmocka_unit_test(a_refund_happens_once_wherever_the_connection_is_cut),
    };
    return cmocka_run_group_tests_name("cut connections", tests, given_cutter, close_cutter);
}
