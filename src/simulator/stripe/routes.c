/*
 * The paths, and the parameters that each takes.
 */

#include "simulator/stripe/internal.h"

#define LIST_PARAMS "limit starting_after ending_before created"
#define PAYMENT_PARAMS                                                                             \
    "amount application_fee_amount automatic_payment_methods capture_method confirmation_method "  \
    "currency customer description metadata off_session on_behalf_of payment_method "              \
    "payment_method_data payment_method_options payment_method_types receipt_email "               \
    "setup_future_usage shipping statement_descriptor statement_descriptor_suffix transfer_data "  \
    "transfer_group"
#define CONFIRM_PARAMS                                                                             \
    "capture_method error_on_requires_action mandate mandate_data off_session payment_method "     \
    "payment_method_data payment_method_options payment_method_types receipt_email return_url "    \
    "setup_future_usage shipping use_stripe_sdk client_secret"
#define SETUP_PARAMS                                                                               \
    "attach_to_self automatic_payment_methods customer description flow_directions metadata "      \
    "on_behalf_of payment_method payment_method_data payment_method_options payment_method_types " \
    "usage"
#define CUSTOMER_PARAMS                                                                            \
    "address balance cash_balance description email invoice_prefix invoice_settings metadata "     \
    "name "                                                                                        \
    "next_invoice_sequence payment_method phone preferred_locales shipping source tax tax_exempt " \
    "tax_id_data test_clock"

static const struct stripe_route routes[] = {
    {"POST", "/v1/customers", stripe_create_customer, CUSTOMER_PARAMS, NULL},
    {"GET", "/v1/customers", stripe_list, LIST_PARAMS " email", "customer"},
    {"GET", "/v1/customers/search", stripe_search, "query limit page", "customer"},
    {"GET", "/v1/customers/{}", stripe_retrieve, "", "customer"},
    {"POST", "/v1/customers/{}", stripe_update_customer, CUSTOMER_PARAMS " default_source", NULL},
    {"DELETE", "/v1/customers/{}", stripe_delete_customer, "", NULL},
    {"GET", "/v1/customers/{}/payment_methods", stripe_list_customer_methods, LIST_PARAMS " type",
     "payment_method"},
    {"POST", "/v1/payment_methods", stripe_create_method,
     "allow_redisplay billing_details card customer metadata payment_method type", NULL},
    {"GET", "/v1/payment_methods", stripe_list, LIST_PARAMS " customer type", "payment_method"},
    {"GET", "/v1/payment_methods/{}", stripe_retrieve, "", "payment_method"},
    {"POST", "/v1/payment_methods/{}", stripe_update_method,
     "allow_redisplay billing_details card metadata", NULL},
    {"POST", "/v1/payment_methods/{}/attach", stripe_attach_method, "customer", NULL},
    {"POST", "/v1/payment_methods/{}/detach", stripe_detach_method, "", NULL},
    {"POST", "/v1/payment_intents", stripe_create_payment,
     PAYMENT_PARAMS " confirm error_on_requires_action mandate mandate_data return_url "
                    "use_stripe_sdk",
     NULL},
    {"GET", "/v1/payment_intents", stripe_list, LIST_PARAMS " customer", "payment_intent"},
    {"GET", "/v1/payment_intents/search", stripe_search, "query limit page", "payment_intent"},
    {"GET", "/v1/payment_intents/{}", stripe_retrieve, "client_secret", "payment_intent"},
    {"POST", "/v1/payment_intents/{}", stripe_update_payment, PAYMENT_PARAMS, NULL},
    {"POST", "/v1/payment_intents/{}/confirm", stripe_confirm_payment, CONFIRM_PARAMS, NULL},
    {"POST", "/v1/payment_intents/{}/capture", stripe_capture_payment,
     "amount_to_capture application_fee_amount final_capture metadata statement_descriptor "
     "statement_descriptor_suffix transfer_data",
     NULL},
    {"POST", "/v1/payment_intents/{}/cancel", stripe_cancel_payment, "cancellation_reason", NULL},
    {"POST", "/v1/setup_intents", stripe_create_setup,
     SETUP_PARAMS " confirm mandate_data return_url single_use use_stripe_sdk", NULL},
    {"GET", "/v1/setup_intents", stripe_list, LIST_PARAMS " customer", "setup_intent"},
    {"GET", "/v1/setup_intents/{}", stripe_retrieve, "client_secret", "setup_intent"},
    {"POST", "/v1/setup_intents/{}", stripe_update_setup, SETUP_PARAMS, NULL},
    {"POST", "/v1/setup_intents/{}/confirm", stripe_confirm_setup,
     "mandate_data payment_method payment_method_data payment_method_options return_url "
     "use_stripe_sdk client_secret",
     NULL},
    {"POST", "/v1/setup_intents/{}/cancel", stripe_cancel_setup, "cancellation_reason", NULL},
    {"GET", "/v1/charges", stripe_list, LIST_PARAMS " customer payment_intent transfer_group",
     "charge"},
    {"GET", "/v1/charges/search", stripe_search, "query limit page", "charge"},
    {"GET", "/v1/charges/{}", stripe_retrieve, "", "charge"},
    {"POST", "/v1/charges/{}", stripe_update_charge,
     "customer description fraud_details metadata receipt_email shipping transfer_group", NULL},
    {"POST", "/v1/refunds", stripe_create_refund,
     "amount charge currency customer instructions_email metadata origin payment_intent reason "
     "refund_application_fee reverse_transfer",
     NULL},
    {"GET", "/v1/refunds", stripe_list, LIST_PARAMS " charge payment_intent", "refund"},
    {"GET", "/v1/refunds/{}", stripe_retrieve, "", "refund"},
    {"POST", "/v1/refunds/{}", stripe_update_refund, "metadata", NULL},
    {"POST", "/v1/refunds/{}/cancel", stripe_cancel_refund, "", NULL},
    {"GET", "/v1/disputes", stripe_list, LIST_PARAMS " charge payment_intent", "dispute"},
    {"GET", "/v1/disputes/{}", stripe_retrieve, "", "dispute"},
    {"POST", "/v1/disputes/{}", stripe_update_dispute, "evidence metadata submit", NULL},
    {"POST", "/v1/disputes/{}/close", stripe_close_dispute, "", NULL},
    {"GET", "/v1/balance_transactions", stripe_list, LIST_PARAMS " currency payout source type",
     "balance_transaction"},
    {"GET", "/v1/balance_transactions/{}", stripe_retrieve, "", "balance_transaction"},
    {"GET", "/v1/balance", stripe_retrieve_balance, "", NULL},
    {"GET", "/v1/events", stripe_list, LIST_PARAMS " delivery_success type types", "event"},
    {"GET", "/v1/events/{}", stripe_retrieve, "", "event"},
    {"GET", "/v1/radar/early_fraud_warnings", stripe_list, LIST_PARAMS " charge payment_intent",
     "radar.early_fraud_warning"},
    {"GET", "/v1/radar/early_fraud_warnings/{}", stripe_retrieve, "", "radar.early_fraud_warning"},
};

/* Does the path fit the pattern?  `*id` is set when it has a "{}". */
static bool path_fits(struct arena *arena, const char *pattern, const char *path, const char **id)
{
    const char *hole = strstr(pattern, "{}");

    *id = "";
    if (hole == NULL)
        return text_equal(pattern, path);
    size_t before = (size_t)(hole - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    size_t length = strcspn(path + before, "/");
    if (length == 0 || !text_equal(hole + 2, path + before + length))
        return false;
    *id = arena_strndup(arena, path + before, length);
    return true;
}

const struct stripe_route *stripe_route_find(struct arena *arena, const char *method,
                                             const char *path, const char **id)
{
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (text_equal(routes[i].method, method) && path_fits(arena, routes[i].path, path, id))
            return &routes[i];
    }
    return NULL;
}
