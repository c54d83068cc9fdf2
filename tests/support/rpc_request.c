/*
 * The encoder: protobuf's wire format, as little of it as our requests need (varints and
 * length-delimited fields; the contract has no fixed-width or floating-point field).
 */
#include "support/rpc_request.h"

static struct request_value *value_at(struct request *request, const char *path)
{
    for (size_t i = 0; i < request->count; i++) {
        if (strcmp(request->values[i].path, path) == 0)
            return &request->values[i];
    }
    if (request->count == REQUEST_VALUES_MAX)
        abort();
    request->values[request->count] = (struct request_value){.path = path};
    return &request->values[request->count++];
}

void request_set_text(struct request *request, const char *path, const char *text)
{
    request_set_bytes(request, path, text, strlen(text));
}

void request_set_bytes(struct request *request, const char *path, const void *bytes, size_t size)
{
    struct request_value *value = value_at(request, path);
    value->bytes = bytes;
    value->size = size;
}

void request_set_number(struct request *request, const char *path, int64_t number)
{
    struct request_value *value = value_at(request, path);
    value->bytes = NULL;
    value->number = number;
}

/* "payment" covers "payment" and "payment.amount.minor_units", but not "payment_method". */
static bool path_covers(const char *path, const char *inner)
{
    size_t length = strlen(path);
    return strncmp(path, inner, length) == 0 && (inner[length] == '\0' || inner[length] == '.');
}

void request_remove(struct request *request, const char *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < request->count; i++) {
        if (!path_covers(path, request->values[i].path))
            request->values[kept++] = request->values[i];
    }
    request->count = kept;
}

bool request_has(const struct request *request, const char *path)
{
    for (size_t i = 0; i < request->count; i++) {
        if (path_covers(path, request->values[i].path))
            return true;
    }
    return false;
}

struct output {
    uint8_t *bytes;
    size_t size;
    size_t size_max;
};

static void put_byte(struct output *output, uint8_t byte)
{
    if (output->size == output->size_max)
        abort();
    output->bytes[output->size++] = byte;
}

static void put_varint(struct output *output, uint64_t value)
{
    while (value >= 0x80) {
        put_byte(output, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    put_byte(output, (uint8_t)value);
}

static void put_delimited(struct output *output, uint32_t id, const void *bytes, size_t size)
{
    put_varint(output, (uint64_t)id << 3 | 2);
    put_varint(output, size);
    for (size_t i = 0; i < size; i++)
        put_byte(output, ((const uint8_t *)bytes)[i]);
}

/* A repeated field: what stands between commas. */
static void put_list(struct output *output, uint32_t id, const char *text, size_t size)
{
    for (;;) {
        const char *comma = memchr(text, ',', size);
        size_t length = comma == NULL ? size : (size_t)(comma - text);
        put_delimited(output, id, text, length);
        if (comma == NULL)
            return;
        text += length + 1;
        size -= length + 1;
    }
}

static void encode(const struct request *request, const ProtobufCMessageDescriptor *message,
                   const char *prefix, struct output *output);

static void encode_message(const struct request *request, const ProtobufCFieldDescriptor *field,
                           const char *path, struct output *output)
{
    uint8_t *bytes = calloc(1, output->size_max);
    if (bytes == NULL)
        abort();
    struct output inner = {bytes, 0, output->size_max};
    encode(request, field->descriptor, path, &inner);
    put_delimited(output, field->id, bytes, inner.size);
    free(bytes);
}

static void encode_field(const struct request *request, const ProtobufCFieldDescriptor *field,
                         const char *path, struct output *output)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        encode_message(request, field, path, output);
        return;
    }
    for (size_t i = 0; i < request->count; i++) {
        const struct request_value *value = &request->values[i];
        if (strcmp(value->path, path) != 0)
            continue;
        if (value->bytes != NULL && field->label == PROTOBUF_C_LABEL_REPEATED) {
            put_list(output, field->id, value->bytes, value->size);
        } else if (value->bytes != NULL) {
            put_delimited(output, field->id, value->bytes, value->size);
        } else {
            put_varint(output, (uint64_t)field->id << 3);
            put_varint(output, (uint64_t)value->number);
        }
    }
}

static void encode(const struct request *request, const ProtobufCMessageDescriptor *message,
                   const char *prefix, struct output *output)
{
    for (unsigned i = 0; i < message->n_fields; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".",
                 message->fields[i].name);
        if (request_has(request, path))
            encode_field(request, &message->fields[i], path, output);
    }
}

const ProtobufCFieldDescriptor *request_field(const ProtobufCMessageDescriptor *message,
                                              const char *path)
{
    char name[128];
    size_t length = strcspn(path, ".");
    if (length >= sizeof(name))
        return NULL;
    memcpy(name, path, length);
    name[length] = '\0';
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message, name);
    if (field == NULL || path[length] == '\0')
        return field;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return NULL;
    return request_field(field->descriptor, path + length + 1);
}

size_t request_encode(const struct request *request, const ProtobufCMessageDescriptor *message,
                      uint8_t *out, size_t out_size)
{
    for (size_t i = 0; i < request->count; i++) {
        /* "target_time" alone stands for an empty message. */
        if (request_field(message, request->values[i].path) == NULL)
            abort();
    }
    struct output output = {out, 0, out_size};
    encode(request, message, "", &output);
    return output.size;
}
