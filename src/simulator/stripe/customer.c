/*
 * Customers: who pays, and by which method when nothing is said.
 */

#include "simulator/stripe/internal.h"

#define ADDRESS_WORDS "city country line1 line2 postal_code state"

static bool take_params(struct stripe_call *call, json_t *customer)
{
    const char *method = param_text(call, "payment_method");
    const char *usual = param_text(call, "invoice_settings.default_payment_method");

    if (!param_copy(call, customer, "description email name phone") ||
        !param_nested(call, customer, "address", "address", ADDRESS_WORDS) ||
        !param_choice(call, "tax_exempt", "exempt none reverse"))
        return false;
    if (method != NULL) {
        json_t *loaded = stripe_load(call, "payment_method", method);
        if (loaded == NULL || !stripe_method_attach(call, loaded, text_of(customer, "id")))
            return false;
    }
    if (usual == NULL)
        return true;
    const json_t *loaded = stripe_load(call, "payment_method", usual);
    if (loaded == NULL)
        return false;
    if (!text_equal(text_of(loaded, "customer"), text_of(customer, "id"))) {
        stripe_refuse(call, 400, "resource_missing", "invoice_settings[default_payment_method]",
                      "The customer does not have a payment method with the ID %s. The payment "
                      "method must be attached to the customer.",
                      usual);
        return false;
    }
    set_text(json_object_get(customer, "invoice_settings"), "default_payment_method", usual);
    return true;
}

json_t *stripe_create_customer(struct stripe_call *call)
{
    json_t *customer = stripe_new(call, TEMPLATE_CUSTOMER);

    set_text(customer, "invoice_prefix", simulator_id(call->simulator, call->arena, "", 8));
    if (!take_params(call, customer))
        return NULL;
    stripe_event(call, "customer.created", customer);
    return customer;
}

json_t *stripe_update_customer(struct stripe_call *call)
{
    json_t *customer = stripe_load(call, "customer", call->id);

    if (customer == NULL || !take_params(call, customer))
        return NULL;
    tx_change(call->tx, customer);
    stripe_event(call, "customer.updated", customer);
    return customer;
}

/* A payment method without its customer is of no use any more. */
static void detach_all(struct stripe_call *call)
{
    struct store_cursor cursor =
        store_list(call->tx->store, "payment_method", "customer", call->id);

    for (const char *id; (id = store_next(&cursor)) != NULL;) {
        json_t *method = tx_load(call->tx, "payment_method", id);
        if (!text_equal(text_of(method, "customer"), call->id))
            continue;
        set_text(method, "customer", NULL);
        set_truth(method, "_consumed", true);
        tx_change(call->tx, method);
        stripe_event(call, "payment_method.detached", method);
    }
}

json_t *stripe_delete_customer(struct stripe_call *call)
{
    json_t *customer = stripe_load(call, "customer", call->id);

    if (customer == NULL)
        return NULL;
    detach_all(call);
    stripe_event(call, "customer.deleted", customer);
    set_truth(customer, "_deleted", true);
    tx_change(call->tx, customer);
    return tx_keep(
        call->tx, json_pack("{s:s, s:s, s:b}", "id", call->id, "object", "customer", "deleted", 1));
}
