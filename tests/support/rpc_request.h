/*
 * Requests as lists of (path, value), turned into bytes by the descriptor of their message.  Made
 * on the wire and not in structs, so that a test can send what no client library would: invalid
 * UTF-8, NUL inside a string, enum values that do not exist.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request_value {
    const char *path;  /* "payment.amount.minor_units" */
    const void *bytes; /* of a string or bytes field; NULL: `number` is meant.  Of a repeated one:
                        * its elements with commas between them */
    size_t size;
    int64_t number; /* of a number, bool or enum field */
};

#define REQUEST_VALUES_MAX 24

struct request {
    struct request_value values[REQUEST_VALUES_MAX];
    size_t count;
};

/* Replaces or adds. */
void request_set_text(struct request *request, const char *path, const char *text);
void request_set_bytes(struct request *request, const char *path, const void *bytes, size_t size);
void request_set_number(struct request *request, const char *path, int64_t number);

/* Takes away the field and, for a message field, everything inside it. */
void request_remove(struct request *request, const char *path);

/* True when the field, or anything inside it, has a value. */
bool request_has(const struct request *request, const char *path);

/*
 * The bytes, in `out`; their size.  A path that the message does not have, or too little room, is
 * the test's bug and aborts.
 */
size_t request_encode(const struct request *request, const ProtobufCMessageDescriptor *message,
                      uint8_t *out, size_t out_size);

/* The field at the path, or NULL. */
const ProtobufCFieldDescriptor *request_field(const ProtobufCMessageDescriptor *message,
                                              const char *path);
