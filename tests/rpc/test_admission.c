/*
 * More work than the database does: refused at the door while it is so, and nothing that was let in
 * is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "rpc/admission.h"
#include "support/rpc_payment.h"
#include "support/rpc_raw.h"

#define GET_PAYMENT "/dues.payment.v1.PaymentService/GetPayment"

/* More than are let in when nothing is answered, and not more than a connection may have. */
#define WAITING (4 * ADMISSION_LEAST)

static int setup(void **state)
{
    *state = rpc_fixture_new("sandbox = on\nadmission_target_ms = 50\nread_lanes = 1\n");
    return 0;
}

struct queue {
    struct rpc_raw *raw;
    struct rpc_raw_stream *streams[WAITING];
};

/* Calls that the database does not answer until its table is let go. */
static void start_waiting(struct rpc_fixture *f, const char *payment, struct queue *queue)
{
    uint8_t bytes[256] = {0x0a, (uint8_t)strlen(payment)};

    memcpy(bytes + 2, payment, strlen(payment));
    queue->raw =
        rpc_raw_open(f->target, test_authority_pem(f->authority), f->pairs[SERVICE_BILLING]);
    for (int i = 0; i < WAITING; i++) {
        queue->streams[i] = rpc_raw_start(queue->raw, GET_PAYMENT);
        rpc_raw_send(queue->streams[i], bytes, strlen(payment) + 2);
        rpc_raw_half_close(queue->streams[i]);
    }
}

/* How many of them were answered OK. */
static int finish_waiting(struct queue *queue)
{
    int answered = 0;

    for (int i = 0; i < WAITING; i++) {
        size_t size;
        free(rpc_raw_receive(queue->streams[i], 10000, &size));
        answered += rpc_raw_finish(queue->streams[i]) == DUES_OK;
    }
    rpc_raw_close(queue->raw);
    return answered;
}

static const struct dues_answer *ask_until(struct rpc_fixture *f, const char *payment, int status)
{
    const struct dues_answer *answer = NULL;

    for (int tries = 0; tries < 600; tries++) {
        answer =
            ask_payment_by_name(f, (struct rpc_as){.identity = SERVICE_BILLING, .deadline_ms = 300},
                                "GetPayment", payment);
        if (answer->status == status)
            break;
        usleep(50 * 1000);
    }
    return answer;
}

static void refuses_at_the_door_while_the_database_is_busy(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));
    struct queue queue;

    db_execute(f->db, "BEGIN");
    db_execute(f->db, "LOCK TABLE dues.payment IN ACCESS EXCLUSIVE MODE");
    start_waiting(f, payment, &queue);
    const struct dues_answer *refused = ask_until(f, payment, DUES_RESOURCE_EXHAUSTED);
    const struct dues_answer *keys =
        rpc_ask_bytes(f, AS(SERVICE_BILLING), "/dues.auth.v1.AuthService/GetKeySet", "", 0);
    db_execute(f->db, "COMMIT");
    int answered = finish_waiting(&queue);
    const struct dues_answer *later = ask_until(f, payment, DUES_OK);

    assert_int_equal(refused->status, DUES_RESOURCE_EXHAUSTED);
    assert_string_equal(refused->reason, "OVERLOADED");
    assert_in_range(refused->retry_after_ms, 500, 1500);
    assert_int_equal(keys->status, DUES_OK); /* needs no database */
    assert_int_equal(answered, WAITING);     /* let in, so not lost */
    assert_int_equal(later->status, DUES_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_at_the_door_while_the_database_is_busy),
    };

    return cmocka_run_group_tests_name("admission", tests, setup, rpc_teardown);
}
