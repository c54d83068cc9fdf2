/*
 * Reconciliation of very many: what the gateway is asked, and what it lists, costs the memory of
 * one question or page, however many there are, and what was asked is not asked again.
 */
#include "db/payment/reconcile_fixture.h"

/* As an answer of some kilobytes with its headers leaves behind. */
#define LEFT_BEHIND ((size_t)24 * 1024)
#define MANY        1000
#define PAGES       100
#define LEAKS       1200

static int asked_count;
static int silent_after;

static void say_it_is_so(const struct gateway *gateway, struct call *call,
                         const struct gateway_request *request, struct gateway_answer *answer)
{
    bool is_silent = asked_count >= silent_after;

    (void)gateway;
    arena_alloc(call->arena, LEFT_BEHIND);
    asked_count++;
    *answer = gateway_answer_plain(is_silent ? GATEWAY_UNKNOWN : GATEWAY_SUCCEEDED, "");
    answer->amount = request->amount;
    if (!is_silent)
        answer->transaction = arena_printf(call->arena, "ch_%.32s", request->idempotency_key);
}

/* The attempt of a payment, and copies of it with keys and transactions of their own, all sent
 * within a minute. */
static struct payer given_paid_often(struct payment_fixture *f, int count)
{
    struct payer payer = given_paid(f);
    const char *customer = db_uuid_text(f->db, payer.customer);

    db_execute(f->db,
               db_printf(f->db,
                         "INSERT INTO attempt SELECT (jsonb_populate_record(a, jsonb_build_object("
                         " 'attempt_id', gen_random_uuid(), 'sequence', n + 1,"
                         " 'gateway_key', replace(gen_random_uuid()::text, '-', ''),"
                         " 'first_sent_time', a.first_sent_time + n * interval '10 ms'))).*"
                         "  FROM attempt a, generate_series(1, %d) n WHERE a.customer_id = '%s';"
                         "UPDATE attempt SET gateway_transaction = 'ch_' || left(gateway_key, 32)"
                         " WHERE customer_id = '%s'",
                         count - 1, customer, customer));
    return payer;
}

static struct gateway given_gateway(struct payment_fixture *f)
{
    struct gateway gateway = *f->gateways.list[0];

    gateway.query = say_it_is_so;
    asked_count = 0;
    silent_after = INT32_MAX;
    return gateway;
}

static const struct error *confirm(struct call *call, void *arg)
{
    const struct obligation obligation = {
        .kind = "reconcile.confirm",
        .business_key = "sandbox",
        .now_us = call->now_us + 5 * US_PER_MINUTE,
    };

    (void)arg;
    call->deadline_us = clock_monotonic_us(call->house->clock) + 120 * US_PER_SECOND;
    return reconcile_confirm_job.run(call, &obligation);
}

/* The mark is shortly before the attempts, as when the house runs already. */
static void given_mark(struct payment_fixture *f)
{
    db_execute(f->db, "SET search_path = dues;"
                      "SELECT reconciliation_confirmed('sandbox',"
                      "       min(first_sent_time) - interval '1 min', gen_random_uuid(),"
                      "       clock_timestamp()) FROM attempt WHERE state = 'SUCCEEDED'");
    f->db->settings.reconcile_confirm_max = MANY;
}

static void a_thousand_are_confirmed_at_once(void **state)
{
    struct payment_fixture *f = *state;
    struct gateway gateway = given_gateway(f);
    struct payer payer = given_paid_often(f, MANY);

    given_mark(f);
    f->gateways.list[0] = &gateway;
    assert_null(db_run(f->db, confirm, NULL));

    assert_int_equal(asked_count, MANY);
    assert_int_equal(of_customer(f, "count(*) FROM incident", payer.customer), 0);
}

static void what_is_confirmed_is_not_asked_about_again(void **state)
{
    struct payment_fixture *f = *state;
    struct gateway gateway = given_gateway(f);
    given_paid_often(f, 30);

    given_mark(f);
    f->gateways.list[0] = &gateway;
    silent_after = 20;
    assert_null(db_run(f->db, confirm, NULL));
    silent_after = INT32_MAX;
    assert_null(db_run(f->db, confirm, NULL));

    assert_int_equal(asked_count, 20 + 1 + 10);
}

static bool list_much(const struct gateway *gateway, struct call *call, int64_t from_us,
                      int64_t until_us, const char *cursor, struct gateway_transaction_page *page)
{
    long number = strtol(cursor, NULL, 10) + 1;

    (void)gateway;
    (void)until_us;
    arena_alloc(call->arena, 10 * LEFT_BEHIND);
    *page = (struct gateway_transaction_page){
        .list = arena_array(call->arena, 1, sizeof *page->list),
        .next = number == PAGES ? "" : arena_printf(call->arena, "%ld", number),
    };
    page->list[page->count++] = (struct gateway_transaction){
        .id = arena_printf(call->arena, "bt_%ld", number),
        .kind = GATEWAY_LINE_CHARGE,
        .transaction = arena_printf(call->arena, "ch_%ld", number),
        .acted_on = "",
        .reference = "order of somebody else",
        .acted_on_reference = "",
        .amount = money_make("USD", 1),
        .fee = money_make("USD", 0),
        .created_us = from_us,
    };
    return true;
}

static bool list_nothing(const struct gateway *gateway, struct call *call, int64_t from_us,
                         int64_t until_us, const char *cursor,
                         struct gateway_transaction_page *page)
{
    (void)gateway;
    (void)call;
    (void)from_us;
    (void)until_us;
    (void)cursor;
    *page = (struct gateway_transaction_page){.next = ""};
    return true;
}

static void a_list_of_many_pages_is_read(void **state)
{
    struct payment_fixture *f = *state;
    struct gateway gateway = given_gateway(f);

    gateway.list_transactions = list_much;
    f->gateways.list[0] = &gateway;
    struct reconciliation run = reconciled(f);

    assert_int_equal(run.entry_count, PAGES);
    assert_int_equal(run.foreign_count, PAGES);
}

/* All of it in one bucket's step: what the gateway does not list, and is asked about. */
static void many_that_differ_are_asked_about(void **state)
{
    struct payment_fixture *f = *state;
    struct gateway gateway = given_gateway(f);
    struct payer payer = given_paid_often(f, 10 * 64);

    gateway.list_transactions = list_much;
    f->gateways.list[0] = &gateway;
    db_execute(f->db, "CREATE OR REPLACE FUNCTION dues.reconciliation_bucket(p_transaction text)"
                      " RETURNS smallint LANGUAGE sql IMMUTABLE AS 'SELECT 7::smallint'");
    struct reconciliation run = reconciled(f);

    assert_int_equal(run.own_count, 10 * 64);
    assert_int_equal(asked_count, 10 * 64);
    assert_int_equal(of_customer(f, "count(*) FROM incident", payer.customer), 0);
}

/* Driven step by step: no statement takes in more than a page of ours. */
static void ours_are_taken_in_by_pages(void **state)
{
    struct payment_fixture *f = *state;
    struct gateway gateway = given_gateway(f);
    struct begun begun = {.ahead_us = US_PER_HOUR};
    struct driving driving = {.run = &begun.run, .steps = 1};
    int64_t most = 0;
    given_paid_often(f, 2500);

    gateway.list_transactions = list_nothing;
    f->gateways.list[0] = &gateway;
    assert_null(db_run(f->db, begin, &begun));
    for (int64_t i = 0, before = 0; before < 2500 && i < STEPS_MAX; i++) {
        assert_null(db_run(f->db, drive, &driving));
        most = begun.run.own_count - before > most ? begun.run.own_count - before : most;
        before = begun.run.own_count;
    }

    assert_int_equal(begun.run.own_count, 2500);
    assert_in_range(most, 1, 2000);
}

/* Money that is held for ever, of so many in one hour: all of it is told, by one run. */
static void leaks_are_found_however_many_there_are(void **state)
{
    struct payment_fixture *f = *state;
    struct gateway gateway = given_gateway(f);
    struct payer payer = given_paid(f);
    const char *customer = db_uuid_text(f->db, payer.customer);

    db_execute(
        f->db,
        db_printf(
            f->db,
            "INSERT INTO payment SELECT (jsonb_populate_record(p, jsonb_build_object("
            " 'payment_id', gen_random_uuid(), 'state', 'REQUIRES_CAPTURE', 'is_manual', true,"
            " 'amount_captured', 0, 'amount_capturable', p.amount,"
            " 'authorization_expire_time', clock_timestamp() - interval '3 d'))).*"
            "  FROM payment p, generate_series(1, %d) n WHERE p.customer_id = '%s';"
            "INSERT INTO attempt SELECT (jsonb_populate_record(a, jsonb_build_object("
            " 'attempt_id', gen_random_uuid(), 'payment_id', p.payment_id,"
            " 'operation', 'AUTHORIZE', 'gateway_transaction', 'ch_' || p.payment_id,"
            " 'gateway_key', replace(gen_random_uuid()::text, '-', ''),"
            " 'first_sent_time', clock_timestamp() - interval '8 d'))).*"
            "  FROM attempt a JOIN payment p USING (customer_id)"
            " WHERE a.customer_id = '%s' AND p.state = 'REQUIRES_CAPTURE'",
            LEAKS, customer, customer));
    gateway.list_transactions = list_nothing;
    f->gateways.list[0] = &gateway;
    reconciled(f);

    assert_int_equal(of_customer(f, "count(*) FILTER (WHERE kind = 'NEVER_CAPTURED') FROM incident",
                                 payer.customer),
                     LEAKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECONCILE_TEST(a_thousand_are_confirmed_at_once),
        RECONCILE_TEST(what_is_confirmed_is_not_asked_about_again),
        RECONCILE_TEST(a_list_of_many_pages_is_read),
        RECONCILE_TEST(many_that_differ_are_asked_about),
        RECONCILE_TEST(ours_are_taken_in_by_pages),
        RECONCILE_TEST(leaks_are_found_however_many_there_are),
    };
    return cmocka_run_group_tests_name("reconciliation of many", tests, NULL, NULL);
}
