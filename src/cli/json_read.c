/*
 * JSON to a message.  Stops at the first thing that is wrong and says where it is.
 */
#include "cli/json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "base/text.h"
#include "base/time.h"

#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

struct reader {
    struct arena *arena;
    const char *problem; /* the first one */
};

static bool wrong(struct reader *reader, const char *path, const char *what)
{
    if (reader->problem == NULL)
        reader->problem = arena_printf(reader->arena, "%s: %s", path[0] == '\0' ? "." : path, what);
    return false;
}

const char *json_field_name(struct arena *arena, const char *name)
{
    char *camel = arena_strdup(arena, name);
    size_t to = 0;
    for (size_t from = 0; camel[from] != '\0'; from++) {
        if (camel[from] == '_' && camel[from + 1] != '\0')
            camel[to++] = (char)toupper((unsigned char)camel[++from]);
        else
            camel[to++] = camel[from];
    }
    camel[to] = '\0';
    return camel;
}

static const ProtobufCFieldDescriptor *
find_field(struct reader *reader, const ProtobufCMessageDescriptor *descriptor, const char *key)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (text_equal(field->name, key) ||
            text_equal(json_field_name(reader->arena, field->name), key))
            return field;
    }
    return NULL;
}

static bool read_message(struct reader *reader, const char *path, const json_t *json,
                         const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage *message);

/* A whole number, given as one or as a string. */
static bool read_integer(struct reader *reader, const char *path, const json_t *json, int64_t least,
                         int64_t most, int64_t *number)
{
    int64_t value = 0;
    if (json_is_integer(json)) {
        value = json_integer_value(json);
    } else if (json_is_string(json)) {
        const char *text = json_string_value(json);
        char *end = NULL;
        errno = 0;
        value = strtoll(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)text[0]))
            return wrong(reader, path, "expected a whole number");
    } else {
        return wrong(reader, path, "expected a whole number, as a number or a string");
    }
    if (value < least || value > most)
        return wrong(reader, path, "the number is out of range");
    *number = value;
    return true;
}

static bool read_enum(struct reader *reader, const char *path, const json_t *json,
                      const ProtobufCEnumDescriptor *descriptor, int *value)
{
    if (json_is_string(json)) {
        const ProtobufCEnumValue *known =
            protobuf_c_enum_descriptor_get_value_by_name(descriptor, json_string_value(json));
        if (known == NULL)
            return wrong(reader, path,
                         arena_printf(reader->arena, "\"%s\" is not a value of %s",
                                      json_string_value(json), descriptor->name));
        *value = known->value;
        return true;
    }
    int64_t number;
    if (!read_integer(reader, path, json, INT32_MIN, INT32_MAX, &number))
        return false;
    *value = (int)number;
    return true;
}

/* Both alphabets, with or without padding. */
static bool read_bytes(struct reader *reader, const char *path, const json_t *json,
                       ProtobufCBinaryData *bytes)
{
    if (!json_is_string(json))
        return wrong(reader, path, "expected base64");
    char *text = arena_strdup(reader->arena, json_string_value(json));
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '+')
            text[i] = '-';
        if (text[i] == '/')
            text[i] = '_';
    }
    bytes->data = base64url_decode(reader->arena, text, length, &bytes->len);
    return bytes->data != NULL || wrong(reader, path, "expected base64");
}

static bool read_timestamp(struct reader *reader, const char *path, const json_t *json,
                           Google__Protobuf__Timestamp *timestamp)
{
    int64_t time_us;
    if (!json_is_string(json) || !time_parse(json_string_value(json), &time_us))
        return wrong(reader, path, "expected an RFC 3339 time such as \"2026-01-31T12:00:00Z\"");
    int64_t micros = time_us % US_PER_SECOND;
    if (micros < 0)
        micros += US_PER_SECOND;
    timestamp->seconds = (time_us - micros) / US_PER_SECOND;
    timestamp->nanos = (int32_t)(micros * 1000);
    return true;
}

/* "90s", "-1.5s": seconds and up to nine digits. */
static bool read_duration(struct reader *reader, const char *path, const json_t *json,
                          Google__Protobuf__Duration *duration)
{
    static const char expected[] = "expected a duration such as \"1.5s\"";
    const char *text = json_string_value(json);
    if (text == NULL || isspace((unsigned char)text[0]))
        return wrong(reader, path, expected);
    char *end = NULL;
    errno = 0;
    duration->seconds = strtoll(text, &end, 10);
    if (errno != 0 || end == text)
        return wrong(reader, path, expected);
    int32_t nanos = 0;
    int digits = 0;
    if (*end == '.')
        for (end++; isdigit((unsigned char)*end) && digits < 9; end++, digits++)
            nanos = nanos * 10 + (*end - '0');
    for (; digits > 0 && digits < 9; digits++)
        nanos *= 10;
    if (!text_equal(end, "s"))
        return wrong(reader, path, expected);
    duration->nanos = text[0] == '-' ? -nanos : nanos;
    return true;
}

/* "isDefault,expMonth": the names of the fields in either spelling, as ProtoJSON has them. */
static bool read_field_mask(struct reader *reader, const char *path, const json_t *json,
                            Google__Protobuf__FieldMask *mask)
{
    if (!json_is_string(json))
        return wrong(reader, path, "expected field names such as \"isDefault,expMonth\"");
    const char *text = json_string_value(json);
    mask->paths = arena_array(reader->arena, strlen(text) + 1, sizeof(char *));
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        char *name = arena_alloc(reader->arena, 2 * length + 1);
        size_t end = 0;
        for (size_t i = 0; i < length; i++) {
            if (isupper((unsigned char)text[i]))
                name[end++] = '_';
            name[end++] = (char)tolower((unsigned char)text[i]);
        }
        name[end] = '\0';
        mask->paths[mask->n_paths++] = name;
        text += length + (text[length] == ',' ? 1 : 0);
    }
    return true;
}

static bool read_submessage(struct reader *reader, const char *path, const json_t *json,
                            const ProtobufCMessageDescriptor *descriptor,
                            ProtobufCMessage **message)
{
    *message = arena_alloc(reader->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, *message);
    if (descriptor == &google__protobuf__timestamp__descriptor)
        return read_timestamp(reader, path, json, (Google__Protobuf__Timestamp *)*message);
    if (descriptor == &google__protobuf__field_mask__descriptor)
        return read_field_mask(reader, path, json, (Google__Protobuf__FieldMask *)*message);
    if (descriptor == &google__protobuf__duration__descriptor)
        return read_duration(reader, path, json, (Google__Protobuf__Duration *)*message);
    return read_message(reader, path, json, descriptor, *message);
}

static bool read_number(struct reader *reader, const char *path, const json_t *json,
                        ProtobufCType type, void *slot)
{
    bool is_wide = type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 ||
                   type == PROTOBUF_C_TYPE_SFIXED64;
    bool is_signed = is_wide || type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
                     type == PROTOBUF_C_TYPE_SFIXED32;
    int64_t number;
    if (is_wide)
        return read_integer(reader, path, json, INT64_MIN, INT64_MAX, slot);
    if (!read_integer(reader, path, json, is_signed ? INT32_MIN : 0,
                      is_signed ? INT32_MAX : UINT32_MAX, &number))
        return false;
    if (is_signed)
        *(int32_t *)slot = (int32_t)number;
    else
        *(uint32_t *)slot = (uint32_t)number;
    return true;
}

/* One value into its place: a member of the message, or an element of an array. */
static bool read_value(struct reader *reader, const char *path, const json_t *json,
                       const ProtobufCFieldDescriptor *field, void *slot)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_number(reader, path, json, field->type, slot);
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)slot = json_is_true(json);
        return json_is_boolean(json) || wrong(reader, path, "expected true or false");
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reader, path, json, field->descriptor, slot);
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(json))
            return wrong(reader, path, "expected a string");
        *(char **)slot = arena_strdup(reader->arena, json_string_value(json));
        return true;
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(reader, path, json, slot);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_submessage(reader, path, json, field->descriptor, slot);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
    return wrong(reader, path, "the contract has no fields of this type");
}

static size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(int64_t);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return sizeof(int32_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_STRING:
        return sizeof(char *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(ProtobufCMessage *);
    }
    return sizeof(int64_t);
}

static bool read_array(struct reader *reader, const char *path, const json_t *json,
                       const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
    if (!json_is_array(json))
        return wrong(reader, path, "expected a list");
    size_t count = json_array_size(json);
    size_t size = element_size(field->type);
    char *elements = arena_array(reader->arena, count > 0 ? count : 1, size);
    for (size_t i = 0; i < count; i++) {
        const char *element_path = arena_printf(reader->arena, "%s[%zu]", path, i);
        if (!read_value(reader, element_path, json_array_get(json, i), field, elements + i * size))
            return false;
    }
    *(size_t *)(void *)((char *)message + field->quantifier_offset) = count;
    *(void **)(void *)((char *)message + field->offset) = elements;
    return true;
}

static bool read_field(struct reader *reader, const char *path, const json_t *json,
                       const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_array(reader, path, json, field, message);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        *(uint32_t *)(void *)((char *)message + field->quantifier_offset) = field->id;
    return read_value(reader, path, json, field, (char *)message + field->offset);
}

static bool read_message(struct reader *reader, const char *path, const json_t *json,
                         const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage *message)
{
    if (!json_is_object(json))
        return wrong(reader, path, "expected an object");
    for (void *item = json_object_iter((json_t *)(uintptr_t)json); item != NULL;
         item = json_object_iter_next((json_t *)(uintptr_t)json, item)) {
        const char *key = json_object_iter_key(item);
        const json_t *value = json_object_iter_value(item);
        const char *field_path = path[0] == '\0' ? arena_strdup(reader->arena, key)
                                                 : arena_printf(reader->arena, "%s.%s", path, key);
        const ProtobufCFieldDescriptor *field = find_field(reader, descriptor, key);
        if (field == NULL)
            return wrong(reader, field_path,
                         arena_printf(reader->arena, "%s has no such field", descriptor->name));
        if (!json_is_null(value) && !read_field(reader, field_path, value, field, message))
            return false;
    }
    return true;
}

ProtobufCMessage *json_to_message(struct arena *arena, const json_t *json,
                                  const ProtobufCMessageDescriptor *descriptor,
                                  const char **problem)
{
    struct reader reader = {.arena = arena};
    ProtobufCMessage *message = NULL;
    if (read_submessage(&reader, "", json, descriptor, &message))
        return message;
    *problem = reader.problem;
    return NULL;
}
