/*
 * Builds the world with the samples themselves, so that they are proven to be accepted.
 */
#include "support/rpc_world.h"

#include "auth/auth.h"
#include "base/bug.h"
#include "crypto/x509.h"
#include "dues/auth/v1/auth_service.pb-c.h"
#include "membership/membership.h"
#include "payment/payment.h"
#include "pg/catalogue.h"
#include "sandbox/sandbox.h"
#include "support/rpc_dispute.h"

#define REQUEST_SIZE_MAX 32768

const struct rpc_service *const world_services[WORLD_SERVICES] = {
    &auth_service,
    &payment_service,
    &membership_service,
    &sandbox_service,
};

const char *world_path(struct rpc_fixture *f, const struct rpc_service *service,
                       const struct rpc_method *method)
{
    return rpc_printf(f, "/%s/%s", service->descriptor->name, method->name);
}

static const ProtobufCMethodDescriptor *method_descriptor(const struct rpc_service *service,
                                                          const char *name)
{
    const ProtobufCMethodDescriptor *found =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, name);
    if (found == NULL)
        bug("the contract has no method %s", name);
    return found;
}

const ProtobufCMessageDescriptor *world_input(const struct rpc_service *service,
                                              const struct rpc_method *method)
{
    return method_descriptor(service, method->name)->input;
}

struct rpc_as world_caller(const struct rpc_world *world, const struct rpc_method *method)
{
    if (strcmp(method->scope, RPC_PUBLIC) == 0 || (method->callers & CALLER_SERVICE) != 0)
        return AS(SERVICE_BILLING);
    if ((method->callers & CALLER_OPERATOR) != 0)
        return AS(OPERATOR_DEMO);
    if ((method->callers & CALLER_APP_USER) != 0)
        return AS_USER(APP_DEMO, world->owner.token);
    if ((method->callers & CALLER_DEVICE_USER) != 0)
        return (struct rpc_as){.client = world->device, .token = world->device_token};
    return AS(APP_DEMO);
}

/* Sends a request as service-billing; the `name` of what it made. */
static const char *make(struct rpc_fixture *f, const struct rpc_service *service,
                        const char *method, const struct request *request)
{
    const ProtobufCMethodDescriptor *descriptor = method_descriptor(service, method);
    static uint8_t bytes[REQUEST_SIZE_MAX];
    size_t size = request_encode(request, descriptor->input, bytes, sizeof(bytes));
    const struct dues_answer *answer =
        rpc_ask_bytes(f, AS(SERVICE_BILLING),
                      rpc_printf(f, "/%s/%s", service->descriptor->name, method), bytes, size);
    if (answer->status != DUES_OK)
        bug("%s: %s %s %s", method, dues_status_name(answer->status), answer->reason,
            answer->message);
    ProtobufCMessage *reply = protobuf_c_message_unpack(descriptor->output, NULL,
                                                        answer->reply_size, answer->reply_bytes);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(descriptor->output, "name");
    if (reply == NULL || field == NULL)
        bug("the answer of %s has no name", method);
    char *const *name = (char *const *)(const void *)((const char *)reply + field->offset);
    const char *text = rpc_printf(f, "%s", *name);
    protobuf_c_message_free_unpacked(reply, NULL);
    return text;
}

static const char *make_sample(struct rpc_fixture *f, struct rpc_world *world,
                               const struct rpc_service *service, const char *method)
{
    static struct sample_store store;
    struct request request;
    if (!sample_make(service->descriptor->name, method, &world->names, &store, &request))
        bug("there is no sample of %s", method);
    return make(f, service, method, &request);
}

/* In state REQUIRES_CAPTURE. */
static const char *make_held(struct rpc_fixture *f, struct rpc_world *world)
{
    static struct sample_store store;
    struct request request;

    sample_make(payment_service.descriptor->name, "CreatePayment", &world->names, &store, &request);
    request_set_number(&request, "payment.amount.minor_units", 100000);
    request_set_number(&request, "payment.capture_mode", 2 /* MANUAL */);
    return make(f, &payment_service, "CreatePayment", &request);
}

static void make_money(struct rpc_fixture *f, struct rpc_world *world)
{
    static struct sample_store store;
    struct request request;

    world->names.payment_method = make_sample(f, world, &payment_service, "CreatePaymentMethod");
    world->names.spare_method = make_sample(f, world, &payment_service, "CreatePaymentMethod");
    sample_make(payment_service.descriptor->name, "CreatePayment", &world->names, &store, &request);
    request_set_number(&request, "payment.amount.minor_units", 100000);
    world->names.payment = make(f, &payment_service, "CreatePayment", &request);
    sample_make(payment_service.descriptor->name, "CreateRefund", &world->names, &store, &request);
    request_set_number(&request, "refund.amount.minor_units", 1000);
    world->names.refund = make(f, &payment_service, "CreateRefund", &request);
    world->names.held_payment = make_held(f, world);
    world->names.doomed_payment = make_held(f, world);
}

void world_disputes(struct rpc_fixture *f, struct rpc_world *world)
{
    static struct sample_store store;
    struct request request;

    sample_make(payment_service.descriptor->name, "CreatePaymentMethod", &world->names, &store,
                &request);
    request_set_text(&request, "payment_method.gateway_token", "tok_createMultipleDisputes");
    const char *card = make(f, &payment_service, "CreatePaymentMethod", &request);
    sample_make(payment_service.descriptor->name, "CreatePayment", &world->names, &store, &request);
    request_set_text(&request, "payment.payment_method", card);
    make(f, &payment_service, "CreatePayment", &request);
    learn_disputes(f);
    const DisputeList *list = must_reply(ask_disputes(f, AS(SERVICE_BILLING), world->names.customer,
                                                      2, "", "state = NEEDS_RESPONSE", ""));
    world->names.dispute = list->disputes[0]->name;
    world->names.doomed_dispute = list->disputes[1]->name;
}

static void make_membership(struct rpc_fixture *f, struct rpc_world *world)
{
    static struct sample_store store;
    struct request request;

    sample_make(membership_service.descriptor->name, "CreateMembership", &world->names, &store,
                &request);
    request_set_text(&request, "parent", world->names.customer);
    request_set_text(&request, "membership.payment_method", world->names.payment_method);
    request_set_number(&request, "skip_trial", 1);
    world->names.membership = make(f, &membership_service, "CreateMembership", &request);
}

void world_free_customer(struct rpc_fixture *f, struct rpc_world *world)
{
    static struct sample_store store;
    struct request request;

    world->names.free_customer = make_sample(f, world, &membership_service, "CreateCustomer");
    sample_make(payment_service.descriptor->name, "CreatePaymentMethod", &world->names, &store,
                &request);
    request_set_text(&request, "parent", world->names.free_customer);
    world->names.free_method = make(f, &payment_service, "CreatePaymentMethod", &request);
}

/* Sessions of a device are its own: the one made by SignUp stays with the app. */
const char *world_log_in(struct rpc_fixture *f, struct dues_client *device,
                         const struct rpc_user *user)
{
    Dues__Auth__V1__LogInRequest request = DUES__AUTH__V1__LOG_IN_REQUEST__INIT;
    request.email = arena_strdup(f->arena, user->email);
    request.password = arena_strdup(f->arena, user->password);
    const struct rpc_as as = {.client = device, .deadline_ms = RPC_HASHING_MS};
    const struct dues_answer *answer =
        rpc_ask(f, as, &dues__auth__v1__auth_service__descriptor, "LogIn", &request.base);
    if (answer->status != DUES_OK)
        bug("LogIn on a device: %s %s", answer->reason, answer->message);
    return ((const Dues__Auth__V1__Session *)answer->reply)->access_token;
}

/* Enrols a phone of the user. */
static struct dues_client *make_device(struct rpc_fixture *f, struct rpc_world *world,
                                       const struct rpc_user *user)
{
    struct ec_key *key = ec_key_make();
    Dues__Auth__V1__EnrollDeviceRequest request = DUES__AUTH__V1__ENROLL_DEVICE_REQUEST__INIT;
    request.csr_pem = csr_make(f->arena, key, "phone");
    world->names.csr = request.csr_pem;
    const struct dues_answer *answer =
        rpc_ask(f, AS_USER(APP_DEMO, user->token), &dues__auth__v1__auth_service__descriptor,
                "EnrollDevice", &request.base);
    if (answer->status != DUES_OK)
        bug("EnrollDevice: %s %s", answer->reason, answer->message);
    const Dues__Auth__V1__Device *reply = (const Dues__Auth__V1__Device *)answer->reply;
    struct test_pair pair = {
        .certificate_pem = reply->certificate_pem,
        .key_pem = ec_key_to_pem(f->arena, key),
    };
    ec_key_free(key);
    return rpc_client(f, pair);
}

/* Nothing is sent while the world lasts: no event is of a type that they want. */
static void make_webhooks(struct rpc_fixture *f, struct rpc_world *world)
{
    struct sample_world *names = &world->names;

    names->webhook_endpoint = make_sample(f, world, &payment_service, "CreateWebhookEndpoint");
    names->doomed_endpoint = make_sample(f, world, &payment_service, "CreateWebhookEndpoint");
    const char *customer = strchr(names->customer, '/') + 1;
    names->webhook_delivery =
        rpc_printf(f, "%s/deliveries/%s-1", names->webhook_endpoint, customer);
    db_execute(f->db, db_printf(f->db,
                                "INSERT INTO dues.webhook_delivery (customer_id,"
                                " webhook_endpoint_id, sequence, event_type, state, create_time,"
                                " update_time) VALUES ('%s', '%s', 1, 'customer.created',"
                                " 'SUCCEEDED', '2026-01-01Z', '2026-01-01Z')",
                                customer, strchr(names->webhook_endpoint, '/') + 1));
}

void world_incident(struct rpc_fixture *f, struct rpc_world *world, const char *subject)
{
    const char *customer = strchr(world->names.customer, '/') + 1;

    db_execute(f->db, db_printf(f->db,
                                "SELECT dues.incident_open('%s', NULL, 'GATEWAY_ONLY', '%s',"
                                " 'a test', '2026-01-01Z')",
                                customer, subject));
    world->names.incident =
        rpc_printf(f, "%s/incidents/%s", world->names.customer,
                   db_text(f->db, db_printf(f->db,
                                            "SELECT incident_id FROM dues.incident"
                                            " WHERE customer_id = '%s' AND subject = '%s'",
                                            customer, subject)));
}

/* What it reports is of no interest here. */
static void put_catalogue(struct rpc_fixture *f)
{
    FILE *nowhere = fopen("/dev/null", "we");
    if (nowhere == NULL ||
        pg_put_catalogue(f->db->owner, sandbox_catalogue_sql, nowhere, stderr) != 0)
        bug("the sandbox's catalogue cannot be put there");
    fclose(nowhere);
}

struct rpc_world *world_new(struct rpc_fixture *f)
{
    struct rpc_world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        bug("no memory for the world");
    put_catalogue(f);
    world->owner = rpc_given_user(f);
    world->other = rpc_given_user(f);
    world->names = (struct sample_world){
        .customer = world->owner.customer,
        .user = world->owner.user,
        .email = world->owner.email,
        .password = world->owner.password,
        .refresh_token = world->other.refresh_token,
    };
    make_money(f, world);
    world_disputes(f, world);
    make_membership(f, world);
    make_webhooks(f, world);
    world_incident(f, world, "ch_first");
    world_free_customer(f, world);
    world->names.test_clock = make_sample(f, world, &sandbox_service, "CreateTestClock");
    world->names.doomed_clock = make_sample(f, world, &sandbox_service, "CreateTestClock");
    world->device = make_device(f, world, &world->owner);
    world->device_token = world_log_in(f, world->device, &world->owner);
    world->other_device = make_device(f, world, &world->other);
    world->other_device_token = world_log_in(f, world->other_device, &world->other);
    return world;
}

void world_free(struct rpc_world *world)
{
    dues_client_close(world->device);
    dues_client_close(world->other_device);
    free(world);
}
