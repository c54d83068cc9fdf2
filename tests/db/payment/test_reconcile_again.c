/*
 * Reconciliation of what is known already, and of what is not over: nothing is posted twice, and
 * what the gateway has not denied stays in the books.
 */
#include "db/payment/reconcile_fixture.h"

/* The attempt's answer comes after its result. */
struct late {
    struct uuid customer;
    struct uuid attempt;
    const char *transaction;
};

static const struct error *tell_late(struct call *call, void *arg)
{
    struct late *late = arg;
    struct gateway_answer answer = gateway_answer_plain(GATEWAY_SUCCEEDED, "late");
    struct attempt_errand errand;
    struct customer customer;
    struct attempt attempt;
    bool found;

    answer.transaction = late->transaction;
    answer.amount = money_make("USD", 1000);
    TRY(customer_load(call, late->customer, &customer));
    TRY(attempt_find(call, late->customer, late->attempt, &attempt, &found));
    assert_true(found);
    TRY(attempt_errand_restore(call, &customer, &attempt, 0, &errand));
    return attempt_errand_settle(call, &errand, &answer);
}

static struct uuid only_attempt(struct payment_fixture *f, struct uuid customer)
{
    struct uuid id;

    assert_true(uuid_parse(of_customer_text(f, "attempt_id FROM attempt", customer), &id));
    return id;
}

/* The gateway has a charge of the attempt, and tells of it when the attempt is over. */
static struct late given_late(struct payment_fixture *f, struct uuid customer)
{
    struct late late = {.customer = customer, .attempt = only_attempt(f, customer)};

    late.transaction =
        given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-late-one",
                         of_customer_text(f, "attempt_id FROM attempt", customer), "", 1000)
            .answer.transaction;
    assert_null(db_run(f->db, tell_late, &late));
    return late;
}

static void resolve_all(struct payment_fixture *f, struct uuid customer)
{
    carry_out_all(f, customer, "revenue");
    assert_int_equal(
        of_customer(f, "count(*) FILTER (WHERE state <> 'RESOLVED') FROM incident", customer), 0);
}

static void money_of_a_resolved_incident_is_not_posted_again(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_chargeDeclined");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");
    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);
    given_late(f, payer.customer);
    resolve_all(f, payer.customer);

    struct reconciliation run = reconciled(f);

    assert_string_equal(of_customer_text(f, "state FROM attempt", payer.customer), "FAILED");
    assert_int_equal(run.incident_count, 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
}

static void another_amount_than_was_approved_is_not_moved(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    given_late(f, payer.customer);
    db_execute(f->db,
               db_printf(f->db,
                         "INSERT INTO incident_approval (customer_id, incident_id, wish, version,"
                         " approver, resolution, account, reason, amount, currency,"
                         " create_time)"
                         " SELECT customer_id, incident_id, 1, version, 'a',"
                         " 'POST_FROM_SUSPENSE', 'revenue', 'seen', -900, 'USD',"
                         " clock_timestamp() FROM incident WHERE customer_id = '%s'",
                         db_uuid_text(f->db, payer.customer)));

    carry_out_all(f, payer.customer, "revenue");

    assert_string_equal(of_customer_text(f, "state FROM incident", payer.customer), "OPEN");
    assert_int_equal(of_customer(f,
                                 "sum(amount) FILTER (WHERE account = 'suspense')"
                                 " FROM ledger_entry",
                                 payer.customer),
                     -1000);
}

static void a_second_charge_that_was_suspended_is_not_posted_again(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    given_late(f, payer.customer);
    resolve_all(f, payer.customer);

    struct reconciliation run = reconciled(f);

    assert_string_equal(of_customer_text(f, "state FROM attempt", payer.customer), "SUCCEEDED");
    assert_int_equal(run.incident_count, 0);
    assert_int_equal(cleared(f, payer.customer), 2000);

    /* A third one is as unknown as the second one was. */
    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-third-one",
                     of_customer_text(f, "attempt_id FROM attempt", payer.customer), "", 1000);
    assert_int_equal(reconciled(f).incident_count, 1);
    assert_int_equal(cleared(f, payer.customer), 3000);
}

/* It was asked for three days ago, and the gateway did it today. */
static void given_slow(struct payment_fixture *f, struct uuid customer)
{
    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET first_sent_time = clock_timestamp()"
                                " - interval '2 d' WHERE customer_id = '%s'",
                                db_uuid_text(f->db, customer)));
}

static void what_the_gateway_confirms_is_not_lost(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    given_slow(f, payer.customer);

    struct reconciliation run = reconciled_once(f, -US_PER_DAY);

    assert_string_equal(run.state, "ENDED");
    assert_int_equal(run.own_count, 1);
    assert_int_equal(run.entry_count, 0);
    assert_int_equal(run.incident_count, 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
}

static void say_nothing(const struct gateway *gateway, struct call *call,
                        const struct gateway_request *request, struct gateway_answer *answer)
{
    (void)gateway;
    (void)call;
    (void)request;
    *answer = gateway_answer_plain(GATEWAY_UNKNOWN, "");
}

/* The gateway is asked about what it does not list; `ahead_us` is where the run's list ends. */
static struct begun given_run(struct payment_fixture *f, int64_t ahead_us)
{
    struct begun begun = {.ahead_us = ahead_us};

    assert_null(db_run(f->db, begin, &begun));
    return begun;
}

static void drive_on(struct payment_fixture *f, struct begun *begun, int64_t later_us)
{
    struct driving driving = {.run = &begun->run, .steps = INT32_MAX};

    fake_clock_advance(&f->db->clock, later_us);
    assert_null(db_run(f->db, drive, &driving));
}

static void silence_is_no_denial_and_keeps_nothing_else_waiting(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    struct gateway mute = *f->gateways.list[0];
    given_slow(f, payer.customer);
    given_at_gateway(f, GATEWAY_CHARGE, "key-of-the-past-3", "018f0000-0000-7000-8000-000000000003",
                     "", 500);

    mute.query = say_nothing;
    f->gateways.list[0] = &mute;
    struct begun begun = given_run(f, US_PER_HOUR);
    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET gateway_transaction = 'ch_unlisted'"
                                " WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));
    drive_on(f, &begun, 0);

    assert_string_equal(begun.run.state, "RUNNING");
    assert_int_equal(begun.run.doubt_count, 1);
    assert_non_null(strstr(begun.run.problem, "1 could not be found out about, ch_unlisted:"));
    assert_int_equal(begun.run.incident_count, 2); /* the others are compared, to the end */
    assert_int_equal(begun.run.list_hash_size, 32);
    assert_int_equal(
        of_customer(f, "count(*) FILTER (WHERE kind = 'OURS_ONLY') FROM incident", payer.customer),
        0);
}

static void what_was_in_doubt_is_asked_about_again(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    const struct gateway *honest = f->gateways.list[0];
    struct gateway mute = *honest;
    given_slow(f, payer.customer);

    mute.query = say_nothing;
    f->gateways.list[0] = &mute;
    struct begun begun = given_run(f, -US_PER_DAY);
    drive_on(f, &begun, 0);
    bool waited = strcmp(begun.run.state, "RUNNING") == 0;
    f->gateways.list[0] = honest;
    drive_on(f, &begun, US_PER_MINUTE);

    assert_true(waited);
    assert_string_equal(begun.run.state, "ENDED");
    assert_int_equal(begun.run.doubt_count, 0);
    assert_string_equal(begun.run.problem, "");
    assert_int_equal(begun.run.incident_count, 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
}

static void a_run_ends_though_the_gateway_never_says(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    struct gateway mute = *f->gateways.list[0];
    given_slow(f, payer.customer);

    mute.query = say_nothing;
    f->gateways.list[0] = &mute;
    struct begun early = given_run(f, -US_PER_DAY);
    drive_on(f, &early, 0);
    drive_on(f, &early, 50 * US_PER_MINUTE);
    bool waited = strcmp(early.run.state, "RUNNING") == 0;
    drive_on(f, &early, 20 * US_PER_MINUTE);

    assert_true(waited);
    assert_string_equal(early.run.state, "ENDED");
    assert_int_equal(early.run.doubt_count, 1);
    assert_string_not_equal(early.run.problem, "");
    assert_int_equal(early.run.incident_count, 0); /* tomorrow's run may find it listed */
    assert_int_equal(cleared(f, payer.customer), 1000);
}

/* No later run would have it in its days: people are told, and nothing is posted. */
static void what_stays_in_doubt_beyond_the_list_is_told(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    struct gateway mute = *f->gateways.list[0];
    db_execute(f->db, db_printf(f->db,
                                "UPDATE attempt SET gateway_transaction = 'ch_unlisted'"
                                " WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));

    mute.query = say_nothing;
    f->gateways.list[0] = &mute;
    struct begun late = given_run(f, 2 * US_PER_DAY);
    drive_on(f, &late, 0);
    drive_on(f, &late, 2 * US_PER_HOUR);
    drive_on(f, &late, 0);

    assert_string_equal(late.run.state, "ENDED");
    assert_int_equal(late.run.doubt_count, 1);
    assert_int_equal(
        of_customer(f, "count(*) FILTER (WHERE kind = 'OURS_ONLY') FROM incident", payer.customer),
        1);
}

static struct payer given_refunded(struct payment_fixture *f)
{
    struct payer payer = given_paid(f);
    struct asked refund =
        asked_refund(f, payer.customer, only_payment(f, payer.customer), 1000, "refund-1");

    assert_null(db_run(f->db, asked_run, &refund));
    release(&refund);
    return payer;
}

static void a_refund_that_came_back_after_the_list_is_no_difference(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_refunded(f);

    db_execute(f->db, db_printf(f->db,
                                "SET search_path = dues;"
                                "SELECT refund_reverse(customer_id, attempt_id, 'unknown',"
                                "       clock_timestamp() + interval '2 h')"
                                "  FROM attempt WHERE customer_id = '%s' AND operation = 'REFUND'",
                                db_uuid_text(f->db, payer.customer)));
    struct reconciliation run = reconciled(f);

    assert_int_equal(run.incident_count, 0);
    assert_int_equal(cleared(f, payer.customer), 1000);
}

static void what_somebody_looks_at_already_is_owed(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_timeoutAfterSuccess");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");
    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);

    db_execute(f->db, db_printf(f->db,
                                "UPDATE obligation SET due_time = clock_timestamp(),"
                                " lease_until = clock_timestamp() + interval '1 min'"
                                " WHERE customer_id = '%s'",
                                db_uuid_text(f->db, payer.customer)));

    assert_int_equal(reconciled(f).mended_count, 1);
}

static void what_keeps_a_run_from_going_on_is_told(void **state)
{
    struct payment_fixture *f = *state;
    struct begun begun = {.ahead_us = US_PER_HOUR};
    struct driving driving = {.run = &begun.run, .steps = INT32_MAX};
    assert_null(db_run(f->db, begin, &begun));

    db_execute(
        f->db,
        db_printf(f->db,
                  "INSERT INTO reconciliation_line (reconciliation_id, bucket, side, line_id,"
                  " kind, transaction, currency, amount, customer_id, line_time)"
                  " VALUES ('%s', 3, 'O', 'no id', 'CHARGE', 'ch_x', 'USD', 0, '%s',"
                  " clock_timestamp())",
                  db_uuid_text(f->db, begun.run.id), db_uuid_text(f->db, begun.run.id)));
    assert_non_null(db_run(f->db, drive, &driving));

    const char *told = db_text(f->db, db_printf(f->db,
                                                "SELECT state || ' ' || problem FROM reconciliation"
                                                " WHERE reconciliation_id = '%s'",
                                                db_uuid_text(f->db, begun.run.id)));
    assert_string_equal(told, "RUNNING COMPARE: internal error");
}

static void lines_of_old_runs_are_swept(void **state)
{
    struct payment_fixture *f = *state;
    given_paid(f);
    reconciled(f);

    db_execute(f->db, "UPDATE reconciliation SET finish_time = clock_timestamp() - interval '4 d'");
    db_execute(f->db, "INSERT INTO reconciliation_line (reconciliation_id, bucket, side, line_id,"
                      " kind, transaction, currency, amount, line_time)"
                      " SELECT r.reconciliation_id, 1, 'T', n::text, 'FEE', '', 'USD', 1,"
                      " clock_timestamp() FROM reconciliation r, generate_series(1, 6000) n");
    struct reconciliation run = reconciled(f);

    int64_t after_one =
        strtoll(db_text(f->db, "SELECT count(*) FROM reconciliation_line"), NULL, 10);
    struct driving driving = {.run = &run, .steps = INT32_MAX};
    for (int i = 0; i < 7; i++)
        assert_null(db_run(f->db, drive, &driving));

    assert_int_equal(after_one, 6004 - 1000);
    assert_string_equal(db_text(f->db, "SELECT count(*) FROM reconciliation_line"), "2");
    assert_string_equal(db_text(f->db, "SELECT count(*) FROM obligation"
                                       " WHERE kind = 'reconcile.run'"),
                        "0");
}

static bool (*list_in_one_currency)(const struct gateway *gateway, struct call *call,
                                    int64_t from_us, int64_t until_us, const char *cursor,
                                    struct gateway_transaction_page *page);

static bool list_in_two_currencies(const struct gateway *gateway, struct call *call,
                                   int64_t from_us, int64_t until_us, const char *cursor,
                                   struct gateway_transaction_page *page)
{
    if (!list_in_one_currency(gateway, call, from_us, until_us, cursor, page))
        return false;
    for (size_t i = 0; i < page->count; i++)
        page->list[i].fee = money_make("EUR", 50);
    return true;
}

static void a_fee_is_posted_in_its_own_currency(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    struct gateway foreign = *f->gateways.list[0];

    list_in_one_currency = foreign.list_transactions;
    foreign.list_transactions = list_in_two_currencies;
    f->gateways.list[0] = &foreign;
    struct reconciliation run = reconciled(f);

    assert_int_equal(run.incident_count, 0);
    assert_int_equal(run.fee_count, 1);
    assert_int_equal(of_customer(f,
                                 "sum(amount) FILTER (WHERE account = 'fees' AND currency = 'EUR')"
                                 " FROM ledger_entry",
                                 payer.customer),
                     50);
}

static bool list_with_a_hole(const struct gateway *gateway, struct call *call, int64_t from_us,
                             int64_t until_us, const char *cursor,
                             struct gateway_transaction_page *page)
{
    static struct gateway_unread_line unread = {.id = "txn_hole", .why = "it is of no currency"};

    if (!list_in_one_currency(gateway, call, from_us, until_us, cursor, page))
        return false;
    page->unread = &unread;
    page->unread_count = 1;
    return true;
}

static void a_line_that_cannot_be_read_keeps_no_other_from_being_compared(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    struct gateway holed = *f->gateways.list[0];

    list_in_one_currency = holed.list_transactions;
    holed.list_transactions = list_with_a_hole;
    f->gateways.list[0] = &holed;
    struct reconciliation run = reconciled(f);
    struct reconciliation again = reconciled(f);

    assert_int_equal(run.incident_count, 1);
    assert_int_equal(again.incident_count, 0);
    assert_int_equal(run.fee_count, 1);
    assert_int_equal(of_customer(f, "count(*) FROM incident", payer.customer), 0);
    assert_string_equal(db_text(f->db, "SELECT kind || ' ' || subject FROM incident"),
                        "GATEWAY_ONLY sandbox txn_hole");
}

static void what_news_told_of_is_one_incident(void **state)
{
    struct payment_fixture *f = *state;
    struct payer payer = given_paid(f);
    const char *charge = of_customer_text(f, "gateway_transaction FROM attempt", payer.customer);
    struct foreign desk =
        given_at_gateway(f, GATEWAY_REFUND, "key-of-the-desk-01", "", charge, 300);
    db_execute(f->db,
               db_printf(f->db,
                         "SET search_path = dues; SELECT incident_open('%s', NULL,"
                         " 'REFUNDED_AT_GATEWAY_ONLY', '%s', 'news', clock_timestamp(), NULL, NULL,"
                         " 'sandbox', '%s')",
                         db_uuid_text(f->db, payer.customer),
                         incident_subject_at(f->db->arena, "sandbox", desk.answer.transaction),
                         desk.answer.transaction));

    reconciled(f);
    reconciled(f);

    assert_int_equal(of_customer(f, "count(*) FROM incident", payer.customer), 1);
    assert_int_equal(of_customer(f, "count(payment_id) FROM incident", payer.customer), 1);
    assert_int_equal(cleared(f, payer.customer), 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECONCILE_TEST(money_of_a_resolved_incident_is_not_posted_again),
        RECONCILE_TEST(a_second_charge_that_was_suspended_is_not_posted_again),
        RECONCILE_TEST(another_amount_than_was_approved_is_not_moved),
        RECONCILE_TEST(what_the_gateway_confirms_is_not_lost),
        RECONCILE_TEST(silence_is_no_denial_and_keeps_nothing_else_waiting),
        RECONCILE_TEST(what_was_in_doubt_is_asked_about_again),
        RECONCILE_TEST(a_run_ends_though_the_gateway_never_says),
        RECONCILE_TEST(what_stays_in_doubt_beyond_the_list_is_told),
        RECONCILE_TEST(a_refund_that_came_back_after_the_list_is_no_difference),
        RECONCILE_TEST(what_somebody_looks_at_already_is_owed),
        RECONCILE_TEST(what_keeps_a_run_from_going_on_is_told),
        RECONCILE_TEST(what_news_told_of_is_one_incident),
        RECONCILE_TEST(lines_of_old_runs_are_swept),
        RECONCILE_TEST(a_fee_is_posted_in_its_own_currency),
        RECONCILE_TEST(a_line_that_cannot_be_read_keeps_no_other_from_being_compared),
    };
    return cmocka_run_group_tests_name("reconciliation of what is known", tests, NULL, NULL);
}
