/*
 * Every request message, as the server reads it: checked, decoded, packed again.  The first byte
 * names the message, its highest bit whether unknown fields are refused (where money moves).
 */
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>

#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "rpc/internal.h"

#define UNKNOWN_REFUSED 0x80

static const struct error *decode(struct call *call, const ProtobufCMessageDescriptor *type,
                                  const uint8_t *data, size_t size, bool refuse_unknown,
                                  ProtobufCMessage **message)
{
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)data, size);
    grpc_byte_buffer *payload = grpc_raw_byte_buffer_create(&slice, 1);
    const struct error *error = rpc_decode_payload(call, type, payload, refuse_unknown, message);

    grpc_byte_buffer_destroy(payload);
    grpc_slice_unref(slice);
    return error;
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static bool begun;
    struct call call = {.arena = fuzz_arena(), .method = "/fuzz", .trace = ""};
    ProtobufCMessage *message;
    ProtobufCMessage *again;

    if (!begun)
        grpc_init();
    begun = true;
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = fuzz_message(data[0] & (UNKNOWN_REFUSED - 1));
    bool refuse_unknown = (data[0] & UNKNOWN_REFUSED) != 0;
    const struct error *error = decode(&call, type, data + 1, size - 1, refuse_unknown, &message);
    if (error != NULL) {
        if (error->reason == NULL || error->message == NULL)
            bug("refused without a reason");
        return 0;
    }

    size_t packed_size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc(call.arena, packed_size + 1);
    protobuf_c_message_pack(message, packed);
    if (decode(&call, type, packed, packed_size, refuse_unknown, &again) != NULL)
        bug("%s was taken and is not taken again", type->name);
    if (protobuf_c_message_get_packed_size(again) != packed_size)
        bug("%s is another message when it is packed again", type->name);
    return 0;
}
