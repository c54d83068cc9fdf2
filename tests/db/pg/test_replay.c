/*
 * Recorded answers: the first answer again, byte for byte, or the reason why not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/replay.h"
#include "support/db_fixture.h"

/* A step function as the rooms write them, around request_record. */
#define CREATE_STEP                                                                                \
    "CREATE FUNCTION dues.step(p_customer uuid, p_caller text, p_method text, p_request_id text,"  \
    " p_hash bytea, p_object uuid, p_answer bytea, p_now timestamptz,"                             \
    " OUT outcome text, OUT answer bytea, OUT object_id uuid)"                                     \
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$"                     \
    " BEGIN"                                                                                       \
    "   SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id"                   \
    "     FROM request_record(p_customer, ROW(p_caller, p_method, p_request_id, p_hash),"          \
    "                         p_object, p_answer, p_now) r;"                                       \
    " END $$;"                                                                                     \
    "GRANT EXECUTE ON FUNCTION dues.step(uuid, text, text, text, bytea, uuid, bytea, timestamptz)" \
    " TO dues_service"

static const struct pg_statement step = {
    .name = "step",
    .sql = "SELECT * FROM step($1, $2, $3, $4, $5, $6, $7, $8)",
};

struct request {
    struct uuid customer;
    const char *request_id;
    const char *caller; /* NULL: the usual one */
    const char *answer; /* NULL: money in flight */
    uint8_t content;    /* another content, another hash */
    bool only_look;
    /* what came of it */
    bool found;
    bool replayed;
    struct uuid object;
    char recorded[64];
    size_t recorded_size;
};

static const struct error *ask(struct call *call, void *arg)
{
    struct request *request = arg;
    struct pg_rows rows;

    call->request_id = request->request_id;
    memset(call->request_hash, request->content, sizeof(call->request_hash));
    if (request->caller != NULL)
        call->caller.spiffe_id = request->caller;
    if (request->only_look) {
        TRY(replay_find(call, request->customer, &request->found, &request->object));
    } else {
        struct uuid object = uuid_make(call->house->random, call->now_us);
        TRY(pg_write(call, request->customer, &step,
                     PG_PARAMS(pg_uuid(request->customer), REPLAY_PARAMS(call), pg_uuid(object),
                               pg_bytes(request->answer,
                                        request->answer != NULL ? strlen(request->answer) : 0),
                               pg_time(call->now_us)),
                     &rows));
        TRY(replay_outcome(call, &rows, &request->found));
        request->object = pg_get_uuid(&rows, 0, "object_id");
    }
    request->replayed = call->replayed;
    request->recorded_size = call->recorded.size;
    if (call->recorded.bytes != NULL)
        snprintf(request->recorded, sizeof(request->recorded), "%s",
                 (const char *)call->recorded.bytes);
    return NULL;
}

static const struct error *look(struct db_fixture *f, struct request request,
                                struct request *result)
{
    request.only_look = true;
    const struct error *error = db_run(f, ask, &request);
    *result = request;
    return error;
}

static struct request given_answered(struct db_fixture *f, const char *answer)
{
    struct request request = {
        .customer = db_uuid(f), .request_id = "request-1", .content = 1, .answer = answer};

    assert_null(db_run(f, ask, &request));
    assert_false(request.found);
    return request;
}

static void finds_nothing_before_the_first_time(void **state)
{
    struct db_fixture *f = *state;
    struct request result;
    const struct request request = {.customer = db_uuid(f), .request_id = "request-1"};

    const struct error *error = look(f, request, &result);

    assert_null(error);
    assert_false(result.found);
    assert_true(uuid_is_nil(result.object));
}

static void answers_again_what_was_answered_first(void **state)
{
    struct db_fixture *f = *state;
    struct request first = given_answered(f, "the answer");
    struct request again = first;
    struct request result;

    again.answer = "another answer";
    const struct error *look_error = look(f, first, &result);
    const struct error *step_error = db_run(f, ask, &again);

    assert_null(look_error);
    assert_true(result.found);
    assert_true(result.replayed);
    assert_string_equal(result.recorded, "the answer");
    assert_int_equal(result.recorded_size, strlen("the answer"));
    assert_null(step_error);
    assert_true(again.found);
    assert_true(again.replayed);
    assert_string_equal(again.recorded, "the answer");
    assert_true(uuid_equal(again.object, first.object));
}

static void replays_an_answer_of_no_bytes(void **state)
{
    struct db_fixture *f = *state;
    struct request first = given_answered(f, "");
    struct request result;

    const struct error *error = look(f, first, &result);

    assert_null(error);
    assert_true(result.found);
    assert_int_equal(result.recorded_size, 0);
}

static void refuses_another_request_under_the_same_id(void **state)
{
    struct db_fixture *f = *state;
    struct request other = given_answered(f, "the answer");
    struct request result;

    other.content = 2;
    const struct error *look_error = look(f, other, &result);
    const struct error *step_error = db_run(f, ask, &other);

    assert_int_equal(look_error->status, STATUS_INVALID_ARGUMENT);
    assert_string_equal(look_error->reason, "REQUEST_ID_REUSED");
    assert_string_equal(look_error->metadata[0].value, "request-1");
    assert_int_equal(step_error->status, STATUS_INVALID_ARGUMENT);
    assert_string_equal(step_error->reason, "REQUEST_ID_REUSED");
}

static void says_that_the_first_request_is_still_running(void **state)
{
    struct db_fixture *f = *state;
    struct request first = given_answered(f, NULL);
    struct request again = first;
    struct request result;

    const struct error *look_error = look(f, first, &result);
    const struct error *step_error = db_run(f, ask, &again);

    assert_null(look_error);
    assert_false(result.found);
    assert_true(uuid_equal(result.object, first.object));
    assert_int_equal(step_error->status, STATUS_ABORTED);
    assert_string_equal(step_error->reason, "REQUEST_IN_PROGRESS");
    assert_true(step_error->retry_after_ms > 0);
}

static void answers_the_definitive_answer_once_it_is_known(void **state)
{
    struct db_fixture *f = *state;
    struct request first = given_answered(f, NULL);
    struct request result;
    const char *customer = db_uuid_text(f, first.customer);
    const char *object = db_uuid_text(f, first.object);

    db_number(f, db_printf(f, "SELECT 1 FROM dues.request_answer('%s', '%s', '/test', 'known')",
                           customer, object));
    db_number(f, db_printf(f, "SELECT 1 FROM dues.request_answer('%s', '%s', '/test', 'later')",
                           customer, object));
    const struct error *error = look(f, first, &result);

    assert_null(error);
    assert_true(result.found);
    assert_string_equal(result.recorded, "known");
}

static void keeps_callers_and_customers_apart(void **state)
{
    struct db_fixture *f = *state;
    struct request other_caller = given_answered(f, "the answer");
    struct request other_customer = other_caller;
    struct request result;

    other_caller.caller = "spiffe://dues.local/service/another";
    other_customer.customer = db_uuid(f);
    const struct error *caller_error = look(f, other_caller, &result);
    bool caller_found = result.found;
    const struct error *customer_error = look(f, other_customer, &result);

    assert_null(caller_error);
    assert_false(caller_found);
    assert_null(customer_error);
    assert_false(result.found);
}

static void records_nothing_without_a_request_id(void **state)
{
    struct db_fixture *f = *state;
    struct request request = {.customer = db_uuid(f), .request_id = "", .answer = "the answer"};
    struct request result;
    int64_t before = db_count(f, "recorded_request");

    const struct error *first = db_run(f, ask, &request);
    const struct error *second = db_run(f, ask, &request);
    const struct error *third = look(f, request, &result);

    assert_null(first);
    assert_null(second);
    assert_null(third);
    assert_false(request.found);
    assert_false(result.found);
    assert_int_equal(db_count(f, "recorded_request"), before);
}

static void lets_one_of_two_racing_calls_win(void **state)
{
    struct db_fixture *f = *state;
    struct request requests[16];
    const struct error *errors[16];
    size_t first_count = 0;
    struct uuid customer = db_uuid(f);

    for (size_t i = 0; i < 16; i++)
        requests[i] =
            (struct request){.customer = customer, .request_id = "race", .answer = "the answer"};
    db_run_all(f, ask, requests, sizeof(requests[0]), 16, errors);

    for (size_t i = 0; i < 16; i++) {
        assert_null(errors[i]);
        assert_true(uuid_equal(requests[i].object, requests[0].object));
        first_count += !requests[i].found;
    }
    assert_int_equal(first_count, 1);
}

/*
 * Another step forgets the row between the INSERT that met it and the SELECT that reads it.  A
 * trigger, which runs just there, stands for it.
 */
#define FORGET_BETWEEN                                                                             \
    "CREATE FUNCTION dues.forget() RETURNS trigger LANGUAGE plpgsql AS $$"                         \
    " BEGIN DELETE FROM dues.recorded_request WHERE answer = 'forgotten'; RETURN NULL; END $$;"    \
    "CREATE TRIGGER forget AFTER INSERT ON dues.recorded_request EXECUTE FUNCTION dues.forget()"

static void takes_the_place_of_a_row_that_is_forgotten_meanwhile(void **state)
{
    struct db_fixture *f = *state;
    struct request first = given_answered(f, "forgotten");
    struct request again = first;

    again.answer = "the answer";
    db_execute(f, FORGET_BETWEEN);
    const struct error *error = db_run(f, ask, &again);
    db_execute(f, "DROP FUNCTION dues.forget() CASCADE");

    assert_null(error);
    assert_false(again.found);
    assert_false(uuid_equal(again.object, first.object));
    assert_int_equal(db_count(f, db_printf(f,
                                           "dues.recorded_request WHERE answer = 'the answer'"
                                           " AND object_id = '%s'",
                                           db_uuid_text(f, again.object))),
                     1);
}

static int setup(void **state)
{
    db_setup(state);
    db_execute(*state, CREATE_STEP);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_nothing_before_the_first_time),
        cmocka_unit_test(answers_again_what_was_answered_first),
        cmocka_unit_test(replays_an_answer_of_no_bytes),
        cmocka_unit_test(refuses_another_request_under_the_same_id),
        cmocka_unit_test(says_that_the_first_request_is_still_running),
        cmocka_unit_test(answers_the_definitive_answer_once_it_is_known),
        cmocka_unit_test(keeps_callers_and_customers_apart),
        cmocka_unit_test(records_nothing_without_a_request_id),
        cmocka_unit_test(lets_one_of_two_racing_calls_win),
        cmocka_unit_test(takes_the_place_of_a_row_that_is_forgotten_meanwhile),
    };
    return cmocka_run_group_tests_name("replay", tests, setup, db_teardown);
}
