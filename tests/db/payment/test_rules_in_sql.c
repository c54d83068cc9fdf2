/*
 * The guards in SQL and the rules in C say the same, pair by pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/payment/payment_fixture.h"
#include "gateway/decline.h"

static void attempts_move_in_sql_as_in_c(void **state)
{
    struct payment_fixture *f = *state;

    for (int from = 0; from < ATTEMPT_STATE_COUNT; from++) {
        for (int to = 0; to < ATTEMPT_STATE_COUNT; to++) {
            const char *in_sql =
                db_text(f->db, db_printf(f->db, "SELECT '%s' = ANY (dues.attempt_sources('%s'))",
                                         attempt_state_name((enum attempt_state)from),
                                         attempt_state_name((enum attempt_state)to)));
            assert_int_equal(text_equal(in_sql, "t"),
                             attempt_may_move((enum attempt_state)from, (enum attempt_state)to));
        }
    }
}

static void payments_move_in_sql_as_in_c(void **state)
{
    struct payment_fixture *f = *state;

    for (int from = 0; from < PAYMENT_STATE_COUNT; from++) {
        for (int to = 0; to < PAYMENT_STATE_COUNT; to++) {
            const char *in_sql =
                db_text(f->db, db_printf(f->db, "SELECT '%s' = ANY (dues.payment_sources('%s'))",
                                         payment_state_name((enum payment_state)from),
                                         payment_state_name((enum payment_state)to)));
            assert_int_equal(text_equal(in_sql, "t"),
                             payment_may_move((enum payment_state)from, (enum payment_state)to));
        }
    }
}

/* By the text of its CHECK constraint. */
static bool table_knows(struct payment_fixture *f, const char *constraint, const char *state)
{
    const char *definition =
        db_text(f->db, db_printf(f->db,
                                 "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                                 " WHERE conname = '%s'",
                                 constraint));
    return strstr(definition, db_printf(f->db, "'%s'::text", state)) != NULL;
}

static void tables_know_every_state(void **state)
{
    struct payment_fixture *f = *state;

    for (int i = 0; i < PAYMENT_STATE_COUNT; i++)
        assert_true(
            table_knows(f, "payment_state_known", payment_state_name((enum payment_state)i)));
    for (int i = 0; i < ATTEMPT_STATE_COUNT; i++)
        assert_true(
            table_knows(f, "attempt_state_known", attempt_state_name((enum attempt_state)i)));
    for (int i = 0; i < REFUND_STATE_COUNT; i++)
        assert_true(table_knows(f, "refund_state_known", refund_state_name((enum refund_state)i)));
    for (int i = 0; i < GATEWAY_OPERATION_COUNT; i++)
        assert_true(table_knows(f, "attempt_operation_known",
                                gateway_operation_name((enum gateway_operation)i)));
    assert_false(table_knows(f, "payment_state_known", "PENDING"));
}

static void the_same_declines_end_a_method(void **state)
{
    struct payment_fixture *f = *state;

    for (size_t i = 0; i < decline_count; i++) {
        const char *in_sql =
            db_text(f->db, db_printf(f->db, "SELECT dues.decline_ends_method('%s')",
                                     decline_table[i].code));
        assert_int_equal(text_equal(in_sql, "t"), decline_table[i].ends_method);
    }
}

static void the_same_declines_stop_a_method(void **state)
{
    struct payment_fixture *f = *state;

    for (size_t i = 0; i < decline_count; i++) {
        const char *in_sql = db_text(
            f->db, db_printf(f->db, "SELECT dues.decline_stops_method('%s', '05', '', 'visa')",
                             decline_table[i].code));
        assert_int_equal(text_equal(in_sql, "t"), decline_table[i].class == DECLINE_STOP);
    }
}

static void the_network_stops_a_method_whatever_the_code(void **state)
{
    static const struct {
        const char *network_code;
        const char *advice;
        const char *brand;
        bool stops;
    } known[] = {
        {"05", "do_not_try_again", "mastercard", true},
        {"05", "try_again_later", "visa", false},
        {"05", "confirm_card_data", "visa", false},
        {"R1", "", "mastercard", true},
        {"04", "", "visa", true},
        {"57", "", "visa", true},
        {"57", "", "mastercard", false},
        {"51", "", "visa", false},
        {"", "", "", false},
    };
    struct payment_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        const char *in_sql = db_text(
            f->db,
            db_printf(f->db, "SELECT dues.decline_stops_method('do_not_honor', '%s', '%s', '%s')",
                      known[i].network_code, known[i].advice, known[i].brand));
        assert_string_equal(in_sql, known[i].stops ? "t" : "f");
    }
    /* What the gateway does not tell stops nothing. */
    assert_string_equal(
        db_text(f->db, "SELECT coalesce(dues.decline_stops_method('do_not_honor', NULL, NULL,"
                       " 'visa'), false)"),
        "f");
}

static void the_table_knows_every_state_of_a_method(void **state)
{
    struct payment_fixture *f = *state;

    for (int i = 0; i < PAYMENT_METHOD_STATE_COUNT; i++)
        assert_true(table_knows(f, "payment_method_state_known",
                                payment_method_state_name((enum payment_method_state)i)));
}

static void the_database_knows_every_refund_reason(void **state)
{
    struct payment_fixture *f = *state;
    const ProtobufCEnumDescriptor *reasons = &dues__payment__v1__refund__reason__descriptor;

    for (unsigned i = 1; i < reasons->n_values; i++) {
        const char *name = refund_reason_name((Dues__Payment__V1__Refund__Reason)i);
        assert_true(table_knows(f, "refund_reason_known", name));
    }
}

/* How an attempt in people's hands leaves them, of a payment that stands like this. */
static const char *came_true(struct payment_fixture *f, const char *operation,
                             const char *decline_code, const char *payment, int captured,
                             const char *last_capture)
{
    const char *customer = db_uuid_text(f->db, db_uuid(f->db));
    const char *id = db_uuid_text(f->db, db_uuid(f->db));
    const char *attempt = db_uuid_text(f->db, db_uuid(f->db));

    db_execute(
        f->db,
        db_printf(
            f->db,
            "SET search_path = dues; SET session_replication_role = replica;"
            "INSERT INTO payment (customer_id, payment_id, payment_method_id, currency,"
            " amount, description, state, is_manual, amount_captured,"
            " amount_capturable, create_time,"
            " update_time) VALUES ('%s', '%s', '%s', 'USD', 800, '', '%s', true, %d, %d, now(),"
            " now());"
            "INSERT INTO attempt (customer_id, attempt_id, payment_id, operation, sequence,"
            " gateway, gateway_key, currency, amount, off_session, state, epoch,"
            " first_sent_time, send_count, create_time, decline_code, is_final)"
            " SELECT '%s', i.id::uuid, '%s', i.operation, i.sequence, 'stripe',"
            " repeat(i.sequence::text, 32), 'USD', 800, false, i.state, 1, now(), 1, now(),"
            " i.code, i.sequence = 2"
            " FROM (VALUES ('%s', '%s', 1, 'MANUAL', '%s'),"
            " (gen_random_uuid()::text, 'CAPTURE', 2, '%s', '')) AS i (id, operation,"
            " sequence, state, code);"
            "SELECT incident_rest_attempt('%s', '%s')",
            customer, id, db_uuid_text(f->db, db_uuid(f->db)), payment, captured,
            text_equal(payment, "REQUIRES_CAPTURE") ? 800 : 0, customer, id, attempt, operation,
            decline_code, last_capture, customer, attempt));
    return db_text(
        f->db, db_printf(f->db, "SELECT state FROM dues.attempt WHERE attempt_id = '%s'", attempt));
}

static void what_people_had_in_hand_ends_as_the_payment_says(void **state)
{
    struct payment_fixture *f = *state;

    assert_string_equal(came_true(f, "VOID", "", "CANCELED", 0, "FAILED"), "SUCCEEDED");
    assert_string_equal(came_true(f, "VOID", "", "SUCCEEDED", 500, "FAILED"), "SUCCEEDED");
    assert_string_equal(came_true(f, "VOID", "", "SUCCEEDED", 500, "SUCCEEDED"), "FAILED");
    assert_string_equal(came_true(f, "VOID", "", "SUCCEEDED", 800, "SUCCEEDED"), "FAILED");
    assert_string_equal(came_true(f, "VOID", "", "REQUIRES_CAPTURE", 0, "FAILED"), "FAILED");
    assert_string_equal(came_true(f, "AUTHORIZE", "", "REQUIRES_CAPTURE", 0, "FAILED"),
                        "SUCCEEDED");
    assert_string_equal(came_true(f, "AUTHORIZE", "", "CANCELED", 0, "FAILED"), "SUCCEEDED");
    assert_string_equal(came_true(f, "AUTHORIZE", "canceled", "CANCELED", 0, "FAILED"), "FAILED");
    assert_string_equal(came_true(f, "AUTHORIZE", "generic_decline", "FAILED", 0, "FAILED"),
                        "FAILED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payments_move_in_sql_as_in_c),
        cmocka_unit_test(attempts_move_in_sql_as_in_c),
        cmocka_unit_test(tables_know_every_state),
        cmocka_unit_test(the_same_declines_end_a_method),
        cmocka_unit_test(the_same_declines_stop_a_method),
        cmocka_unit_test(the_network_stops_a_method_whatever_the_code),
        cmocka_unit_test(the_table_knows_every_state_of_a_method),
        cmocka_unit_test(the_database_knows_every_refund_reason),
        cmocka_unit_test(what_people_had_in_hand_ends_as_the_payment_says),
    };
    return cmocka_run_group_tests_name("rules in SQL", tests, payment_setup, payment_teardown);
}
