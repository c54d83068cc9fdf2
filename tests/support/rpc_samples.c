/*
 * The samples.  Texts in braces are replaced by what the world holds; {new} is another one each
 * time.
 */
#include "support/rpc_samples.h"

#include <inttypes.h>

#define VALUES_MAX 8

struct sample_value {
    const char *path;
    const char *text; /* NULL: the number */
    int64_t number;
};

struct sample {
    const char *service;
    const char *method;
    struct sample_value values[VALUES_MAX];
};

#define AUTH       "dues.auth.v1.AuthService"
#define PAYMENT    "dues.payment.v1.PaymentService"
#define MEMBERSHIP "dues.membership.v1.MembershipService"
#define SANDBOX    "dues.sandbox.v1.SandboxService"

static const struct sample samples[] = {
    {AUTH,
     "SignUp",
     {{"email", "{new}@example.com", 0},
      {"password", "a long and quiet afternoon", 0},
      {"display_name", "Ada", 0},
      {"request_id", "{new}", 0}}},
    {AUTH, "LogIn", {{"email", "{email}", 0}, {"password", "{password}", 0}}},
    {AUTH, "RefreshSession", {{"refresh_token", "{refresh_token}", 0}}},
    {AUTH, "LogOut", {{"request_id", "{new}", 0}}},
    {AUTH,
     "EnrollDevice",
     {{"csr_pem", "{csr}", 0}, {"display_name", "phone", 0}, {"request_id", "{new}", 0}}},
    {AUTH, "GetKeySet", {{NULL, NULL, 0}}},
    {AUTH, "GetUser", {{"name", "{user}", 0}}},

    {PAYMENT,
     "CreatePaymentMethod",
     {{"parent", "{customer}", 0},
      {"payment_method.gateway_token", "tok_visa", 0},
      {"payment_method.mandate.type", NULL, 1},
      {"payment_method.mandate.accept_time.seconds", NULL, 1767225600},
      {"payment_method.mandate.ip_address", "2001:db8::7", 0},
      {"payment_method.mandate.user_agent", "app/1.0", 0},
      {"payment_method.mandate.text_version", "terms-1", 0},
      {"request_id", "{new}", 0}}},
    {PAYMENT,
     "UpdatePaymentMethod",
     {{"payment_method.name", "{payment_method}", 0},
      {"payment_method.exp_month", NULL, 11},
      {"payment_method.exp_year", NULL, 2035},
      {"payment_method.mandate.type", NULL, 2},
      {"payment_method.mandate.text_version", "terms-2", 0},
      {"update_mask.paths", "exp_month,exp_year,mandate", 0},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "DeletePaymentMethod", {{"name", "{spare_method}", 0}, {"request_id", "{new}", 0}}},
    {PAYMENT, "GetPaymentMethod", {{"name", "{payment_method}", 0}}},
    {PAYMENT, "ListPaymentMethods", {{"parent", "{customer}", 0}}},
    {PAYMENT,
     "CreatePayment",
     {{"parent", "{customer}", 0},
      {"payment.amount.currency_code", "USD", 0},
      {"payment.amount.minor_units", NULL, 999},
      {"payment.payment_method", "{payment_method}", 0},
      {"payment.description", "a book", 0},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "ConfirmPayment", {{"name", "{payment}", 0}}},
    {PAYMENT,
     "CapturePayment",
     {{"name", "{held_payment}", 0},
      {"amount.currency_code", "USD", 0},
      {"amount.minor_units", NULL, 1},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "CancelPayment", {{"name", "{doomed_payment}", 0}, {"request_id", "{new}", 0}}},
    {PAYMENT, "GetPayment", {{"name", "{payment}", 0}}},
    {PAYMENT, "ListPayments", {{"parent", "{customer}", 0}, {"filter", "state = SUCCEEDED", 0}}},
    {PAYMENT,
     "CreateRefund",
     {{"parent", "{payment}", 0},
      {"refund.amount.currency_code", "USD", 0},
      {"refund.amount.minor_units", NULL, 1},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "GetRefund", {{"name", "{refund}", 0}}},
    {PAYMENT, "ListRefunds", {{"parent", "{payment}", 0}}},
    {PAYMENT, "GetDispute", {{"name", "{dispute}", 0}}},
    {PAYMENT,
     "ListDisputes",
     {{"parent", "{customer}", 0},
      {"filter", "state = NEEDS_RESPONSE", 0},
      {"payment", "{payment}", 0}}},
    {PAYMENT,
     "SubmitDisputeEvidence",
     {{"name", "{dispute}", 0},
      {"evidence.customer_name", "Ada", 0},
      {"evidence.customer_email_address", "ada@example.com", 0},
      {"evidence.customer_purchase_ip", "2001:db8::7", 0},
      {"evidence.uncategorized_text", "she read it all", 0},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "AcceptDispute", {{"name", "{doomed_dispute}", 0}, {"request_id", "{new}", 0}}},
    {PAYMENT, "ListEvents", {{"parent", "{customer}", 0}}},
    {PAYMENT, "WatchEvents", {{"parent", "{customer}", 0}}},
    {PAYMENT, "WatchPayments", {{"parent", "{customer}", 0}}},
    {PAYMENT,
     "GetBalance",
     {{"name", "{customer}/balance", 0}, {"read_time.seconds", NULL, 1700000000}}},
    {PAYMENT,
     "ListLedgerEntries",
     {{"parent", "{customer}", 0},
      {"account", "revenue", 0},
      {"read_time.seconds", NULL, 1700000000}}},

    {PAYMENT,
     "CreateWebhookEndpoint",
     {{"webhook_endpoint.url", "http://127.0.0.1:9/hook", 0},
      {"webhook_endpoint.event_types", "customer.erased", 0},
      {"webhook_endpoint.description", "the observatory", 0},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "GetWebhookEndpoint", {{"name", "{webhook_endpoint}", 0}}},
    {PAYMENT, "ListWebhookEndpoints", {{NULL, NULL, 0}}},
    {PAYMENT,
     "UpdateWebhookEndpoint",
     {{"webhook_endpoint.name", "{webhook_endpoint}", 0},
      {"webhook_endpoint.description", "another observatory", 0},
      {"request_id", "{new}", 0}}},
    {PAYMENT,
     "DeleteWebhookEndpoint",
     {{"name", "{doomed_endpoint}", 0}, {"request_id", "{new}", 0}}},
    {PAYMENT,
     "RotateWebhookSecret",
     {{"name", "{webhook_endpoint}", 0},
      {"overlap.seconds", NULL, 3600},
      {"request_id", "{new}", 0}}},
    {PAYMENT,
     "ListWebhookDeliveries",
     {{"parent", "{webhook_endpoint}", 0}, {"customer", "{customer}", 0}}},
    {PAYMENT, "RedeliverWebhook", {{"name", "{webhook_delivery}", 0}, {"request_id", "{new}", 0}}},
    {PAYMENT, "ListIncidents", {{"parent", "{customer}", 0}}},
    {PAYMENT,
     "RunReconciliation",
     {{"gateway", "sandbox", 0},
      {"from_time.seconds", NULL, 1767225600},
      {"until_time.seconds", NULL, 1767312000},
      {"request_id", "{new}", 0}}},
    {PAYMENT, "ListReconciliations", {{"gateway", "sandbox", 0}}},
    {PAYMENT,
     "ResolveIncident",
     {{"name", "{incident}", 0},
      {"etag", "1", 0},
      {"resolution", NULL, 4},
      {"reason", "looked at it", 0},
      {"request_id", "{new}", 0}}},

    {MEMBERSHIP,
     "CreateCustomer",
     {{"customer.display_name", "Ada", 0},
      {"customer.email", "ada@example.com", 0},
      {"request_id", "{new}", 0}}},
    {MEMBERSHIP, "GetCustomer", {{"name", "{customer}", 0}}},
    {MEMBERSHIP, "ListTiers", {{NULL, NULL, 0}}},
    {MEMBERSHIP, "GetTier", {{"name", "tiers/premium", 0}}},
    {MEMBERSHIP, "ListPlans", {{NULL, NULL, 0}}},
    {MEMBERSHIP, "GetPlan", {{"name", "plans/premium-monthly", 0}}},
    {MEMBERSHIP,
     "CreateMembership",
     {{"parent", "{free_customer}", 0},
      {"membership.plan", "plans/premium-monthly", 0},
      {"membership.payment_method", "{free_method}", 0},
      {"request_id", "{new}", 0}}},
    {MEMBERSHIP, "GetMembership", {{"name", "{membership}", 0}}},
    {MEMBERSHIP, "ListMemberships", {{"parent", "{customer}", 0}}},
    {MEMBERSHIP, "CancelMembership", {{"name", "{membership}", 0}, {"request_id", "{new}", 0}}},
    {MEMBERSHIP,
     "CheckEntitlement",
     {{"customer", "{customer}", 0}, {"entitlement", "video.hd", 0}}},
    {MEMBERSHIP, "ListInvoices", {{"parent", "{customer}", 0}}},

    {SANDBOX,
     "CreateTestClock",
     {{"test_clock.clock_time.seconds", NULL, 1767225600}, {"request_id", "{new}", 0}}},
    {SANDBOX, "GetTestClock", {{"name", "{test_clock}", 0}}},
    {SANDBOX,
     "AdvanceTestClock",
     {{"name", "{test_clock}", 0},
      {"target_time.seconds", NULL, 1767225601},
      {"request_id", "{new}", 0}}},
    {SANDBOX, "DeleteTestClock", {{"name", "{doomed_clock}", 0}, {"request_id", "{new}", 0}}},
    {SANDBOX, "ListGatewayCalls", {{"payment", "{payment}", 0}}},
};

static const char *world_value(struct sample_world *world, const char *name, size_t length,
                               char fresh[32])
{
    const struct {
        const char *name;
        const char *value;
    } known[] = {
        {"customer", world->customer},
        {"user", world->user},
        {"email", world->email},
        {"password", world->password},
        {"refresh_token", world->refresh_token},
        {"payment_method", world->payment_method},
        {"spare_method", world->spare_method},
        {"payment", world->payment},
        {"refund", world->refund},
        {"dispute", world->dispute},
        {"doomed_dispute", world->doomed_dispute},
        {"held_payment", world->held_payment},
        {"doomed_payment", world->doomed_payment},
        {"membership", world->membership},
        {"free_customer", world->free_customer},
        {"free_method", world->free_method},
        {"test_clock", world->test_clock},
        {"doomed_clock", world->doomed_clock},
        {"webhook_endpoint", world->webhook_endpoint},
        {"doomed_endpoint", world->doomed_endpoint},
        {"webhook_delivery", world->webhook_delivery},
        {"incident", world->incident},
        {"csr", world->csr},
    };
    if (length == 3 && memcmp(name, "new", 3) == 0) {
        snprintf(fresh, 32, "sample-%06" PRIu64, ++world->counter);
        return fresh;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0)
            return known[i].value != NULL ? known[i].value : "";
    }
    abort(); /* a placeholder that the world does not have */
}

static void store_add(struct sample_store *store, const char *text, size_t length)
{
    if (store->used + length >= SAMPLE_STORE_SIZE)
        abort();
    memcpy(store->text + store->used, text, length);
    store->used += length;
    store->text[store->used] = '\0';
}

const char *sample_text(struct sample_world *world, struct sample_store *store, const char *text)
{
    size_t start = store->used;
    while (*text != '\0') {
        size_t plain = strcspn(text, "{");
        store_add(store, text, plain);
        text += plain;
        if (*text == '\0')
            break;
        size_t length = strcspn(text + 1, "}");
        char fresh[32];
        const char *value = world_value(world, text + 1, length, fresh);
        store_add(store, value, strlen(value));
        text += length + 2;
    }
    store_add(store, "", 0);
    store->used++;
    return store->text + start;
}

bool sample_make(const char *service, const char *method, struct sample_world *world,
                 struct sample_store *store, struct request *request)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        if (strcmp(samples[i].service, service) != 0 || strcmp(samples[i].method, method) != 0)
            continue;
        *request = (struct request){.count = 0};
        store->used = 0;
        for (size_t j = 0; j < VALUES_MAX && samples[i].values[j].path != NULL; j++) {
            const struct sample_value *value = &samples[i].values[j];
            if (value->text == NULL)
                request_set_number(request, value->path, value->number);
            else
                request_set_text(request, value->path, sample_text(world, store, value->text));
        }
        return true;
    }
    return false;
}
