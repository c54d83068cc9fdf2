/*
 * Members made through the API, and what the gateway's journal says about them.
 */
#include "support/rpc_membership.h"

#include "base/bug.h"
#include "base/time.h"
#include "pg/catalogue.h"
#include "support/rpc_request.h"
#include "support/rpc_world.h"

#define ADVANCE_DEADLINE_MS 110000

static int put_catalogue(const struct rpc_fixture *f)
{
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL)
        return -1;
    int failed = pg_put_catalogue(f->db->owner, sandbox_catalogue_sql, nowhere, stderr);
    fclose(nowhere);
    return failed;
}

int members_setup(void **state)
{
    return rpc_setup(state) != 0 ? -1 : put_catalogue(*state);
}

int members_setup_with(void **state, const char *settings)
{
    *state = rpc_fixture_new(settings);
    return *state == NULL ? -1 : put_catalogue(*state);
}

char *member_text(struct rpc_fixture *f, const char *text)
{
    /* protobuf-c's fields are not const; nobody writes to them. */
    union {
        const char *read;
        char *write;
    } pointer = {.read = rpc_printf(f, "%s", text)};
    return pointer.write;
}

int64_t time_of(const char *text)
{
    int64_t time_us;

    if (!time_parse(text, &time_us))
        bug("'%s' is not a time", text);
    return time_us;
}

int64_t time_in(const Google__Protobuf__Timestamp *time)
{
    return time == NULL ? 0 : time->seconds * US_PER_SECOND + time->nanos / 1000;
}

static Google__Protobuf__Timestamp timestamp(int64_t time_us)
{
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    time.seconds = time_us / US_PER_SECOND;
    time.nanos = (int32_t)(time_us % US_PER_SECOND * 1000);
    return time;
}

const char *new_request_id(struct rpc_fixture *f)
{
    return rpc_printf(f, "r-%s", db_uuid_text(f->db, db_uuid(f->db)));
}

const char *customer_id_of(struct rpc_fixture *f, const char *name)
{
    return rpc_printf(f, "%.36s", name + strlen("customers/"));
}

static const struct dues_answer *must(const struct dues_answer *answer, const char *what)
{
    if (answer->status != DUES_OK)
        bug("%s: %s %s: %s", what, dues_status_name(answer->status), answer->reason,
            answer->message);
    return answer;
}

static const struct dues_answer *ask(struct rpc_fixture *f, const char *method,
                                     const ProtobufCMessage *request)
{
    return rpc_ask(f, AS(SERVICE_BILLING), &dues__membership__v1__membership_service__descriptor,
                   method, request);
}

const char *given_clock(struct rpc_fixture *f, int64_t time_us)
{
    Dues__Sandbox__V1__CreateTestClockRequest request =
        DUES__SANDBOX__V1__CREATE_TEST_CLOCK_REQUEST__INIT;
    Dues__Sandbox__V1__TestClock clock = DUES__SANDBOX__V1__TEST_CLOCK__INIT;
    Google__Protobuf__Timestamp time = timestamp(time_us);

    clock.clock_time = &time;
    request.test_clock = &clock;
    const struct dues_answer *answer =
        rpc_ask(f, AS(SERVICE_BILLING), &dues__sandbox__v1__sandbox_service__descriptor,
                "CreateTestClock", &request.base);
    must(answer, "CreateTestClock");
    return ((const Dues__Sandbox__V1__TestClock *)answer->reply)->name;
}

const char *given_customer(struct rpc_fixture *f, const char *clock)
{
    Dues__Membership__V1__CreateCustomerRequest request =
        DUES__MEMBERSHIP__V1__CREATE_CUSTOMER_REQUEST__INIT;
    Dues__Membership__V1__Customer customer = DUES__MEMBERSHIP__V1__CUSTOMER__INIT;

    customer.test_clock = member_text(f, clock);
    request.customer = &customer;
    const struct dues_answer *answer =
        must(ask(f, "CreateCustomer", &request.base), "CreateCustomer");
    return ((const Dues__Membership__V1__Customer *)answer->reply)->name;
}

const char *given_card(struct rpc_fixture *f, const char *customer, const char *token)
{
    Dues__Payment__V1__CreatePaymentMethodRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_METHOD_REQUEST__INIT;
    Dues__Payment__V1__PaymentMethod method = DUES__PAYMENT__V1__PAYMENT_METHOD__INIT;
    Dues__Payment__V1__Mandate mandate = DUES__PAYMENT__V1__MANDATE__INIT;

    request.parent = member_text(f, customer);
    method.gateway_token = member_text(f, token);
    mandate.type = DUES__PAYMENT__V1__MANDATE__TYPE__TYPE_RECURRING;
    mandate.text_version = member_text(f, "terms-1");
    method.mandate = &mandate;
    request.payment_method = &method;
    const struct dues_answer *answer =
        rpc_ask(f, AS(SERVICE_BILLING), &dues__payment__v1__payment_service__descriptor,
                "CreatePaymentMethod", &request.base);
    must(answer, "CreatePaymentMethod");
    return ((const Dues__Payment__V1__PaymentMethod *)answer->reply)->name;
}

static const struct dues_answer *create_membership(struct rpc_fixture *f, const char *customer,
                                                   const char *plan, const char *card,
                                                   const char *request_id, bool skip_trial)
{
    Dues__Membership__V1__CreateMembershipRequest request =
        DUES__MEMBERSHIP__V1__CREATE_MEMBERSHIP_REQUEST__INIT;
    Membership membership = DUES__MEMBERSHIP__V1__MEMBERSHIP__INIT;

    request.parent = member_text(f, customer);
    membership.plan = member_text(f, plan);
    membership.payment_method = member_text(f, card);
    request.membership = &membership;
    request.skip_trial = skip_trial;
    request.request_id = member_text(f, request_id != NULL ? request_id : new_request_id(f));
    return ask(f, "CreateMembership", &request.base);
}

const struct dues_answer *ask_membership(struct rpc_fixture *f, const char *customer,
                                         const char *plan, const char *card, const char *request_id)
{
    return create_membership(f, customer, plan, card, request_id, false);
}

const Membership *given_membership(struct rpc_fixture *f, const char *customer, const char *plan,
                                   const char *card)
{
    const struct dues_answer *answer = create_membership(f, customer, plan, card, NULL, true);

    return (const Membership *)must(answer, "CreateMembership")->reply;
}

const struct dues_answer *ask_cancel(struct rpc_fixture *f, const char *name, bool now,
                                     const char *request_id)
{
    Dues__Membership__V1__CancelMembershipRequest request =
        DUES__MEMBERSHIP__V1__CANCEL_MEMBERSHIP_REQUEST__INIT;

    request.name = member_text(f, name);
    request.when = now ? DUES__MEMBERSHIP__V1__CANCEL_MEMBERSHIP_REQUEST__WHEN__WHEN_NOW
                       : DUES__MEMBERSHIP__V1__CANCEL_MEMBERSHIP_REQUEST__WHEN__WHEN_UNSPECIFIED;
    if (request_id != NULL)
        request.request_id = member_text(f, request_id);
    return ask(f, "CancelMembership", &request.base);
}

const struct dues_answer *ask_advance(struct rpc_fixture *f, const char *clock, int64_t time_us)
{
    Dues__Sandbox__V1__AdvanceTestClockRequest request =
        DUES__SANDBOX__V1__ADVANCE_TEST_CLOCK_REQUEST__INIT;
    Google__Protobuf__Timestamp time = timestamp(time_us);
    struct rpc_as as = AS(SERVICE_BILLING);

    as.deadline_ms = ADVANCE_DEADLINE_MS;
    request.name = member_text(f, clock);
    request.target_time = &time;
    return rpc_ask(f, as, &dues__sandbox__v1__sandbox_service__descriptor, "AdvanceTestClock",
                   &request.base);
}

void advance(struct rpc_fixture *f, const char *clock, int64_t time_us)
{
    must(ask_advance(f, clock, time_us), "AdvanceTestClock");
}

const Membership *membership_now(struct rpc_fixture *f, const char *name)
{
    Dues__Membership__V1__GetMembershipRequest request =
        DUES__MEMBERSHIP__V1__GET_MEMBERSHIP_REQUEST__INIT;

    request.name = member_text(f, name);
    return (const Membership *)must(ask(f, "GetMembership", &request.base), "GetMembership")->reply;
}

const Invoices *invoices_of(struct rpc_fixture *f, const char *customer)
{
    Dues__Membership__V1__ListInvoicesRequest request =
        DUES__MEMBERSHIP__V1__LIST_INVOICES_REQUEST__INIT;

    request.parent = member_text(f, customer);
    request.page_size = 100;
    return (const Invoices *)must(ask(f, "ListInvoices", &request.base), "ListInvoices")->reply;
}

const Access *access_of(struct rpc_fixture *f, const char *customer, const char *entitlement)
{
    Dues__Membership__V1__CheckEntitlementRequest request =
        DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_REQUEST__INIT;

    request.customer = member_text(f, customer);
    request.entitlement = member_text(f, entitlement);
    return (const Access *)must(ask(f, "CheckEntitlement", &request.base), "CheckEntitlement")
        ->reply;
}

static int64_t count_charges(struct rpc_fixture *f, const char *customer,
                             const Dues__Sandbox__V1__ListGatewayCallsResponse *page)
{
    int64_t count = 0;

    for (size_t i = 0; i < page->n_gateway_calls; i++) {
        const Dues__Sandbox__V1__GatewayCall *call = page->gateway_calls[i];
        if (call->operation == DUES__SANDBOX__V1__GATEWAY_CALL__OPERATION__OPERATION_CHARGE &&
            call->outcome == DUES__SANDBOX__V1__GATEWAY_CALL__OUTCOME__OUTCOME_APPROVED)
            count += db_count(f->db, db_printf(f->db,
                                               "dues.attempt WHERE customer_id = '%s'"
                                               " AND attempt_id = '%s'",
                                               customer_id_of(f, customer), call->reference));
    }
    return count;
}

int64_t charges_of(struct rpc_fixture *f, const char *customer)
{
    Dues__Sandbox__V1__ListGatewayCallsRequest request =
        DUES__SANDBOX__V1__LIST_GATEWAY_CALLS_REQUEST__INIT;
    const Dues__Sandbox__V1__ListGatewayCallsResponse *page;
    int64_t count = 0;

    request.page_size = 100;
    do {
        page = (const Dues__Sandbox__V1__ListGatewayCallsResponse *)must(
                   rpc_ask(f, AS(SERVICE_BILLING), &dues__sandbox__v1__sandbox_service__descriptor,
                           "ListGatewayCalls", &request.base),
                   "ListGatewayCalls")
                   ->reply;
        count += count_charges(f, customer, page);
        request.page_token = page->next_page_token;
    } while (page->next_page_token[0] != '\0');
    return count;
}

struct rpc_as user_of(const struct rpc_world *world)
{
    return (struct rpc_as){.client = world->device, .token = world->device_token};
}

const struct dues_answer *ask_member_service(struct rpc_fixture *f, struct rpc_as as,
                                             const char *method, const ProtobufCMessage *request)
{
    return rpc_ask(f, as, &dues__membership__v1__membership_service__descriptor, method, request);
}

/* Builds the message by its descriptor, so that rpc_ask decodes the answer. */
static const struct dues_answer *ask_request(struct rpc_fixture *f, struct rpc_as as,
                                             const char *method, const struct request *request)
{
    const ProtobufCServiceDescriptor *service =
        &dues__membership__v1__membership_service__descriptor;
    const ProtobufCMethodDescriptor *descriptor =
        protobuf_c_service_descriptor_get_method_by_name(service, method);
    uint8_t bytes[4096];

    if (descriptor == NULL) {
        service = &dues__sandbox__v1__sandbox_service__descriptor;
        descriptor = protobuf_c_service_descriptor_get_method_by_name(service, method);
    }
    if (descriptor == NULL)
        bug("no method %s", method);
    size_t size = request_encode(request, descriptor->input, bytes, sizeof(bytes));
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor->input, NULL, size, bytes);
    if (message == NULL)
        bug("%s: the request does not decode", method);
    const struct dues_answer *answer = rpc_ask(f, as, service, method, message);
    protobuf_c_message_free_unpacked(message, NULL);
    return answer;
}

static bool has_field(const char *method, const char *field)
{
    const ProtobufCServiceDescriptor *service =
        &dues__membership__v1__membership_service__descriptor;
    const ProtobufCMethodDescriptor *descriptor =
        protobuf_c_service_descriptor_get_method_by_name(service, method);

    return descriptor != NULL && request_field(descriptor->input, field) != NULL;
}

const struct dues_answer *ask_by_name(struct rpc_fixture *f, struct rpc_as as, const char *method,
                                      const char *name)
{
    struct request request = {.count = 0};

    request_set_text(&request, "name", name);
    return ask_request(f, as, method, &request);
}

const struct dues_answer *ask_page(struct rpc_fixture *f, struct rpc_as as, const char *method,
                                   const char *parent, int32_t page_size, const char *page_token)
{
    struct request request = {.count = 0};

    if (has_field(method, "parent"))
        request_set_text(&request, "parent", parent);
    request_set_number(&request, "page_size", page_size);
    request_set_text(&request, "page_token", page_token);
    return ask_request(f, as, method, &request);
}
