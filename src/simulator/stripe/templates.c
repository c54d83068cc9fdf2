/*
 * Objects as they are born, as text; id, created and what a call gives come in later.
 */

#include "simulator/stripe/templates.h"

const struct stripe_shape stripe_shapes[TEMPLATE_COUNT] = {
    [TEMPLATE_CUSTOMER] =
        {"customer", "cus_",
         "{\"id\":null,\"object\":\"customer\",\"address\":null,\"balance\":0,\"created\":0,"
         "\"currency\":null,\"default_source\":null,\"delinquent\":false,\"description\":null,"
         "\"discount\":null,\"email\":null,\"invoice_prefix\":null,"
         "\"invoice_settings\":{\"custom_fields\":null,\"default_payment_method\":null,"
         "\"footer\":null,\"rendering_options\":null},\"livemode\":false,\"metadata\":{},"
         "\"name\":null,\"next_invoice_sequence\":1,\"phone\":null,\"preferred_locales\":[],"
         "\"shipping\":null,\"tax_exempt\":\"none\",\"test_clock\":null}"},
    [TEMPLATE_PAYMENT_METHOD] =
        {"payment_method", "pm_",
         "{\"id\":null,\"object\":\"payment_method\",\"allow_redisplay\":\"unspecified\","
         "\"billing_details\":{\"address\":{\"city\":null,\"country\":null,\"line1\":null,"
         "\"line2\":null,\"postal_code\":null,\"state\":null},\"email\":null,\"name\":null,"
         "\"phone\":null,\"tax_id\":null},\"card\":{\"brand\":null,"
         "\"checks\":{\"address_line1_check\":null,\"address_postal_code_check\":null,"
         "\"cvc_check\":\"unchecked\"},\"country\":\"US\",\"display_brand\":null,"
         "\"exp_month\":0,\"exp_year\":0,\"fingerprint\":null,\"funding\":null,"
         "\"generated_from\":null,\"last4\":null,\"networks\":{\"available\":[],"
         "\"preferred\":null},\"regulated_status\":\"unregulated\","
         "\"three_d_secure_usage\":{\"supported\":true},\"wallet\":null},\"created\":0,"
         "\"customer\":null,\"livemode\":false,\"metadata\":{},\"type\":\"card\"}"},
    [TEMPLATE_PAYMENT_INTENT] =
        {"payment_intent", "pi_",
         "{\"id\":null,\"object\":\"payment_intent\",\"amount\":0,\"amount_capturable\":0,"
         "\"amount_details\":{\"tip\":{}},\"amount_received\":0,\"application\":null,"
         "\"application_fee_amount\":null,\"automatic_payment_methods\":null,"
         "\"canceled_at\":null,\"cancellation_reason\":null,\"capture_method\":\"automatic\","
         "\"client_secret\":null,\"confirmation_method\":\"automatic\",\"created\":0,"
         "\"currency\":null,\"customer\":null,\"description\":null,\"last_payment_error\":null,"
         "\"latest_charge\":null,\"livemode\":false,\"metadata\":{},\"next_action\":null,"
         "\"on_behalf_of\":null,\"payment_method\":null,"
         "\"payment_method_configuration_details\":null,"
         "\"payment_method_options\":{\"card\":{\"installments\":null,\"mandate_options\":null,"
         "\"network\":null,\"request_three_d_secure\":\"automatic\"}},"
         "\"payment_method_types\":[\"card\"],\"processing\":null,\"receipt_email\":null,"
         "\"review\":null,\"setup_future_usage\":null,\"shipping\":null,"
         "\"statement_descriptor\":null,\"statement_descriptor_suffix\":null,"
         "\"status\":\"requires_payment_method\",\"transfer_data\":null,\"transfer_group\":null}"},
    [TEMPLATE_SETUP_INTENT] =
        {"setup_intent", "seti_",
         "{\"id\":null,\"object\":\"setup_intent\",\"application\":null,"
         "\"automatic_payment_methods\":null,\"cancellation_reason\":null,"
         "\"client_secret\":null,\"created\":0,\"customer\":null,\"description\":null,"
         "\"flow_directions\":null,\"last_setup_error\":null,\"latest_attempt\":null,"
         "\"livemode\":false,\"mandate\":null,\"metadata\":{},\"next_action\":null,"
         "\"on_behalf_of\":null,\"payment_method\":null,"
         "\"payment_method_configuration_details\":null,"
         "\"payment_method_options\":{\"card\":{\"mandate_options\":null,\"network\":null,"
         "\"request_three_d_secure\":\"automatic\"}},\"payment_method_types\":[\"card\"],"
         "\"single_use_mandate\":null,\"status\":\"requires_payment_method\","
         "\"usage\":\"off_session\"}"},
    [TEMPLATE_CHARGE] =
        {"charge", "ch_",
         "{\"id\":null,\"object\":\"charge\",\"amount\":0,\"amount_captured\":0,"
         "\"amount_refunded\":0,\"application\":null,\"application_fee\":null,"
         "\"application_fee_amount\":null,\"balance_transaction\":null,\"billing_details\":{},"
         "\"calculated_statement_descriptor\":\"SIMULATOR\",\"captured\":false,\"created\":0,"
         "\"currency\":null,\"customer\":null,\"description\":null,\"disputed\":false,"
         "\"failure_balance_transaction\":null,\"failure_code\":null,\"failure_message\":null,"
         "\"fraud_details\":{},\"livemode\":false,\"metadata\":{},\"on_behalf_of\":null,"
         "\"outcome\":null,\"paid\":false,\"payment_intent\":null,\"payment_method\":null,"
         "\"payment_method_details\":null,\"radar_options\":{},\"receipt_email\":null,"
         "\"receipt_number\":null,\"receipt_url\":null,\"refunded\":false,\"review\":null,"
         "\"shipping\":null,\"source_transfer\":null,\"statement_descriptor\":null,"
         "\"statement_descriptor_suffix\":null,\"status\":\"succeeded\","
         "\"transfer_data\":null,\"transfer_group\":null}"},
    [TEMPLATE_REFUND] =
        {"refund", "re_",
         "{\"id\":null,\"object\":\"refund\",\"amount\":0,\"balance_transaction\":null,"
         "\"charge\":null,\"created\":0,\"currency\":null,"
         "\"destination_details\":{\"card\":{\"reference_status\":\"pending\","
         "\"reference_type\":\"acquirer_reference_number\",\"type\":\"refund\"},"
         "\"type\":\"card\"},\"metadata\":{},\"payment_intent\":null,\"reason\":null,"
         "\"receipt_number\":null,\"source_transfer_reversal\":null,\"status\":\"succeeded\","
         "\"transfer_reversal\":null}"},
    [TEMPLATE_DISPUTE] =
        {"dispute", "du_",
         "{\"id\":null,\"object\":\"dispute\",\"amount\":0,\"balance_transactions\":[],"
         "\"charge\":null,\"created\":0,\"currency\":null,\"enhanced_eligibility_types\":[],"
         "\"evidence\":{\"access_activity_log\":null,\"billing_address\":null,"
         "\"cancellation_policy\":null,\"cancellation_policy_disclosure\":null,"
         "\"cancellation_rebuttal\":null,\"customer_communication\":null,"
         "\"customer_email_address\":null,\"customer_name\":null,"
         "\"customer_purchase_ip\":null,\"customer_signature\":null,"
         "\"duplicate_charge_documentation\":null,\"duplicate_charge_explanation\":null,"
         "\"duplicate_charge_id\":null,\"enhanced_evidence\":{},\"product_description\":null,"
         "\"receipt\":null,\"refund_policy\":null,\"refund_policy_disclosure\":null,"
         "\"refund_refusal_explanation\":null,\"service_date\":null,"
         "\"service_documentation\":null,\"shipping_address\":null,\"shipping_carrier\":null,"
         "\"shipping_date\":null,\"shipping_documentation\":null,"
         "\"shipping_tracking_number\":null,\"uncategorized_file\":null,"
         "\"uncategorized_text\":null},\"evidence_details\":{\"due_by\":0,"
         "\"enhanced_eligibility\":{},\"has_evidence\":false,\"past_due\":false,"
         "\"submission_count\":0},\"is_charge_refundable\":false,\"livemode\":false,"
         "\"metadata\":{},\"payment_intent\":null,"
         "\"payment_method_details\":{\"card\":{\"brand\":null,\"case_type\":\"chargeback\","
         "\"network\":null,\"network_reason_code\":\"10.4\"},\"type\":\"card\"},\"reason\":null,"
         "\"status\":\"needs_response\"}"},
    [TEMPLATE_BALANCE_TRANSACTION] =
        {"balance_transaction", "txn_",
         "{\"id\":null,\"object\":\"balance_transaction\",\"amount\":0,\"available_on\":0,"
         "\"balance_type\":\"payments\",\"created\":0,\"currency\":null,\"description\":null,"
         "\"exchange_rate\":null,\"fee\":0,\"fee_details\":[],\"net\":0,"
         "\"reporting_category\":null,\"source\":null,\"status\":\"pending\",\"type\":null}"},
    [TEMPLATE_WARNING] =
        {"radar.early_fraud_warning", "issfr_",
         "{\"id\":null,\"object\":\"radar.early_fraud_warning\",\"actionable\":true,"
         "\"charge\":null,\"created\":0,\"fraud_type\":\"made_with_stolen_card\","
         "\"livemode\":false,\"payment_intent\":null}"},
};
