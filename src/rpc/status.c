/*
 * Only here do errors meet google.rpc.  An INTERNAL error says nothing but its trace: the truth is
 * in its cause, which the log has.
 */

#include "rpc/status.h"

#include <protobuf-c/protobuf-c.h>

#include "google/protobuf/duration.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define DOMAIN      "dues"
#define TYPE_PREFIX "type.googleapis.com/"
#define DETAILS_MAX 4

static uint8_t *pack(struct arena *arena, const ProtobufCMessage *message, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, *size);
    protobuf_c_message_pack(message, bytes);
    return bytes;
}

static void add_detail(struct arena *arena, Google__Rpc__Status *status,
                       const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = arena_alloc(arena, sizeof *any);

    google__protobuf__any__init(any);
    any->type_url = arena_printf(arena, TYPE_PREFIX "%s", message->descriptor->name);
    any->value.data = pack(arena, message, &any->value.len);
    status->details[status->n_details++] = any;
}

/* protobuf-c's fields are not const, though packing only reads them. */
static char *text(struct arena *arena, const char *value)
{
    return arena_strdup(arena, value == NULL ? "" : value);
}

static void add_error_info(struct arena *arena, Google__Rpc__Status *status,
                           const struct error *error)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;

    info.reason = text(arena, error->reason);
    info.domain = text(arena, DOMAIN);
    info.metadata = arena_array(arena, error->metadata_count, sizeof *info.metadata);
    for (size_t i = 0; i < error->metadata_count; i++) {
        Google__Rpc__ErrorInfo__MetadataEntry *entry = arena_alloc(arena, sizeof *entry);
        google__rpc__error_info__metadata_entry__init(entry);
        entry->key = text(arena, error->metadata[i].key);
        entry->value = text(arena, error->metadata[i].value);
        info.metadata[info.n_metadata++] = entry;
    }
    add_detail(arena, status, &info.base);
}

static void add_bad_request(struct arena *arena, Google__Rpc__Status *status,
                            const struct error *error, size_t field_count)
{
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;

    if (field_count == 0)
        return;
    bad.field_violations = arena_array(arena, field_count, sizeof *bad.field_violations);
    for (size_t i = 0; i < field_count; i++) {
        Google__Rpc__BadRequest__FieldViolation *violation = arena_alloc(arena, sizeof *violation);
        google__rpc__bad_request__field_violation__init(violation);
        violation->field = text(arena, error->fields[i].field);
        violation->description = text(arena, error->fields[i].description);
        bad.field_violations[bad.n_field_violations++] = violation;
    }
    add_detail(arena, status, &bad.base);
}

static void add_retry_info(struct arena *arena, Google__Rpc__Status *status,
                           const struct error *error)
{
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;

    if (error->retry_after_ms <= 0)
        return;
    delay.seconds = error->retry_after_ms / 1000;
    delay.nanos = (int32_t)(error->retry_after_ms % 1000) * 1000000;
    retry.retry_delay = &delay;
    add_detail(arena, status, &retry.base);
}

static void add_request_info(struct arena *arena, Google__Rpc__Status *status, const char *trace)
{
    Google__Rpc__RequestInfo info = GOOGLE__RPC__REQUEST_INFO__INIT;

    info.request_id = text(arena, trace);
    add_detail(arena, status, &info.base);
}

/* Cut between characters: half a one is not UTF-8, and clients would refuse the whole Status. */
static const char *public_message(struct arena *arena, const struct error *error)
{
    if (error->status == STATUS_INTERNAL || error->message == NULL)
        return "internal error";
    size_t length = strlen(error->message);
    if (length > STATUS_MESSAGE_LENGTH_MAX) {
        length = STATUS_MESSAGE_LENGTH_MAX;
        while (length > 0 && ((unsigned char)error->message[length] & 0xc0) == 0x80)
            length--;
    }
    return arena_strndup(arena, error->message, length);
}

static uint8_t *pack_status(struct arena *arena, const struct error *error, const char *trace,
                            size_t field_count, size_t *size)
{
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;

    status.code = (int32_t)error->status;
    status.message = text(arena, public_message(arena, error));
    status.details = arena_array(arena, DETAILS_MAX, sizeof *status.details);
    add_error_info(arena, &status, error);
    add_bad_request(arena, &status, error, field_count);
    add_retry_info(arena, &status, error);
    add_request_info(arena, &status, trace);
    return pack(arena, &status.base, size);
}

uint8_t *rpc_status_pack(struct arena *arena, const struct error *error, const char *trace,
                         size_t *size)
{
    size_t field_count = error->field_count;
    uint8_t *bytes = pack_status(arena, error, trace, field_count, size);

    while (*size > STATUS_DETAILS_SIZE_MAX && field_count > 0) {
        field_count /= 2;
        bytes = pack_status(arena, error, trace, field_count, size);
    }
    return bytes;
}

void rpc_status_make(struct rpc_status *status, struct arena *arena, const struct error *error,
                     const char *trace)
{
    *status = (struct rpc_status){.code = GRPC_STATUS_OK, .message = grpc_empty_slice()};
    if (error == NULL)
        return;
    size_t size;
    const uint8_t *bytes = rpc_status_pack(arena, error, trace, &size);
    status->code = (grpc_status_code)error->status;
    status->message = grpc_slice_from_copied_string(public_message(arena, error));
    status->details.key = grpc_slice_from_static_string("grpc-status-details-bin");
    status->details.value = grpc_slice_from_copied_buffer((const char *)bytes, size);
}

void rpc_status_release(struct rpc_status *status)
{
    grpc_slice_unref(status->message);
    if (status->code != GRPC_STATUS_OK)
        grpc_slice_unref(status->details.value);
}

grpc_op rpc_status_op(struct rpc_status *status)
{
    return (grpc_op){
        .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
        .data.send_status_from_server =
            {
                .status = status->code,
                .status_details = &status->message,
                .trailing_metadata_count = status->code == GRPC_STATUS_OK ? 0 : 1,
                .trailing_metadata = &status->details,
            },
    };
}

grpc_metadata rpc_trace_header(const char *trace)
{
    return (grpc_metadata){
        .key = grpc_slice_from_static_string("x-request-id"),
        .value = grpc_slice_from_copied_string(trace),
    };
}
