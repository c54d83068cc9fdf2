/*
 * Payments and refunds through the API.
 */
#include "support/rpc_payment.h"

#include <pthread.h>

#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "support/patience.h"

/* protobuf-c's fields are not const, though packing only reads them. */
static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

const void *must_reply(const struct dues_answer *answer)
{
    if (answer->status != DUES_OK)
        bug("%s %s: %s", dues_status_name(answer->status), answer->reason, answer->message);
    return answer->reply;
}

bool is_replayed(const struct dues_answer *answer)
{
    for (size_t i = 0; i < answer->trailer_count; i++) {
        if (text_equal(answer->trailers[i].key, "idempotent-replayed"))
            return text_equal(answer->trailers[i].value, "true");
    }
    return false;
}

struct payer given_payer(struct rpc_fixture *f, const char *token)
{
    const char *customer = given_customer(f, "");

    return (struct payer){customer, given_card(f, customer, token)};
}

const struct dues_answer *ask_payment_service(struct rpc_fixture *f, struct rpc_as as,
                                              const char *method, const ProtobufCMessage *request)
{
    return rpc_ask(f, as, &dues__payment__v1__payment_service__descriptor, method, request);
}

struct payment_wish wish_of(struct payer payer, const char *request_id)
{
    return (struct payment_wish){
        .as = AS(SERVICE_BILLING),
        .parent = payer.customer,
        .payment_method = payer.card,
        .currency = "USD",
        .minor_units = 999,
        .description = "",
        .request_id = request_id,
    };
}

const struct dues_answer *ask_wished(struct rpc_fixture *f, const struct payment_wish *wish)
{
    Dues__Payment__V1__CreatePaymentRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_REQUEST__INIT;
    Payment payment = DUES__PAYMENT__V1__PAYMENT__INIT;
    Dues__Type__V1__Money amount = DUES__TYPE__V1__MONEY__INIT;

    amount.currency_code = writable(wish->currency);
    amount.minor_units = wish->minor_units;
    payment.amount = &amount;
    payment.payment_method = writable(wish->payment_method);
    payment.description = writable(wish->description);
    payment.capture_mode = (Dues__Payment__V1__Payment__CaptureMode)wish->capture_mode;
    request.parent = writable(wish->parent);
    request.payment = &payment;
    request.request_id = writable(wish->request_id);
    return ask_payment_service(f, wish->as, "CreatePayment", &request.base);
}

void resolver_rests(struct rpc_fixture *f)
{
    fake_clock_set(f->clock, clock_wall_us(clock_system()));
}

const struct dues_answer *ask_payment(struct rpc_fixture *f, struct payer payer,
                                      const char *request_id)
{
    struct payment_wish wish = wish_of(payer, request_id);

    return ask_wished(f, &wish);
}

const char *given_payment(struct rpc_fixture *f, struct payer payer)
{
    const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));

    if (payment->state != PAYMENT_STATE(SUCCEEDED))
        bug("the payment of a test is in state %d", (int)payment->state);
    return payment->name;
}

const char *given_held(struct rpc_fixture *f, struct payer payer)
{
    struct payment_wish wish = wish_of(payer, new_request_id(f));

    wish.capture_mode = DUES__PAYMENT__V1__PAYMENT__CAPTURE_MODE__CAPTURE_MODE_MANUAL;
    const Payment *payment = must_reply(ask_wished(f, &wish));
    if (payment->state != PAYMENT_STATE(REQUIRES_CAPTURE))
        bug("the payment of a test is in state %d", (int)payment->state);
    return payment->name;
}

const struct dues_answer *ask_capture(struct rpc_fixture *f, const char *payment,
                                      int64_t minor_units, bool is_final, const char *request_id)
{
    Dues__Payment__V1__CapturePaymentRequest request =
        DUES__PAYMENT__V1__CAPTURE_PAYMENT_REQUEST__INIT;
    Dues__Type__V1__Money amount = DUES__TYPE__V1__MONEY__INIT;

    request.name = writable(payment);
    request.request_id = writable(request_id);
    request.final_capture = is_final;
    amount.currency_code = writable("USD");
    amount.minor_units = minor_units;
    if (minor_units != 0)
        request.amount = &amount;
    return ask_payment_service(f, AS(SERVICE_BILLING), "CapturePayment", &request.base);
}

const struct dues_answer *ask_cancel_payment(struct rpc_fixture *f, const char *payment,
                                             const char *request_id)
{
    Dues__Payment__V1__CancelPaymentRequest request =
        DUES__PAYMENT__V1__CANCEL_PAYMENT_REQUEST__INIT;

    request.name = writable(payment);
    request.request_id = writable(request_id);
    return ask_payment_service(f, AS(SERVICE_BILLING), "CancelPayment", &request.base);
}

const struct dues_answer *ask_confirm(struct rpc_fixture *f, struct rpc_as as, const char *payment)
{
    Dues__Payment__V1__ConfirmPaymentRequest request =
        DUES__PAYMENT__V1__CONFIRM_PAYMENT_REQUEST__INIT;

    request.name = writable(payment);
    return ask_payment_service(f, as, "ConfirmPayment", &request.base);
}

const Payment *payment_now(struct rpc_fixture *f, const char *payment)
{
    return must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPayment", payment));
}

int64_t number_of(struct rpc_fixture *f, const char *customer, const char *columns_from)
{
    return db_number(f->db, db_printf(f->db, "SELECT %s WHERE customer_id = '%s'", columns_from,
                                      customer_id_of(f, customer)));
}

const struct dues_answer *ask_refund(struct rpc_fixture *f, const char *payment,
                                     int64_t minor_units, const char *request_id)
{
    Dues__Payment__V1__CreateRefundRequest request = DUES__PAYMENT__V1__CREATE_REFUND_REQUEST__INIT;
    Refund refund = DUES__PAYMENT__V1__REFUND__INIT;
    Dues__Type__V1__Money amount = DUES__TYPE__V1__MONEY__INIT;

    request.parent = writable(payment);
    request.request_id = writable(request_id);
    if (minor_units != 0) {
        amount.currency_code = writable("USD");
        amount.minor_units = minor_units;
        refund.amount = &amount;
        refund.reason = DUES__PAYMENT__V1__REFUND__REASON__REASON_REQUESTED_BY_CUSTOMER;
        request.refund = &refund;
    }
    return ask_payment_service(f, AS(SERVICE_BILLING), "CreateRefund", &request.base);
}

const char *given_refund(struct rpc_fixture *f, const char *payment, int64_t minor_units)
{
    const Refund *refund = must_reply(ask_refund(f, payment, minor_units, new_request_id(f)));

    if (refund->state != REFUND_STATE(SUCCEEDED))
        bug("the refund of a test is in state %d", (int)refund->state);
    return refund->name;
}

const struct dues_answer *ask_payment_by_name(struct rpc_fixture *f, struct rpc_as as,
                                              const char *method, const char *name)
{
    Dues__Payment__V1__GetPaymentRequest payment = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    Dues__Payment__V1__GetRefundRequest refund = DUES__PAYMENT__V1__GET_REFUND_REQUEST__INIT;
    Dues__Payment__V1__GetPaymentMethodRequest card =
        DUES__PAYMENT__V1__GET_PAYMENT_METHOD_REQUEST__INIT;

    payment.name = refund.name = card.name = writable(name);
    if (text_equal(method, "GetPayment"))
        return ask_payment_service(f, as, method, &payment.base);
    if (text_equal(method, "GetRefund"))
        return ask_payment_service(f, as, method, &refund.base);
    return ask_payment_service(f, as, method, &card.base);
}

const struct dues_answer *ask_payment_list(struct rpc_fixture *f, struct rpc_as as,
                                           const char *method, const char *parent,
                                           int32_t page_size, const char *page_token,
                                           const char *filter)
{
    Dues__Payment__V1__ListPaymentsRequest payments =
        DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    Dues__Payment__V1__ListRefundsRequest refunds = DUES__PAYMENT__V1__LIST_REFUNDS_REQUEST__INIT;
    Dues__Payment__V1__ListPaymentMethodsRequest cards =
        DUES__PAYMENT__V1__LIST_PAYMENT_METHODS_REQUEST__INIT;

    payments.parent = refunds.parent = cards.parent = writable(parent);
    payments.page_size = refunds.page_size = cards.page_size = page_size;
    payments.page_token = refunds.page_token = cards.page_token = writable(page_token);
    payments.filter = writable(filter);
    if (text_equal(method, "ListPayments"))
        return ask_payment_service(f, as, method, &payments.base);
    if (text_equal(method, "ListRefunds"))
        return ask_payment_service(f, as, method, &refunds.base);
    return ask_payment_service(f, as, method, &cards.base);
}

static bool waits_for(struct rpc_fixture *f, const char *table)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT count(*) FROM pg_locks l JOIN pg_database d"
                                      " ON d.oid = l.database WHERE NOT l.granted"
                                      " AND d.datname = current_database()"
                                      " AND l.relation = 'dues.%s'::regclass",
                                      table)) > 0;
}

void meet_settlement(struct rpc_fixture *f, const char *table, const char *customer,
                     void *(*ask)(void *arg), void *arg)
{
    pthread_t thread;

    db_execute(f->db,
               db_printf(f->db, "BEGIN; LOCK TABLE dues.%s IN ACCESS EXCLUSIVE MODE", table));
    if (pthread_create(&thread, NULL, ask, arg) != 0)
        bug("no thread");
    AWAIT(waits_for(f, table));
    if (!waits_for(f, table))
        bug("nobody waits for dues.%s", table);
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.%s SET state = 'FAILED' WHERE customer_id = '%s';"
                                "DELETE FROM dues.obligation WHERE customer_id = '%s';"
                                "UPDATE dues.recorded_request SET answer = '\\x0a0178'"
                                " WHERE customer_id = '%s' AND answer IS NULL;"
                                "COMMIT",
                                table, customer, customer, customer));
    pthread_join(thread, NULL);
}
