/*
 * Walks the wire format of a request along its descriptor before protobuf-c sees it, because
 * protobuf-c accepts invalid UTF-8, cuts strings at NUL, has no depth limit and amplifies.
 *
 * It collects wrong fields and goes on; only what makes the rest unreadable stops it.  A value is
 * never copied into an error: it may be a card number or a password.
 */

#include "rpc/validate.h"

#include "base/check.h"
#include "base/text.h"
#include "dues/payment/v1/dispute.pb-c.h"
#include "rpc/wire.h"

/* Where we are, from the innermost message outward. */
struct place {
    const struct place *outer;
    const struct wire_reader
        *message; /* the whole of it, to count the index when it is asked for */
    const ProtobufCFieldDescriptor *field;
    uint32_t number;
    const uint8_t *position; /* of the field in the message */
};

struct walk {
    struct call *call;
    bool refuse_unknown;
    size_t field_count;
    char *scratch; /* one string, terminated, at a time */
    size_t scratch_size;
    struct error *invalid;
    struct error *card;
};

static const struct error *walk_message(struct walk *walk, const ProtobufCMessageDescriptor *type,
                                        struct wire_reader message, const struct place *outer,
                                        int depth);

static const struct error *malformed(struct walk *walk, const char *why)
{
    return refuse(walk->call, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
                  "request is not a message of the method's type: %s", why);
}

/* How many fields of the same number stand before this one. */
static unsigned index_of(const struct place *place)
{
    struct wire_reader reader = *place->message;
    struct wire_field field;
    unsigned index = 0;

    while (reader.next < place->position && wire_read_field(&reader, &field)) {
        if (field.number == place->number && reader.next <= place->position)
            index++;
    }
    return index;
}

/* "payment.amount.currency_code", "items[2].name", "payment.99" for an unknown field. */
static const char *path_of(struct arena *arena, const struct place *place)
{
    const char *before = place->outer == NULL ? "" : path_of(arena, place->outer);
    const char *dot = place->outer == NULL ? "" : ".";

    if (place->field == NULL)
        return arena_printf(arena, "%s%s%u", before, dot, place->number);
    if (place->field->label == PROTOBUF_C_LABEL_REPEATED)
        return arena_printf(arena, "%s%s%s[%u]", before, dot, place->field->name, index_of(place));
    return arena_printf(arena, "%s%s%s", before, dot, place->field->name);
}

static void add_violation(struct walk *walk, struct error **error, const struct place *place,
                          const char *reason, const char *message, const char *description)
{
    if (*error == NULL)
        *error = refuse(walk->call, STATUS_INVALID_ARGUMENT, reason, "%s", message);
    if ((*error)->field_count == ERROR_FIELDS_MAX)
        return;
    (*error)->fields[(*error)->field_count++] = (struct field_error){
        .field = path_of(walk->call->arena, place),
        .description = description,
    };
}

static void wrong(struct walk *walk, const struct place *place, const char *description)
{
    add_violation(walk, &walk->invalid, place, "INVALID_FIELD", "wrong fields", description);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_pem(const struct place *place)
{
    return ends_with(place->field->name, "_pem");
}

/* PEM and evidence for a bank have lines; everything else is one. */
static bool has_lines(const struct place *place)
{
    const struct place *outer = place->outer;

    return is_pem(place) || (outer != NULL && outer->field->descriptor ==
                                                  &dues__payment__v1__dispute_evidence__descriptor);
}

/* Those end with LF, or CR LF, and may have tabs in them, as logs do; PEM has a CR of any place. */
static void blank_lines(char *text, bool is_pem)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n' || *text == '\t' || (*text == '\r' && (is_pem || text[1] == '\n')))
            *text = ' ';
    }
}

static void check_string(struct walk *walk, const struct place *place, const uint8_t *data,
                         size_t size)
{
    if (size > STRING_SIZE_MAX) {
        wrong(walk, place, "must be at most 8192 bytes");
        return;
    }
    bool is_plain = text_is_plain((const char *)data, size); /* as nearly every one */
    if (!is_plain && memchr(data, '\0', size) != NULL) {
        wrong(walk, place, "must not contain a NUL character");
        return;
    }
    if (!is_plain && !text_is_utf8((const char *)data, size)) {
        wrong(walk, place, "must be valid UTF-8");
        return;
    }
    if (walk->scratch == NULL)
        walk->scratch = arena_alloc(walk->call->arena, walk->scratch_size);
    memcpy(walk->scratch, data, size);
    walk->scratch[size] = '\0';

    if (has_lines(place))
        blank_lines(walk->scratch, is_pem(place));
    if (!is_plain && text_has_control(walk->scratch))
        wrong(walk, place, "must not contain control characters");
    if (text_has_card_number(walk->scratch))
        add_violation(walk, &walk->card, place, "CARD_NUMBER_REFUSED",
                      "request holds what looks like a card number",
                      "looks like a card number; send the gateway's token instead");
}

static void check_enum(struct walk *walk, const struct place *place, uint64_t value)
{
    /* int32 on the wire, sign-extended: protobuf-c too keeps the low half. */
    if (protobuf_c_enum_descriptor_get_value(place->field->descriptor, (int)(uint32_t)value) ==
        NULL)
        wrong(walk, place, "must be a value of the enum");
}

static const struct error *check_packed_enums(struct walk *walk, const struct place *place,
                                              const struct wire_field *field)
{
    struct wire_reader reader = {field->data, field->data + field->size};

    while (reader.next < reader.end) {
        uint64_t value;
        if (!wire_read_varint(&reader, &value))
            return malformed(walk, "truncated list");
        check_enum(walk, place, value);
    }
    return NULL;
}

static const struct error *check_known(struct walk *walk, const struct place *place,
                                       const struct wire_field *field, int depth)
{
    const ProtobufCFieldDescriptor *expected = place->field;

    if (expected->type == PROTOBUF_C_TYPE_STRING) {
        if (field->type != WIRE_BYTES)
            return malformed(walk, "a field has another type");
        check_string(walk, place, field->data, field->size);
        return NULL;
    }
    if (expected->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (field->type != WIRE_BYTES)
            return malformed(walk, "a field has another type");
        struct wire_reader inner = {field->data, field->data + field->size};
        return walk_message(walk, expected->descriptor, inner, place, depth + 1);
    }
    if (expected->type == PROTOBUF_C_TYPE_ENUM) {
        if (field->type == WIRE_VARINT)
            check_enum(walk, place, field->value);
        else if (field->type == WIRE_BYTES && expected->label == PROTOBUF_C_LABEL_REPEATED)
            return check_packed_enums(walk, place, field);
        else
            return malformed(walk, "a field has another type");
    }
    return NULL; /* numbers, booleans and bytes: decoding checks their wire type */
}

static const struct error *walk_message(struct walk *walk, const ProtobufCMessageDescriptor *type,
                                        struct wire_reader message, const struct place *outer,
                                        int depth)
{
    struct wire_reader reader = message;

    if (depth > MESSAGE_DEPTH_MAX)
        return malformed(walk, "nested too deep");
    while (reader.next < reader.end) {
        struct place place = {.outer = outer, .message = &message, .position = reader.next};
        struct wire_field field;
        if (!wire_read_field(&reader, &field))
            return malformed(walk, "broken field");
        /* Decoding turns a field of two bytes into a structure of a hundred. */
        if (++walk->field_count > MESSAGE_FIELDS_MAX)
            return refuse(walk->call, STATUS_RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE",
                          "request has more than %d fields", MESSAGE_FIELDS_MAX);
        place.number = field.number;
        place.field = protobuf_c_message_descriptor_get_field(type, field.number);
        if (place.field != NULL)
            TRY(check_known(walk, &place, &field, depth));
        else if (walk->refuse_unknown)
            wrong(walk, &place,
                  "is not a field of this message; this method takes no unknown ones");
    }
    return NULL;
}

const struct error *validate_message(struct call *call, const ProtobufCMessageDescriptor *type,
                                     const uint8_t *bytes, size_t size, bool refuse_unknown)
{
    /* No string is longer than its message. */
    struct walk walk = {.call = call,
                        .refuse_unknown = refuse_unknown,
                        .scratch_size = (size < STRING_SIZE_MAX ? size : STRING_SIZE_MAX) + 1};
    struct wire_reader message = {bytes, bytes + size};

    TRY(walk_message(&walk, type, message, NULL, 0));
    if (walk.card != NULL)
        return walk.card;
    return walk.invalid != NULL ? field_errors_tell(call, walk.invalid) : NULL;
}
