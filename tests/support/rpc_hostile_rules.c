/*
 * The kind of every field of every message that a request can hold.
 */
#include "support/rpc_hostile.h"

#define AUTH(name)       "dues.auth.v1." name
#define PAYMENT(name)    "dues.payment.v1." name
#define MEMBERSHIP(name) "dues.membership.v1." name
#define SANDBOX(name)    "dues.sandbox.v1." name
#define ANY              NULL

static const struct field_rule rules[] = {
    {ANY, "request_id", FIELD_REQUEST_ID, 0},
    {ANY, "page_size", FIELD_PAGE_SIZE, 0},
    {ANY, "page_token", FIELD_PAGE_TOKEN, 0},
    {"dues.type.v1.Money", "currency_code", FIELD_CURRENCY, 0},
    {"dues.type.v1.Money", "minor_units", FIELD_MINOR_UNITS, 0},
    {"google.protobuf.Timestamp", "seconds", FIELD_SECONDS, 0},
    {"google.protobuf.Timestamp", "nanos", FIELD_NANOS, 0},

    {AUTH("SignUpRequest"), "email", FIELD_EMAIL, 0},
    {AUTH("SignUpRequest"), "password", FIELD_PASSWORD_NEW, 0},
    {AUTH("SignUpRequest"), "display_name", FIELD_TEXT, 63},
    {AUTH("SignUpRequest"), "test_clock", FIELD_NAME_OPTIONAL, 0},
    {AUTH("LogInRequest"), "email", FIELD_EMAIL_KNOWN, 0},
    {AUTH("LogInRequest"), "password", FIELD_PASSWORD_KNOWN, 0},
    {AUTH("RefreshSessionRequest"), "refresh_token", FIELD_REFRESH_TOKEN, 0},
    {AUTH("LogOutRequest"), "all_sessions", FIELD_FLAG, 0},
    {AUTH("EnrollDeviceRequest"), "csr_pem", FIELD_CSR, 0},
    {AUTH("EnrollDeviceRequest"), "display_name", FIELD_TEXT, 63},
    {AUTH("GetUserRequest"), "name", FIELD_NAME, 0},

    {PAYMENT("CreatePaymentMethodRequest"), "parent", FIELD_NAME, 0},
    {PAYMENT("CreatePaymentMethodRequest"), "payment_method", FIELD_MESSAGE, 0},
    {PAYMENT("PaymentMethod"), "name", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "gateway_token", FIELD_GATEWAY_TOKEN, 0},
    {PAYMENT("PaymentMethod"), "gateway", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "brand", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "last4", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "exp_month", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "exp_year", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "is_default", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "create_time", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("PaymentMethod"), "state", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("GetPaymentMethodRequest"), "name", FIELD_NAME, 0},
    {PAYMENT("ListPaymentMethodsRequest"), "parent", FIELD_NAME, 0},
    {PAYMENT("CreatePaymentRequest"), "parent", FIELD_NAME, 0},
    {PAYMENT("CreatePaymentRequest"), "payment", FIELD_MESSAGE, 0},
    {PAYMENT("Payment"), "name", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "amount", FIELD_MESSAGE, 0},
    {PAYMENT("Payment"), "payment_method", FIELD_NAME, 0},
    {PAYMENT("Payment"), "state", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "capture_mode", FIELD_CHOICE, 0},
    {PAYMENT("Payment"), "decline", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "amount_captured", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "amount_refunded", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "description", FIELD_TEXT, 255},
    {PAYMENT("Payment"), "invoice", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "create_time", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Payment"), "update_time", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Decline"), "code", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Decline"), "decline_class", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Decline"), "actor", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Decline"), "customer_message", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("GetPaymentRequest"), "name", FIELD_NAME, 0},
    {PAYMENT("ListPaymentsRequest"), "parent", FIELD_NAME, 0},
    {PAYMENT("ListPaymentsRequest"), "filter", FIELD_FILTER, 0},
    {PAYMENT("CreateRefundRequest"), "parent", FIELD_NAME, 0},
    {PAYMENT("CreateRefundRequest"), "refund", FIELD_MESSAGE_OPTIONAL, 0},
    {PAYMENT("Refund"), "name", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Refund"), "amount", FIELD_MESSAGE_OPTIONAL, 0},
    {PAYMENT("Refund"), "state", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Refund"), "reason", FIELD_CHOICE, 0},
    {PAYMENT("Refund"), "create_time", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Refund"), "update_time", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("Refund"), "failure_code", FIELD_OUTPUT_ONLY, 0},
    {PAYMENT("GetRefundRequest"), "name", FIELD_NAME, 0},
    {PAYMENT("ListRefundsRequest"), "parent", FIELD_NAME, 0},

    {MEMBERSHIP("CreateCustomerRequest"), "customer", FIELD_MESSAGE_OPTIONAL, 0},
    {MEMBERSHIP("Customer"), "name", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Customer"), "display_name", FIELD_TEXT, 63},
    {MEMBERSHIP("Customer"), "email", FIELD_EMAIL_OPTIONAL, 0},
    {MEMBERSHIP("Customer"), "test_clock", FIELD_NAME_OPTIONAL, 0},
    {MEMBERSHIP("Customer"), "create_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Customer"), "default_payment_method", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("GetCustomerRequest"), "name", FIELD_NAME, 0},
    {MEMBERSHIP("GetTierRequest"), "name", FIELD_CATALOGUE_NAME, 0},
    {MEMBERSHIP("GetPlanRequest"), "name", FIELD_CATALOGUE_NAME, 0},
    {MEMBERSHIP("CreateMembershipRequest"), "parent", FIELD_NAME, 0},
    {MEMBERSHIP("CreateMembershipRequest"), "membership", FIELD_MESSAGE, 0},
    {MEMBERSHIP("CreateMembershipRequest"), "skip_trial", FIELD_FLAG, 0},
    {MEMBERSHIP("Membership"), "name", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "plan", FIELD_CATALOGUE_NAME, 0},
    {MEMBERSHIP("Membership"), "tier", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "state", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "payment_method", FIELD_NAME, 0},
    {MEMBERSHIP("Membership"), "current_period_start_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "current_period_end_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "next_charge_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "cancel_at_period_end", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "cancel_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "end_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "access_end_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "trial_end_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "latest_invoice", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "last_decline", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "create_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("Membership"), "update_time", FIELD_OUTPUT_ONLY, 0},
    {MEMBERSHIP("GetMembershipRequest"), "name", FIELD_NAME, 0},
    {MEMBERSHIP("ListMembershipsRequest"), "parent", FIELD_NAME, 0},
    {MEMBERSHIP("CancelMembershipRequest"), "name", FIELD_NAME, 0},
    {MEMBERSHIP("CancelMembershipRequest"), "when", FIELD_CHOICE, 0},
    {MEMBERSHIP("CheckEntitlementRequest"), "customer", FIELD_NAME, 0},
    {MEMBERSHIP("CheckEntitlementRequest"), "entitlement", FIELD_ENTITLEMENT, 0},
    {MEMBERSHIP("ListInvoicesRequest"), "parent", FIELD_NAME, 0},

    {SANDBOX("CreateTestClockRequest"), "test_clock", FIELD_MESSAGE, 0},
    {SANDBOX("TestClock"), "name", FIELD_OUTPUT_ONLY, 0},
    {SANDBOX("TestClock"), "clock_time", FIELD_MESSAGE, 0},
    {SANDBOX("TestClock"), "state", FIELD_OUTPUT_ONLY, 0},
    {SANDBOX("TestClock"), "create_time", FIELD_OUTPUT_ONLY, 0},
    {SANDBOX("GetTestClockRequest"), "name", FIELD_NAME, 0},
    {SANDBOX("AdvanceTestClockRequest"), "name", FIELD_NAME, 0},
    {SANDBOX("AdvanceTestClockRequest"), "target_time", FIELD_MESSAGE, 0},
    {SANDBOX("DeleteTestClockRequest"), "name", FIELD_NAME, 0},
    {SANDBOX("ListGatewayCallsRequest"), "payment", FIELD_NAME_OPTIONAL, 0},
};

const struct field_rule *field_rule_find(const char *message, const char *field)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if ((rules[i].message == ANY || strcmp(rules[i].message, message) == 0) &&
            strcmp(rules[i].field, field) == 0)
            return &rules[i];
    }
    return NULL;
}
