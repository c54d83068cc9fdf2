/*
 * ListGatewayCalls reads the sandbox gateway's journal, the truth about what was charged.  Only
 * which attempts belong to a payment comes from the database.
 */

#include "sandbox/list_gateway_calls.h"

#include "base/owner.h"
#include "contract/message.h"
#include "crypto/page_token.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"
#include "gateway/sandbox/sandbox.h"

typedef Dues__Sandbox__V1__ListGatewayCallsRequest Request;
typedef Dues__Sandbox__V1__ListGatewayCallsResponse Reply;

const struct pg_statement gateway_calls_attempts = {
    .name = "gateway_calls_attempts",
    .sql = "SELECT attempt_id FROM attempt WHERE customer_id = $1 AND payment_id = $2"
           " ORDER BY create_time DESC, attempt_id DESC LIMIT 1000",
};

/* NULL references: all calls. */
struct selection {
    const char *const *references;
    size_t count;
};

static const struct error *select_payment(struct call *call, const Request *req,
                                          const struct uuid *ids, struct selection *selection)
{
    struct pg_rows rows;

    TRY(owner_check(call, ids[0], "PAYMENT_NOT_FOUND", req->payment));
    TRY(pg_read(call, ids[0], &gateway_calls_attempts, PG_PARAMS(pg_uuid(ids[0]), pg_uuid(ids[1])),
                &rows));
    if (rows.count == 0)
        return not_found(call, "PAYMENT_NOT_FOUND", req->payment);
    const char **references = arena_array(call->arena, rows.count, sizeof *references);
    for (size_t i = 0; i < rows.count; i++)
        references[i] = uuid_text(call->arena, pg_get_uuid(&rows, i, "attempt_id"));
    *selection = (struct selection){references, rows.count};
    return NULL;
}

/* The journal's words are the enum's names without their prefix. */
static int enum_value(struct call *call, const ProtobufCEnumDescriptor *descriptor,
                      const char *prefix, const char *name)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(
        descriptor, arena_printf(call->arena, "%s%s", prefix, name));

    return value == NULL ? 0 : value->value;
}

static void call_to_proto(struct call *call, const struct sandbox_call *from,
                          Dues__Sandbox__V1__GatewayCall *to)
{
    dues__sandbox__v1__gateway_call__init(to);
    to->idempotency_key = arena_strdup(call->arena, from->key);
    to->operation = (Dues__Sandbox__V1__GatewayCall__Operation)enum_value(
        call, &dues__sandbox__v1__gateway_call__operation__descriptor, "OPERATION_",
        from->operation);
    to->token = arena_strdup(call->arena, from->token);
    if (from->currency[0] != '\0')
        to->amount = money_to_proto(call->arena, money_make(from->currency, from->amount_minor));
    to->outcome = (Dues__Sandbox__V1__GatewayCall__Outcome)enum_value(
        call, &dues__sandbox__v1__gateway_call__outcome__descriptor, "OUTCOME_", from->outcome);
    to->gateway_transaction_id = arena_strdup(call->arena, from->transaction);
    to->call_time = time_to_proto(call->arena, from->time_us);
    to->reference = arena_strdup(call->arena, from->reference);
    to->decline_code = arena_strdup(call->arena, from->decline_code);
    to->answer_lost = from->answer_lost;
    to->traceparent = arena_strdup(call->arena, from->traceparent);
}

const struct error *list_gateway_calls(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    Reply *res = reply;
    struct field_errors errors = {.call = call};
    struct selection selection = {NULL, 0};
    const struct gateway *gateway = gateway_find(call->house->gateways, "sandbox");
    struct uuid ids[2];
    int64_t before;
    size_t count = 0;

    if (req->payment[0] != '\0')
        check_owned_name(&errors, "payment", req->payment, "customers/{}/payments/{}", ids, 2);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(page_token_read_number(call, req->payment, req->page_token, &before));
    if (req->payment[0] != '\0')
        TRY(select_payment(call, req, ids, &selection));
    if (gateway == NULL || sandbox_of(gateway) == NULL)
        return NULL;

    struct sandbox_call *calls =
        sandbox_calls(sandbox_of(gateway), call->arena, before, selection.references,
                      selection.count, (size_t)page_size + 1, &count);
    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_number(call, req->payment, calls[count - 1].number);
    }
    res->gateway_calls = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->gateway_calls[i] = arena_alloc(call->arena, sizeof **res->gateway_calls);
        call_to_proto(call, &calls[i], res->gateway_calls[i]);
    }
    res->n_gateway_calls = count;
    return NULL;
}
