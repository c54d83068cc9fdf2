/*
 * A message to JSON, fields in the order of their numbers.
 */
#include "cli/json.h"

#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"

#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

static json_t *timestamp_to_json(const Google__Protobuf__Timestamp *timestamp)
{
    char text[TIME_TEXT_SIZE];
    if (timestamp->seconds < TIME_US_MIN / US_PER_SECOND ||
        timestamp->seconds > TIME_US_MAX / US_PER_SECOND)
        return json_string("out of range");
    time_format(timestamp->seconds * US_PER_SECOND + timestamp->nanos / 1000, text);
    char *fraction = strstr(text, ".000000Z");
    if (fraction != NULL)
        memcpy(fraction, "Z", 2);
    return json_string(text);
}

static json_t *duration_to_json(struct arena *arena, const Google__Protobuf__Duration *duration)
{
    bool is_negative = duration->seconds < 0 || duration->nanos < 0;
    return json_string(arena_printf(arena, "%s%" PRIu64 ".%09ds", is_negative ? "-" : "",
                                    duration->seconds < 0 ? -(uint64_t)duration->seconds
                                                          : (uint64_t)duration->seconds,
                                    duration->nanos < 0 ? -duration->nanos : duration->nanos));
}

static json_t *submessage_to_json(struct arena *arena, const ProtobufCMessage *message)
{
    if (message->descriptor == &google__protobuf__timestamp__descriptor)
        return timestamp_to_json((const Google__Protobuf__Timestamp *)message);
    if (message->descriptor == &google__protobuf__duration__descriptor)
        return duration_to_json(arena, (const Google__Protobuf__Duration *)message);
    return message_to_json(arena, message);
}

static json_t *enum_to_json(const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(descriptor, value);
    return known != NULL ? json_string(known->name) : json_integer(value);
}

static json_t *value_to_json(struct arena *arena, const ProtobufCFieldDescriptor *field,
                             const void *slot)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)slot);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)slot);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_string(arena_printf(arena, "%" PRId64, *(const int64_t *)slot));
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_string(arena_printf(arena, "%" PRIu64, *(const uint64_t *)slot));
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)slot);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_to_json(field->descriptor, *(const int *)slot);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)slot);
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = slot;
        return json_string(base64_encode(arena, bytes->data, bytes->len));
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return submessage_to_json(arena, *(ProtobufCMessage *const *)slot);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break; /* the contract has none */
    }
    return json_null();
}

static bool is_unset(const ProtobufCFieldDescriptor *field, const void *slot)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return *(const int32_t *)slot == 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return *(const int64_t *)slot == 0;
    case PROTOBUF_C_TYPE_BOOL:
        return false;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)slot;
        return text == NULL || text[0] == '\0';
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)slot)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)slot == NULL;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
    return true;
}

static size_t element_size(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    if (type == PROTOBUF_C_TYPE_BOOL || type == PROTOBUF_C_TYPE_ENUM ||
        type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
        type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_UINT32 ||
        type == PROTOBUF_C_TYPE_FIXED32)
        return sizeof(int32_t);
    return sizeof(int64_t); /* wide numbers, and pointers to strings and messages */
}

/* protobuf-c has a map as a list of such messages, and does not say that it is one. */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
    static const char suffix[] = "Entry";

    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    size_t length = strlen(entry->short_name);
    return length > strlen(suffix) &&
           text_equal(entry->short_name + length - strlen(suffix), suffix) &&
           entry->n_fields == 2 && text_equal(entry->fields[0].name, "key") &&
           entry->fields[0].type == PROTOBUF_C_TYPE_STRING &&
           text_equal(entry->fields[1].name, "value");
}

static json_t *map_to_json(struct arena *arena, const ProtobufCFieldDescriptor *field,
                           const void *message)
{
    size_t count =
        *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
    const ProtobufCMessage *const *entries =
        *(const ProtobufCMessage *const *const *)(const void *)((const char *)message +
                                                                field->offset);
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        const ProtobufCFieldDescriptor *parts = entries[i]->descriptor->fields;
        const char *const *key = (const void *)((const char *)entries[i] + parts[0].offset);
        json_object_set_new(
            object, *key,
            value_to_json(arena, &parts[1], (const char *)entries[i] + parts[1].offset));
    }
    return object;
}

static json_t *array_to_json(struct arena *arena, const ProtobufCFieldDescriptor *field,
                             const void *message)
{
    size_t count =
        *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
    const char *elements = *(char *const *)(const void *)((const char *)message + field->offset);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            array, value_to_json(arena, field, elements + i * element_size(field->type)));
    return array;
}

json_t *message_to_json(struct arena *arena, const ProtobufCMessage *message)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *name = json_field_name(arena, field->name);
        const void *slot = (const char *)message + field->offset;
        const void *quantifier = (const char *)message + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (*(const size_t *)quantifier > 0)
                json_object_set_new(object, name,
                                    is_map(field) ? map_to_json(arena, field, message)
                                                  : array_to_json(arena, field, message));
            continue;
        }
        bool is_other_case = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
                             *(const uint32_t *)quantifier != field->id;
        if (!is_other_case && !is_unset(field, slot))
            json_object_set_new(object, name, value_to_json(arena, field, slot));
    }
    return object;
}
