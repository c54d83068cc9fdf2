/*
 * Reads tags, varints and lengths.  Every length is compared with what is left before a pointer
 * moves, so a reader never leaves its bytes.
 */

#include "rpc/wire.h"

bool wire_read_varint(struct wire_reader *reader, uint64_t *value)
{
    uint64_t result = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (reader->next == reader->end)
            return false;
        uint8_t byte = *reader->next++;
        if (shift == 63 && byte > 1)
            return false; /* more than 64 bits */
        result |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *value = result;
            return true;
        }
    }
    return false;
}

static bool take(struct wire_reader *reader, uint64_t size, struct wire_field *field)
{
    if (size > (uint64_t)(reader->end - reader->next))
        return false;
    field->data = reader->next;
    field->size = (size_t)size;
    reader->next += size;
    return true;
}

bool wire_read_field(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t tag;

    if (!wire_read_varint(reader, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    field->number = (uint32_t)(tag >> 3);
    field->value = 0;

    switch (tag & 7) {
    case WIRE_VARINT:
        field->type = WIRE_VARINT;
        field->data = reader->next;
        if (!wire_read_varint(reader, &field->value))
            return false;
        field->size = (size_t)(reader->next - field->data);
        return true;
    case WIRE_64BIT:
        field->type = WIRE_64BIT;
        return take(reader, 8, field);
    case WIRE_BYTES:
        field->type = WIRE_BYTES;
        if (!wire_read_varint(reader, &field->value))
            return false;
        return take(reader, field->value, field);
    case WIRE_32BIT:
        field->type = WIRE_32BIT;
        return take(reader, 4, field);
    default: /* groups, and what is no wire type at all */
        return false;
    }
}
