/*
 * A house with a sandbox gateway and a master key around the database of a test, and the requests
 * that its tests send straight to the handlers.
 */
#pragma once

#include <unistd.h>

#include "base/text.h"
#include "crypto/secrets.h"
#include "gateway/sandbox/sandbox.h"
#include "payment/payment_internal.h"
#include "payment/payment_proto.h"
#include "support/db_fixture.h"
#include "vault/vault.h"

#define GATEWAY_TIMEOUT_MS 50

struct payment_fixture {
    struct db_fixture *db;
    struct sandbox *sandbox;
    struct gateways gateways;
    struct secrets *secrets;
    char journal[64];
    char master_key[64];
};

static const struct payment_purpose *const test_purposes[] = {&payment_purpose_direct, NULL};

static inline void fixture_file(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/dues-test-XXXXXX");
    int descriptor = mkstemp(path);

    if (descriptor < 0 || write(descriptor, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(descriptor);
}

static inline void fixture_open_gateway(struct payment_fixture *f)
{
    char problem[256];

    f->sandbox = sandbox_open(f->journal, GATEWAY_TIMEOUT_MS, 0, f->db->house.clock,
                              f->db->house.random, problem);
    if (f->sandbox == NULL)
        abort();
    f->gateways = (struct gateways){.list = {sandbox_gateway(f->sandbox)}, .count = 1};
}

static inline int payment_setup(void **state)
{
    struct payment_fixture *f = calloc(1, sizeof *f);
    char problem[256];

    f->db = db_fixture_new(&(struct db_options){0});
    fixture_file(f->journal, "");
    fixture_file(f->master_key,
                 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    f->secrets = secrets_open(f->master_key, problem);
    if (f->secrets == NULL)
        abort();
    fixture_open_gateway(f);
    f->db->settings.gateway_timeout_ms = GATEWAY_TIMEOUT_MS;
    f->db->settings.unknown_budget_seconds = 3600;
    f->db->house.secrets = f->secrets;
    f->db->house.vault =
        vault_open(&f->db->house, (struct key_source){.text = f->master_key}, problem);
    if (f->db->house.vault == NULL)
        abort();
    f->db->house.gateways = &f->gateways;
    f->db->house.purposes = test_purposes;
    *state = f;
    return 0;
}

static inline int payment_teardown(void **state)
{
    struct payment_fixture *f = *state;

    vault_close(f->db->house.vault);
    db_fixture_free(f->db);
    sandbox_close(f->sandbox);
    secrets_close(f->secrets);
    unlink(f->journal);
    unlink(f->master_key);
    free(f);
    return 0;
}

/* One request on its way through a handler, as rpc/ would send it. */
struct asked {
    rpc_handler *handler;
    const char *method;
    const char *request_id;
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *reply_type;
    /* the answer */
    struct bytes bytes;
    bool replayed;
    ProtobufCMessage *reply;
};

static inline const struct error *asked_run(struct call *call, void *arg)
{
    struct asked *asked = arg;
    struct bytes request = message_pack(call->arena, asked->request);

    call->method = asked->method;
    call->request_id = asked->request_id;
    sha256(request.data, request.size, call->request_hash);
    ProtobufCMessage *reply = arena_alloc(call->arena, asked->reply_type->sizeof_message);
    asked->reply_type->message_init(reply);
    TRY(asked->handler(call, asked->request, reply));
    asked->replayed = call->replayed;
    asked->bytes = call->recorded.bytes != NULL
                       ? (struct bytes){call->recorded.bytes, call->recorded.size}
                       : message_pack(call->arena, reply);
    asked->reply =
        protobuf_c_message_unpack(asked->reply_type, NULL, asked->bytes.size, asked->bytes.data);
    return NULL;
}

static inline struct asked asked_payment(struct payment_fixture *f, struct uuid customer,
                                         struct uuid method, int64_t minor_units,
                                         const char *request_id)
{
    Dues__Payment__V1__CreatePaymentRequest *request = arena_alloc(f->db->arena, sizeof *request);
    Dues__Payment__V1__Payment *payment = arena_alloc(f->db->arena, sizeof *payment);
    Dues__Type__V1__Money *amount = arena_alloc(f->db->arena, sizeof *amount);
    const struct uuid ids[] = {customer, method};

    dues__payment__v1__create_payment_request__init(request);
    dues__payment__v1__payment__init(payment);
    dues__type__v1__money__init(amount);
    amount->currency_code = arena_strdup(f->db->arena, "USD");
    amount->minor_units = minor_units;
    payment->amount = amount;
    payment->payment_method =
        arena_strdup(f->db->arena, name_make(f->db->arena, PAYMENT_METHOD_PATTERN, ids));
    request->parent = arena_strdup(f->db->arena, name_make(f->db->arena, "customers/{}", ids));
    request->payment = payment;
    request->request_id = arena_strdup(f->db->arena, request_id);
    return (struct asked){
        .handler = create_payment,
        .method = CREATE_PAYMENT_METHOD,
        .request_id = request->request_id,
        .request = &request->base,
        .reply_type = &dues__payment__v1__payment__descriptor,
    };
}

/* `minor_units` 0: all that is left. */
static inline struct asked asked_refund(struct payment_fixture *f, struct uuid customer,
                                        struct uuid payment, int64_t minor_units,
                                        const char *request_id)
{
    Dues__Payment__V1__CreateRefundRequest *request = arena_alloc(f->db->arena, sizeof *request);
    const struct uuid ids[] = {customer, payment};

    dues__payment__v1__create_refund_request__init(request);
    request->parent = arena_strdup(f->db->arena, name_make(f->db->arena, PAYMENT_PATTERN, ids));
    if (minor_units != 0) {
        request->refund = arena_alloc(f->db->arena, sizeof *request->refund);
        dues__payment__v1__refund__init(request->refund);
        request->refund->amount = arena_alloc(f->db->arena, sizeof *request->refund->amount);
        dues__type__v1__money__init(request->refund->amount);
        request->refund->amount->currency_code = arena_strdup(f->db->arena, "USD");
        request->refund->amount->minor_units = minor_units;
    }
    request->request_id = arena_strdup(f->db->arena, request_id);
    return (struct asked){
        .handler = create_refund,
        .method = CREATE_REFUND_METHOD,
        .request_id = request->request_id,
        .request = &request->base,
        .reply_type = &dues__payment__v1__refund__descriptor,
    };
}

/* A customer with one payment method of this token. */
struct payer {
    struct uuid customer;
    struct uuid method;
};

static inline struct payer given_payer(struct payment_fixture *f, const char *token)
{
    Dues__Payment__V1__CreatePaymentMethodRequest request =
        DUES__PAYMENT__V1__CREATE_PAYMENT_METHOD_REQUEST__INIT;
    Dues__Payment__V1__PaymentMethod method = DUES__PAYMENT__V1__PAYMENT_METHOD__INIT;
    struct payer payer = {.customer = db_given_customer(f->db, UUID_NIL)};
    struct uuid ids[2];

    method.gateway_token = arena_strdup(f->db->arena, token);
    request.parent =
        arena_strdup(f->db->arena, name_make(f->db->arena, "customers/{}", &payer.customer));
    request.payment_method = &method;
    struct asked asked = {
        .handler = create_payment_method,
        .method = "/dues.payment.v1.PaymentService/CreatePaymentMethod",
        .request_id = "",
        .request = &request.base,
        .reply_type = &dues__payment__v1__payment_method__descriptor,
    };
    if (db_run(f->db, asked_run, &asked) != NULL)
        abort();
    const Dues__Payment__V1__PaymentMethod *made =
        (const Dues__Payment__V1__PaymentMethod *)asked.reply;
    if (!name_parse(PAYMENT_METHOD_PATTERN, made->name, ids, 2))
        abort();
    payer.method = ids[1];
    protobuf_c_message_free_unpacked(asked.reply, NULL);
    return payer;
}

/* of_customer_text(f, "state FROM payment", customer): the first column of the first row. */
static inline const char *of_customer_text(struct payment_fixture *f, const char *columns_from,
                                           struct uuid customer)
{
    return db_text(f->db, db_printf(f->db, "SELECT %s WHERE customer_id = '%s'", columns_from,
                                    db_uuid_text(f->db, customer)));
}

static inline int64_t of_customer(struct payment_fixture *f, const char *columns_from,
                                  struct uuid customer)
{
    return strtoll(of_customer_text(f, columns_from, customer), NULL, 10);
}

/* The one payment of a payer. */
static inline struct uuid only_payment(struct payment_fixture *f, struct uuid customer)
{
    struct uuid id;

    if (!uuid_parse(of_customer_text(f, "payment_id FROM payment", customer), &id))
        abort();
    return id;
}

/* How often money moved at the gateway, by its journal. */
static inline int gateway_approvals(struct payment_fixture *f, const char *operation)
{
    struct arena *arena = arena_new(16 * 1024 * 1024);
    size_t count;
    int approvals = 0;
    const struct sandbox_call *calls = sandbox_calls(f->sandbox, arena, 0, NULL, 0, 1000, &count);

    for (size_t i = 0; i < count; i++)
        approvals +=
            text_equal(calls[i].outcome, "APPROVED") && text_equal(calls[i].operation, operation);
    arena_free(arena);
    return approvals;
}
