/*
 * From the bytes of a request to its structure in the arena: checked, decoded within a budget, with
 * the request_id read and the canonical form hashed.
 */

#include <assert.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>

#include "base/check.h"
#include "crypto/secrets.h"
#include "rpc/internal.h"
#include "rpc/validate.h"

#define REQUEST_ID_LENGTH_MAX 64

/* protobuf-c asks for more than the wire holds: up to 68 times as much was measured. */
struct budget {
    struct arena *arena;
    size_t left;
    bool exceeded;
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;
    void *memory = size > budget->left ? NULL : arena_try_alloc(budget->arena, size);

    if (memory == NULL)
        budget->exceeded = true;
    else
        budget->left -= size;
    return memory;
}

static void budget_free(void *data, void *memory)
{
    (void)data; /* the arena gives it back at the end of the call */
    (void)memory;
}

static const struct error *unpack(struct call *call, const ProtobufCMessageDescriptor *type,
                                  const uint8_t *bytes, size_t size, ProtobufCMessage **message)
{
    struct budget budget = {.arena = call->arena, .left = DECODE_SIZE_MAX};
    ProtobufCAllocator allocator = {
        .alloc = budget_alloc, .free = budget_free, .allocator_data = &budget};

    *message = protobuf_c_message_unpack(type, &allocator, size, bytes);
    if (*message != NULL)
        return NULL;
    if (budget.exceeded)
        return refuse(call, STATUS_RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE",
                      "request is too large once decoded");
    return refuse(call, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
                  "request is not a message of the method's type");
}

static struct error *request_id_missing(struct call *call)
{
    struct error *error = refuse(call, STATUS_INVALID_ARGUMENT, "REQUEST_ID_REQUIRED",
                                 "method must not be done twice and needs a request_id");

    error->fields[error->field_count++] = (struct field_error){
        .field = "request_id", .description = "must be 1 to 64 characters of [A-Za-z0-9_-]"};
    return error;
}

static const struct error *read_request_id(struct rpc_call *rpc, const ProtobufCMessage *request)
{
    struct call *call = &rpc->call;

    assert(request != NULL);
    call->request_id = "";
    if (rpc->route->method->request_id == REQUEST_ID_NONE)
        return NULL;
    const char *const *id = (const void *)((const char *)request + rpc->route->request_id->offset);
    if (*id == NULL || **id == '\0') {
        if (rpc->route->method->request_id == REQUEST_ID_OPTIONAL)
            return NULL;
        return request_id_missing(call);
    }
    struct field_errors errors = {.call = call};
    check_token(&errors, "request_id", *id, 1, REQUEST_ID_LENGTH_MAX);
    TRY(field_errors_result(&errors));
    call->request_id = *id;
    return NULL;
}

/*
 * Packed again, equal requests have equal bytes, however the client ordered them.  A plain hash of
 * a sign-up could be searched for its password by whoever reads the table, so it is keyed.
 */
static void hash_request(struct call *call, const ProtobufCMessage *request)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *packed = arena_alloc(call->arena, size);

    protobuf_c_message_pack(request, packed);
    const struct bytes pieces[] = {
        {call->method, strlen(call->method)},
        {packed, size},
    };
    uint8_t hash[SHA256_SIZE];
    sha256_pieces(pieces, ARRAY_LENGTH(pieces), hash);
    secret_hmac(call->house->secrets, SECRET_REQUEST_HASH, hash, sizeof hash, call->request_hash);
}

static void release_slice(grpc_slice *slice)
{
    grpc_slice_unref(*slice);
}

const struct error *rpc_decode_payload(struct call *call, const ProtobufCMessageDescriptor *type,
                                       grpc_byte_buffer *payload, bool refuse_unknown,
                                       ProtobufCMessage **message)
{
    grpc_byte_buffer_reader reader;

    if (payload == NULL || !grpc_byte_buffer_reader_init(&reader, payload))
        return refuse(call, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
                      "call has no request message");
    AUTO(release_slice) grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);

    const uint8_t *bytes = GRPC_SLICE_START_PTR(slice);
    size_t size = GRPC_SLICE_LENGTH(slice);
    TRY(validate_message(call, type, bytes, size, refuse_unknown));
    return unpack(call, type, bytes, size, message);
}

const struct error *rpc_decode(struct rpc_call *rpc, ProtobufCMessage **request)
{
    struct call *call = &rpc->call;
    bool money = rpc->route->method->request_id == REQUEST_ID_REQUIRED;

    TRY(rpc_decode_payload(call, rpc->route->input, rpc->payload, money, request));
    TRY(read_request_id(rpc, *request));
    if (call->request_id[0] != '\0')
        hash_request(call, *request);
    return NULL;
}
