/*
 * CreateCustomer makes somebody who pays but does not log in here.
 */
#include "base/settings.h"
#include "base/text.h"
#include "crypto/request_id.h"
#include "membership/handlers.h"
#include "membership/statements.h"
#include "pg/replay.h"

static const struct error *validate(struct call *call, const Customer *wanted,
                                    struct customer *customer)
{
    struct field_errors errors = {.call = call};

    check_text(&errors, "customer.display_name", wanted->display_name, 0, 63);
    if (wanted->email[0] != '\0')
        check_email(&errors, "customer.email", wanted->email);
    customer->test_clock = UUID_NIL;
    if (wanted->test_clock[0] != '\0') {
        if (call->house->settings->sandbox)
            check_name(&errors, "customer.test_clock", wanted->test_clock, "testClocks/{}",
                       &customer->test_clock, 1);
        else
            field_error_add(&errors, "customer.test_clock", "is only for servers with a sandbox");
    }
    customer->display_name = wanted->display_name;
    customer->email = wanted->email;
    return field_errors_result(&errors);
}

const struct pg_statement customer_create_statement = {
    .name = "customer_create",
    .sql = "SELECT * FROM customer_create($1, ROW($2,$3,$4,$5)::request_key, $6, $7, $8, $9, $10)",
};

static const struct error *record(struct call *call, const struct customer *customer,
                                  const Customer *reply)
{
    struct bytes answer = message_pack(call->arena, &reply->base);
    struct pg_rows rows;
    bool replayed;

    TRY(pg_write(call, customer->id, &customer_create_statement,
                 PG_PARAMS(pg_uuid(customer->id), REPLAY_PARAMS(call),
                           pg_bytes(answer.data, answer.size), pg_text(customer->display_name),
                           pg_text(customer->email[0] != '\0' ? customer->email : NULL),
                           pg_uuid_or_null(customer->test_clock), pg_time(customer->now_us)),
                 &rows));
    return replay_outcome(call, &rows, &replayed);
}

const struct error *create_customer(struct call *call, const void *request, void *reply)
{
    static const Customer nobody = DUES__MEMBERSHIP__V1__CUSTOMER__INIT;
    const CreateCustomerRequest *req = request;
    struct customer customer = {.now_us = call->now_us};
    bool found = false;
    struct uuid object;

    TRY(validate(call, req->customer != NULL ? req->customer : &nobody, &customer));
    if (call->request_id[0] != '\0') {
        customer.id = uuid_of_request(call);
        TRY(replay_find(call, customer.id, &found, &object));
        if (found)
            return NULL;
    } else {
        customer.id = uuid_make(call->house->random, call->now_us);
    }
    if (!uuid_is_nil(customer.test_clock))
        TRY(test_clock_load(call, customer.test_clock, &customer.now_us));
    customer.create_time_us = customer.now_us;
    call->customer = uuid_text(call->arena, customer.id);
    customer_to_proto(call->arena, &customer, reply);
    return record(call, &customer, reply);
}
