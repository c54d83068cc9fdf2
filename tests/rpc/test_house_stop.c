/*
 * The end of the whole house while something long is under way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "dues/sandbox/v1/sandbox_service.pb-c.h"
#include "support/rpc_fixture.h"

/* To stop and to start again; a call that holds up the end takes twelve seconds. */
#define RESTART_US_MAX (10 * US_PER_SECOND)

struct advance {
    struct rpc_fixture *f;
    const char *clock;
    struct dues_client *client;
    int status;
};

static void *run_advance(void *argument)
{
    struct advance *advance = argument;
    Dues__Sandbox__V1__AdvanceTestClockRequest request =
        DUES__SANDBOX__V1__ADVANCE_TEST_CLOCK_REQUEST__INIT;
    Google__Protobuf__Timestamp target = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    target.seconds = FAKE_CLOCK_START_US / US_PER_SECOND + 3600;
    request.name = (char *)(uintptr_t)advance->clock;
    request.target_time = &target;
    advance->status =
        rpc_ask(advance->f, (struct rpc_as){.client = advance->client, .deadline_ms = 60000},
                &dues__sandbox__v1__sandbox_service__descriptor, "AdvanceTestClock", &request.base)
            ->status;
    return NULL;
}

/* As a crashed server leaves it: the advance has to wait until the lease is over. */
static const char *given_clock_with_a_leased_obligation(struct rpc_fixture *f)
{
    struct uuid clock = db_given_test_clock(f->db, FAKE_CLOCK_START_US);
    const char *customer = db_uuid_text(f->db, db_given_customer(f->db, clock));

    db_execute(f->db, db_printf(f->db,
                                "INSERT INTO obligation (customer_id, kind, business_key, bucket,"
                                " subject_id, due_time, test_clock_id, lease_until, create_time)"
                                " VALUES ('%s', 'membership.renew', '1', 0, '%s', '2026-01-01',"
                                " '%s', 'infinity', '2026-01-01')",
                                customer, customer, db_uuid_text(f->db, clock)));
    return db_printf(f->db, "testClocks/%s", db_uuid_text(f->db, clock));
}

static void does_not_wait_for_the_advance_of_a_clock(void **state)
{
    struct rpc_fixture *f = *state;
    struct advance advance = {
        .f = f,
        .clock = given_clock_with_a_leased_obligation(f),
        .client = rpc_client(f, f->pairs[SERVICE_BILLING]),
    };
    pthread_t thread;

    pthread_create(&thread, NULL, run_advance, &advance);
    usleep(500 * 1000); /* until it is under way */
    int64_t begin_us = clock_monotonic_us(clock_system());
    rpc_restart(f);
    int64_t took_us = clock_monotonic_us(clock_system()) - begin_us;
    pthread_join(thread, NULL);
    dues_client_close(advance.client);

    assert_true(took_us < RESTART_US_MAX);
    assert_int_equal(advance.status, DUES_DEADLINE_EXCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_not_wait_for_the_advance_of_a_clock),
    };

    return cmocka_run_group_tests_name("house stop", tests, rpc_setup, rpc_teardown);
}
