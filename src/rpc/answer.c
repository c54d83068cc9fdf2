/*
 * The answer of a unary call: initial metadata, message, status and trailers in one batch.  gRPC
 * takes what it needs of it when the batch starts, so nothing here outlives the function.
 */

#include <grpc/byte_buffer.h>

#include "rpc/internal.h"
#include "rpc/status.h"

bool rpc_answer_take(struct rpc_call *call)
{
    return !atomic_exchange_explicit(&call->answer_taken, true, memory_order_acq_rel);
}

grpc_byte_buffer *rpc_buffer_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));

    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

grpc_byte_buffer *rpc_reply_pack(const struct call *call, const ProtobufCMessage *reply)
{
    if (call->recorded.bytes == NULL)
        return protobuf_c_message_get_packed_size(reply) > REPLY_SIZE_MAX ? NULL
                                                                          : rpc_buffer_pack(reply);
    grpc_slice slice =
        grpc_slice_from_copied_buffer((const char *)call->recorded.bytes, call->recorded.size);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

/*
 * The first op waits for the close; a stream does that in a batch of its own.  When gRPC refuses
 * the batch its tag never comes: the call is cut and the reference is ours.
 */
static void send_batch(struct rpc_call *call, grpc_op *ops, size_t count)
{
    ops[0] = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                       .data.recv_close_on_server.cancelled = &call->cancelled};
    if (rpc_call_is_stream(call)) {
        ops++;
        count--;
    }
    if (grpc_call_start_batch(call->handle, ops, count, &call->answered, NULL) == GRPC_CALL_OK)
        return;
    grpc_call_cancel_with_status(call->handle, GRPC_STATUS_INTERNAL, "answer could not be sent",
                                 NULL);
    rpc_call_unref(call);
}

void rpc_answer_reply(struct rpc_call *call, grpc_byte_buffer *reply)
{
    grpc_metadata headers = rpc_trace_header(call->call.trace);
    grpc_metadata replayed = {
        .key = grpc_slice_from_static_string("idempotent-replayed"),
        .value = grpc_slice_from_static_string("true"),
    };
    grpc_op ops[] = {
        {0},
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = 1, .metadata = &headers}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = reply},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
         .data.send_status_from_server = {.status = GRPC_STATUS_OK,
                                          .trailing_metadata_count = call->call.replayed ? 1 : 0,
                                          .trailing_metadata = &replayed}},
    };

    send_batch(call, ops, ARRAY_LENGTH(ops));
    grpc_byte_buffer_destroy(reply);
    grpc_slice_unref(headers.value);
}

void rpc_answer_error(struct rpc_call *call, const struct error *error, struct arena *arena)
{
    struct rpc_status status;
    grpc_metadata headers = rpc_trace_header(call->call.trace);

    rpc_status_make(&status, arena, error, call->call.trace);
    grpc_op ops[] = {
        {0},
        rpc_status_op(&status),
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = 1, .metadata = &headers}},
    };
    send_batch(call, ops, call->headers_sent ? 2 : 3);
    rpc_status_release(&status);
    grpc_slice_unref(headers.value);
}
