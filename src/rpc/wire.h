/*
 * The wire format of protocol buffers, read field by field without decoding.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

struct wire_reader {
    const uint8_t *next;
    const uint8_t *end;
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;      /* varints only */
    const uint8_t *data; /* WIRE_BYTES: the content; others: where the value stands */
    size_t size;
};

/* False when the bytes are no varint of at most 64 bits. */
bool wire_read_varint(struct wire_reader *reader, uint64_t *value);

/* False when the bytes are no field: groups, number 0, a length past the end.  Not to be called at
 * the end of the reader. */
bool wire_read_field(struct wire_reader *reader, struct wire_field *field);
