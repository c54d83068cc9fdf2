/*
 * Stored cards through the API.
 */
#include "support/rpc_card.h"

#include "base/bug.h"

const struct dues_answer *ask_card_with(struct rpc_fixture *f, const char *customer,
                                        const char *token, Mandate *mandate)
{
    Dues__Payment__V1__CreatePaymentMethodRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_METHOD_REQUEST__INIT;
    PaymentMethod method = DUES__PAYMENT__V1__PAYMENT_METHOD__INIT;

    request.parent = member_text(f, customer);
    method.gateway_token = member_text(f, token);
    method.mandate = mandate;
    request.payment_method = &method;
    return ask_payment_service(f, AS(SERVICE_BILLING), "CreatePaymentMethod", &request.base);
}

const char *given_bare_card(struct rpc_fixture *f, const char *customer, const char *token)
{
    const PaymentMethod *card = must_reply(ask_card_with(f, customer, token, NULL));

    return card->name;
}

Mandate *recurring_mandate(struct rpc_fixture *f)
{
    Mandate *mandate = arena_alloc(f->arena, sizeof *mandate);

    dues__payment__v1__mandate__init(mandate);
    mandate->type = MANDATE_TYPE(RECURRING);
    mandate->text_version = member_text(f, "terms-2");
    return mandate;
}

/* Shared by the requests of one test program at a time. */
static Google__Protobuf__FieldMask *mask_of(struct rpc_fixture *f, const char *text)
{
    Google__Protobuf__FieldMask *mask = arena_alloc(f->arena, sizeof *mask);

    google__protobuf__field_mask__init(mask);
    mask->paths = arena_array(f->arena, strlen(text) + 1, sizeof(char *));
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        mask->paths[mask->n_paths++] = arena_strndup(f->arena, text, length);
        text += length + (text[length] == ',' ? 1 : 0);
    }
    return mask;
}

const struct dues_answer *ask_card_change(struct rpc_fixture *f, struct rpc_as as, const char *card,
                                          struct card_change change)
{
    Dues__Payment__V1__UpdatePaymentMethodRequest request =
        DUES__PAYMENT__V1__UPDATE_PAYMENT_METHOD_REQUEST__INIT;
    PaymentMethod method = DUES__PAYMENT__V1__PAYMENT_METHOD__INIT;

    method.name = member_text(f, card);
    method.is_default = change.is_default;
    method.exp_month = change.exp_month;
    method.exp_year = change.exp_year;
    method.mandate = change.mandate;
    request.payment_method = &method;
    request.update_mask = mask_of(f, change.mask);
    if (change.request_id != NULL)
        request.request_id = member_text(f, change.request_id);
    return ask_payment_service(f, as, "UpdatePaymentMethod", &request.base);
}

const PaymentMethod *change_card(struct rpc_fixture *f, const char *card, struct card_change change)
{
    return must_reply(ask_card_change(f, AS(SERVICE_BILLING), card, change));
}

const struct dues_answer *ask_card_deletion(struct rpc_fixture *f, struct rpc_as as,
                                            const char *card, const char *request_id)
{
    Dues__Payment__V1__DeletePaymentMethodRequest request =
        DUES__PAYMENT__V1__DELETE_PAYMENT_METHOD_REQUEST__INIT;

    request.name = member_text(f, card);
    if (request_id != NULL)
        request.request_id = member_text(f, request_id);
    return ask_payment_service(f, as, "DeletePaymentMethod", &request.base);
}

const PaymentMethod *card_now(struct rpc_fixture *f, const char *card)
{
    return must_reply(ask_payment_by_name(f, AS(SERVICE_BILLING), "GetPaymentMethod", card));
}

int64_t tries_of(struct rpc_fixture *f, const char *customer)
{
    return db_count(f->db, db_printf(f->db, "dues.attempt WHERE customer_id = '%s'",
                                     customer_id_of(f, customer)));
}

int64_t events_of(struct rpc_fixture *f, const char *customer, const char *type)
{
    return db_count(f->db, db_printf(f->db, "dues.event WHERE customer_id = '%s' AND type = '%s'",
                                     customer_id_of(f, customer), type));
}
