/*
 * DeletePaymentMethod forgets a card's token; what was paid with it stays.  A membership is never
 * left without a card to renew with: it goes over to the default, or the deletion is refused.  A
 * gateway that keeps cards lets go of it afterwards: payment_method_tell.c.
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "pg/replay.h"

const struct pg_statement payment_method_delete_statement = {
    .name = "payment_method_delete",
    .sql = "SELECT outcome, answer, object_id"
           "  FROM payment_method_delete($1, ROW($2, $3, $4, $5)::request_key, $6, $7, $8)",
};

static const struct error *in_use(struct call *call, const char *why)
{
    return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_METHOD_IN_USE", "%s", why);
}

static const struct error *answer(struct call *call, const struct pg_rows *rows, const char *name)
{
    const char *outcome = pg_get_text(rows, 0, "outcome");
    bool replayed;

    if (text_equal(outcome, "absent"))
        return not_found(call, "PAYMENT_METHOD_NOT_FOUND", name);
    if (text_equal(outcome, "in_flight"))
        return in_use(call, "what became of a charge of the payment method is not known yet");
    if (text_equal(outcome, "in_use"))
        return in_use(call, "a membership renews with the payment method, and no other default can"
                            " be charged");
    return replay_outcome(call, rows, &replayed);
}

const struct error *delete_payment_method(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__DeletePaymentMethodRequest *req = request;
    struct field_errors errors = {.call = call};
    struct payment_method method;
    struct customer customer;
    struct uuid ids[2];
    struct pg_rows rows;
    bool replayed;

    (void)reply; /* google.protobuf.Empty */
    check_owned_name(&errors, "name", req->name, PAYMENT_METHOD_PATTERN, ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "PAYMENT_METHOD_NOT_FOUND", req->name));
    TRY(replay_find(call, ids[0], &replayed, NULL));
    if (replayed)
        return NULL;
    TRY(payment_method_load(call, ids[0], ids[1], &method));
    TRY(customer_load(call, ids[0], &customer));
    TRY(pg_write(call, ids[0], &payment_method_delete_statement,
                 PG_PARAMS(pg_uuid(ids[0]), REPLAY_PARAMS(call), pg_uuid(ids[1]),
                           pg_bool(payment_method_is_told(call, &method)),
                           pg_time(customer.now_us)),
                 &rows));
    return answer(call, &rows, req->name);
}
