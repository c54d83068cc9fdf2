/*
 * UpdatePaymentMethod changes what a customer may change of a card: that it is the default, the
 * expiry that the bank has renewed, the consent to later charges.  The token never changes: another
 * card is another method.
 */

#include "payment/payment_internal.h"

#include "contract/field_mask.h"
#include "payment/mandate.h"
#include "payment/payment_proto.h"
#include "pg/replay.h"

#define CHANGED_TRIES_MAX 3
#define YEAR_MIN          2000
#define YEAR_MAX          2199
#define MANDATE_FIELD     "payment_method.mandate"

typedef Dues__Payment__V1__UpdatePaymentMethodRequest Request;
typedef Dues__Payment__V1__PaymentMethod Reply;

enum { IS_DEFAULT, EXP_MONTH, EXP_YEAR, MANDATE, FIELD_COUNT };

static const char *const fields[FIELD_COUNT] = {
    [IS_DEFAULT] = "is_default",
    [EXP_MONTH] = "exp_month",
    [EXP_YEAR] = "exp_year",
    [MANDATE] = "mandate",
};

struct wish {
    struct uuid ids[2]; /* whose, which */
    bool named[FIELD_COUNT];
    struct mandate mandate;
};

static const struct error *validate(struct call *call, const Request *req, struct wish *wish)
{
    struct field_errors errors = {.call = call};
    const Reply *method = req->payment_method;

    check_field_mask(&errors, "update_mask", req->update_mask, fields, FIELD_COUNT, wish->named);
    if (method == NULL) {
        field_error_add(&errors, "payment_method", "must be given");
        return field_errors_result(&errors);
    }
    check_owned_name(&errors, "payment_method.name", method->name, PAYMENT_METHOD_PATTERN,
                     wish->ids, 2);
    if (wish->named[IS_DEFAULT] && !method->is_default)
        field_error_add(&errors, "payment_method.is_default",
                        "must be true; make another method the default instead");
    if (wish->named[EXP_MONTH] && (method->exp_month < 1 || method->exp_month > 12))
        field_error_add(&errors, "payment_method.exp_month", "must be 1 to 12");
    if (wish->named[EXP_YEAR] && (method->exp_year < YEAR_MIN || method->exp_year > YEAR_MAX))
        field_error_add(&errors, "payment_method.exp_year", "must be %d to %d", YEAR_MIN, YEAR_MAX);
    wish->mandate = mandate_none;
    if (wish->named[MANDATE])
        mandate_from_proto(&errors, MANDATE_FIELD, method->mandate, &wish->mandate);
    return field_errors_result(&errors);
}

static const struct error *change(struct call *call, const Request *req, const struct wish *wish,
                                  const struct payment_method *before, struct payment_method *after)
{
    const Reply *method = req->payment_method;

    if (before->state == PAYMENT_METHOD_DELETED)
        return refuse(call, STATUS_FAILED_PRECONDITION, "PAYMENT_METHOD_UNUSABLE",
                      "the payment method was deleted");
    *after = *before;
    if (wish->named[IS_DEFAULT])
        after->is_default = true;
    if (wish->named[EXP_MONTH])
        after->exp_month = method->exp_month;
    if (wish->named[EXP_YEAR])
        after->exp_year = method->exp_year;
    if (wish->named[MANDATE])
        after->mandate = wish->mandate;
    /* As SQL payment_method_update does: other data of the card end what the bank has stopped. */
    if (after->state == PAYMENT_METHOD_STOPPED &&
        (after->exp_month != before->exp_month || after->exp_year != before->exp_year))
        after->state = PAYMENT_METHOD_ACTIVE;
    return NULL;
}

/* Declines, the gateway and other calls change it, too; then it is decided anew. */
static const struct error *record(struct call *call, const Request *req, const struct wish *wish,
                                  int64_t now_us, Reply *reply)
{
    bool changed = true;

    for (int tries = 0; changed && tries < CHANGED_TRIES_MAX; tries++) {
        struct payment_method before;
        struct payment_method after;

        TRY(payment_method_load(call, wish->ids[0], wish->ids[1], &before));
        TRY(change(call, req, wish, &before, &after));
        payment_method_to_proto(call->arena, &after, reply);
        TRY(payment_method_update(call, &before, &after, message_pack(call->arena, &reply->base),
                                  now_us, &changed));
    }
    if (changed)
        return refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                      "other calls changed the payment method at the same time");
    return NULL;
}

const struct error *update_payment_method(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    struct customer customer;
    struct wish wish;
    bool replayed;

    TRY(validate(call, req, &wish));
    TRY(owner_check(call, wish.ids[0], "PAYMENT_METHOD_NOT_FOUND", req->payment_method->name));
    TRY(replay_find(call, wish.ids[0], &replayed, NULL));
    if (replayed)
        return NULL;
    /* Nobody learns here whether the customer exists. */
    struct payment_method found;
    TRY(payment_method_load(call, wish.ids[0], wish.ids[1], &found));
    TRY(customer_load(call, wish.ids[0], &customer));
    TRY(mandate_begin(call, MANDATE_FIELD, customer.now_us, &wish.mandate));
    return record(call, req, &wish, customer.now_us, reply);
}
