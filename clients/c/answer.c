/*
 * From the wire to an answer: the rich error model of google.rpc, the trailers, the reply.  What
 * the server sends is not trusted: whatever does not parse is left out.
 */
#include "internal.h"

#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>

#define TYPE_PREFIX "type.googleapis.com/"

struct block {
    struct block *next;
    _Alignas(16) unsigned char bytes[];
};

struct answer *answer_new(void)
{
    /* gpr_zalloc ends the process when memory is exhausted, as gRPC below us does anyway. */
    struct answer *answer = gpr_zalloc(sizeof(*answer));
    answer->public.message = "";
    answer->public.reason = "";
    answer->public.domain = "";
    answer->public.request_trace = "";
    return answer;
}

void *answer_alloc(struct answer *answer, size_t size)
{
    struct block *block = gpr_zalloc(sizeof(*block) + size);
    block->next = answer->blocks;
    answer->blocks = block;
    return block->bytes;
}

char *answer_text(struct answer *answer, const void *bytes, size_t size)
{
    char *text = answer_alloc(answer, size + 1);
    if (size > 0)
        memcpy(text, bytes, size);
    return text;
}

void dues_answer_free(struct dues_answer *answer)
{
    if (answer == NULL)
        return;
    struct answer *owner = (struct answer *)answer;
    while (owner->blocks != NULL) {
        struct block *next = owner->blocks->next;
        gpr_free(owner->blocks);
        owner->blocks = next;
    }
    gpr_free(owner);
}

static void *allocate(void *owner, size_t size)
{
    return answer_alloc(owner, size);
}

static void keep(void *owner, void *memory)
{
    (void)owner;
    (void)memory;
}

/* Memory of messages lives as long as the answer. */
static ProtobufCAllocator allocator_of(struct answer *answer)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = keep, .allocator_data = answer};
}

static void read_error_info(struct answer *answer, ProtobufCAllocator *allocator,
                            const ProtobufCBinaryData *value)
{
    const Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(allocator, value->len, value->data);
    if (info == NULL)
        return;
    struct dues_metadata *pairs = answer_alloc(answer, info->n_metadata * sizeof(*pairs));
    for (size_t i = 0; i < info->n_metadata; i++)
        pairs[i] = (struct dues_metadata){info->metadata[i]->key, info->metadata[i]->value};
    answer->public.reason = info->reason;
    answer->public.domain = info->domain;
    answer->public.metadata = pairs;
    answer->public.metadata_count = info->n_metadata;
}

static void read_bad_request(struct answer *answer, ProtobufCAllocator *allocator,
                             const ProtobufCBinaryData *value)
{
    const Google__Rpc__BadRequest *bad =
        google__rpc__bad_request__unpack(allocator, value->len, value->data);
    if (bad == NULL)
        return;
    struct dues_field_error *fields =
        answer_alloc(answer, bad->n_field_violations * sizeof(*fields));
    for (size_t i = 0; i < bad->n_field_violations; i++)
        fields[i] = (struct dues_field_error){bad->field_violations[i]->field,
                                              bad->field_violations[i]->description};
    answer->public.fields = fields;
    answer->public.field_count = bad->n_field_violations;
}

static void read_retry_info(struct answer *answer, ProtobufCAllocator *allocator,
                            const ProtobufCBinaryData *value)
{
    const Google__Rpc__RetryInfo *retry =
        google__rpc__retry_info__unpack(allocator, value->len, value->data);
    if (retry == NULL)
        return;
    answer->retry_wished = true;
    const Google__Protobuf__Duration *delay = retry->retry_delay;
    /* More than a day is not a pause any more; the bound also keeps the product in range. */
    if (delay != NULL && delay->seconds >= 0 && delay->seconds <= 86400 && delay->nanos >= 0)
        answer->public.retry_after_ms = delay->seconds * 1000 + (delay->nanos + 999999) / 1000000;
}

static void read_request_info(struct answer *answer, ProtobufCAllocator *allocator,
                              const ProtobufCBinaryData *value)
{
    const Google__Rpc__RequestInfo *info =
        google__rpc__request_info__unpack(allocator, value->len, value->data);
    if (info != NULL)
        answer->public.request_trace = info->request_id;
}

void answer_read_details(struct answer *answer, const void *bytes, size_t size)
{
    static const struct {
        const char *type_url;
        void (*read)(struct answer *, ProtobufCAllocator *, const ProtobufCBinaryData *);
    } readers[] = {
        {TYPE_PREFIX "google.rpc.ErrorInfo", read_error_info},
        {TYPE_PREFIX "google.rpc.BadRequest", read_bad_request},
        {TYPE_PREFIX "google.rpc.RetryInfo", read_retry_info},
        {TYPE_PREFIX "google.rpc.RequestInfo", read_request_info},
    };
    ProtobufCAllocator allocator = allocator_of(answer);
    const Google__Rpc__Status *status = google__rpc__status__unpack(&allocator, size, bytes);
    if (status == NULL)
        return;
    for (size_t i = 0; i < status->n_details; i++)
        for (size_t j = 0; j < sizeof(readers) / sizeof(readers[0]); j++)
            if (strcmp(status->details[i]->type_url, readers[j].type_url) == 0)
                readers[j].read(answer, &allocator, &status->details[i]->value);
}

static bool key_is(grpc_slice key, const char *name)
{
    return grpc_slice_str_cmp(key, name) == 0;
}

void answer_read_trailers(struct answer *answer, const grpc_metadata *list, size_t count)
{
    struct dues_metadata *trailers = answer_alloc(answer, count * sizeof(*trailers));
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *value = GRPC_SLICE_START_PTR(list[i].value);
        size_t size = GRPC_SLICE_LENGTH(list[i].value);
        if (key_is(list[i].key, "grpc-status-details-bin"))
            answer_read_details(answer, value, size);
        if (grpc_is_binary_header(list[i].key))
            continue;
        if (key_is(list[i].key, "idempotent-replayed"))
            answer->public.replayed = size == 4 && memcmp(value, "true", 4) == 0;
        trailers[kept].key =
            answer_text(answer, GRPC_SLICE_START_PTR(list[i].key), GRPC_SLICE_LENGTH(list[i].key));
        trailers[kept].value = answer_text(answer, value, size);
        kept++;
    }
    answer->public.trailers = trailers;
    answer->public.trailer_count = kept;
}

void answer_read_bytes(struct answer *answer, grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer))
        return;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    answer->public.reply_size = GRPC_SLICE_LENGTH(all);
    answer->public.reply_bytes =
        (uint8_t *)answer_text(answer, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
    grpc_slice_unref(all);
}

void answer_read_headers(struct answer *answer, const grpc_metadata *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (key_is(list[i].key, "x-request-id"))
            answer->public.request_trace = answer_text(answer, GRPC_SLICE_START_PTR(list[i].value),
                                                       GRPC_SLICE_LENGTH(list[i].value));
}

void answer_read_reply(struct answer *answer, const ProtobufCMessageDescriptor *output)
{
    ProtobufCAllocator allocator = allocator_of(answer);
    answer->public.reply = protobuf_c_message_unpack(output, &allocator, answer->public.reply_size,
                                                     answer->public.reply_bytes);
    if (answer->public.reply == NULL) {
        answer->public.status = DUES_INTERNAL;
        answer->public.message = "the server's answer is not a message of the method's type";
    }
}

const char *dues_status_name(int status)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    bool known = status >= 0 && status < (int)(sizeof(names) / sizeof(names[0]));
    return known ? names[status] : "UNKNOWN";
}
