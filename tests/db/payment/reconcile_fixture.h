/*
 * Reconciliations in tests of the database's steps: what differs is planted at the gateway or in
 * our books, and a run is driven from its beginning to its end.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/time.h"
#include "db/payment/payment_fixture.h"
#include "jobs/jobs.h"
#include "payment/reconcile.h"

#define STEPS_MAX 2000

/* The gateway's own things are done with requests that dues knows nothing of. */
struct foreign {
    struct gateway_request request;
    struct gateway_answer answer;
};

static inline const struct error *do_at_gateway(struct call *call, void *arg)
{
    struct foreign *foreign = arg;
    const struct gateway *gateway = call->house->gateways->list[0];

    gateway->send(gateway, call, &foreign->request, &foreign->answer);
    return NULL;
}

static inline struct foreign given_at_gateway(struct payment_fixture *f,
                                              enum gateway_operation operation, const char *key,
                                              const char *reference, const char *acted_on,
                                              int64_t minor_units)
{
    struct foreign foreign = {
        .request =
            {
                .operation = operation,
                .idempotency_key = key,
                .reference = reference,
                .payment = "",
                .amount = money_make("USD", minor_units),
                .token = operation == GATEWAY_CHARGE ? "tok_visa" : "",
                .transaction = acted_on,
            },
    };

    assert_null(db_run(f->db, do_at_gateway, &foreign));
    assert_int_equal(foreign.answer.outcome, GATEWAY_SUCCEEDED);
    foreign.answer.transaction = arena_strdup(f->db->arena, foreign.answer.transaction);
    return foreign;
}

static inline void release(struct asked *asked)
{
    if (asked->reply != NULL)
        protobuf_c_message_free_unpacked(asked->reply, NULL);
    asked->reply = NULL;
}

/* A payment of 10.00 USD in the books of both. */
static inline struct payer given_paid(struct payment_fixture *f)
{
    struct payer payer = given_payer(f, "tok_visa");
    struct asked paying = asked_payment(f, payer.customer, payer.method, 1000, "request-1");

    assert_null(db_run(f->db, asked_run, &paying));
    release(&paying);
    return payer;
}

struct begun {
    struct reconciliation run;
    int64_t ahead_us; /* it lists so much more than what was */
};

static inline const struct error *begin(struct call *call, void *arg)
{
    struct begun *begun = arg;
    bool replayed;

    begun->run = (struct reconciliation){
        .id = uuid_make(call->house->random, call->now_us),
        .gateway = "sandbox",
        .from_us = call->now_us - 3 * US_PER_DAY,
        .until_us = call->now_us + begun->ahead_us,
        .requester = "test",
    };
    call->request_id = "";
    return reconciliation_begin(call, &begun->run, (struct bytes){NULL, 0}, &replayed);
}

struct driving {
    struct reconciliation *run;
    int32_t steps; /* of which the call has time for; INT32_MAX: all */
};

static inline const struct error *drive(struct call *call, void *arg)
{
    struct driving *driving = arg;
    struct pg_rows rows;
    static const struct pg_statement owed = {
        .name = "test_owed",
        .sql = "SELECT epoch FROM obligation WHERE customer_id = $1 AND kind = 'reconcile.run'"
               "   AND business_key = $2",
    };

    TRY(pg_read(
        call, HOUSE_CUSTOMER, &owed,
        PG_PARAMS(pg_uuid(HOUSE_CUSTOMER), pg_text(uuid_text(call->arena, driving->run->id))),
        &rows));
    if (rows.count > 0) {
        const struct obligation obligation = {
            .customer = HOUSE_CUSTOMER,
            .kind = "reconcile.run",
            .business_key = uuid_text(call->arena, driving->run->id),
            .subject = driving->run->id,
            .now_us = call->now_us,
            .epoch = pg_get_int64(&rows, 0, "epoch"),
        };
        /* As a job whose lease ends: one step a run. */
        call->deadline_us =
            clock_monotonic_us(call->house->clock) + (driving->steps == 1 ? 3 : 50) * US_PER_SECOND;
        TRY(reconcile_run_job.run(call, &obligation));
    }
    TRY(reconciliation_load(call, driving->run->id, driving->run));
    driving->run->state = strcmp(driving->run->state, "RUNNING") == 0 ? "RUNNING" : "ENDED";
    driving->run->stage = "";
    return NULL;
}

/* Runs a whole reconciliation, `steps` at a time. */
static inline struct reconciliation reconciled_by(struct payment_fixture *f, int32_t steps)
{
    struct begun begun = {.ahead_us = US_PER_HOUR}; /* what the test does is due, too */
    struct driving driving = {.run = &begun.run, .steps = steps};

    assert_null(db_run(f->db, begin, &begun));
    for (int i = 0; i < STEPS_MAX; i++) {
        assert_null(db_run(f->db, drive, &driving));
        if (strcmp(begun.run.state, "RUNNING") != 0)
            return begun.run;
    }
    fail_msg("the reconciliation does not end");
    return begun.run;
}

static inline struct reconciliation reconciled(struct payment_fixture *f)
{
    return reconciled_by(f, INT32_MAX);
}

/* One whose list ends `ahead_us` from now, driven once; what it came to. */
static inline struct reconciliation reconciled_once(struct payment_fixture *f, int64_t ahead_us)
{
    struct begun begun = {.ahead_us = ahead_us};
    struct driving driving = {.run = &begun.run, .steps = INT32_MAX};

    assert_null(db_run(f->db, begin, &begun));
    assert_null(db_run(f->db, drive, &driving));
    return begun.run;
}

/* As two operators would have it: all that is in suspense belongs there. */
static inline void carry_out_all(struct payment_fixture *f, struct uuid customer,
                                 const char *account)
{
    const char *id = db_uuid_text(f->db, customer);

    db_execute(
        f->db,
        db_printf(f->db,
                  "SET search_path = dues;"
                  "UPDATE incident SET state = 'APPROVED', version = version + 1,"
                  "       resolution = 'POST_FROM_SUSPENSE', account = '%s'"
                  " WHERE customer_id = '%s' AND state = 'OPEN';"
                  "SELECT obligation_add(customer_id, 'incident.resolve', incident_id::text,"
                  "       incident_id, clock_timestamp(), false, clock_timestamp())"
                  "  FROM incident WHERE customer_id = '%s' AND state = 'APPROVED';"
                  "SELECT incident_finish(o.customer_id, o.subject_id, o.epoch, true, 'done',"
                  "       gen_random_uuid(), clock_timestamp())"
                  "  FROM obligation o WHERE o.customer_id = '%s' AND o.kind = 'incident.resolve'",
                  account, id, id, id));
}

static inline int64_t cleared(struct payment_fixture *f, struct uuid customer)
{
    return of_customer(f,
                       "coalesce(sum(amount) FILTER (WHERE account LIKE 'gateway_clearing%'"
                       " AND kind <> 'fee'), 0) FROM ledger_entry",
                       customer);
}

/* Each test has books of its own on both sides, whose times are of one clock. */
static inline int fresh(void **state)
{
    if (payment_setup(state) != 0)
        return -1;
    struct payment_fixture *f = *state;
    fake_clock_set(&f->db->clock, clock_wall_us(clock_system()));
    return 0;
}

#define RECONCILE_TEST(test) cmocka_unit_test_setup_teardown(test, fresh, payment_teardown)
