/*
 * Errors are values: a function that can fail returns `const struct error *`, and NULL means that
 * it worked.  They live in the arena of the call, so nobody frees them.
 *
 * rpc/status.c alone knows the wire form (google.rpc.Status).
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"

/* gRPC's numbers, our names. */
enum status {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
};

/* Fields reported in one answer at most: metadata has a size limit. */
#define ERROR_FIELDS_MAX   16
#define ERROR_METADATA_MAX 8

struct field_error {
    const char *field;       /* dotted proto path: `payment.amount.minor_units` */
    const char *description; /* what is wrong and what would be right */
};

/* A dynamic value of the message (AIP-193 wants each of them in ErrorInfo.metadata too). */
struct error_metadata {
    const char *key; /* [a-z][a-z0-9_]* */
    const char *value;
};

struct error {
    enum status status;
    const char *reason; /* stable UPPER_SNAKE, declared in dues.type.v1.Reason without its prefix */
    const char *message; /* one line for the developer who called us; no secrets */
    struct field_error fields[ERROR_FIELDS_MAX];
    size_t field_count;
    struct error_metadata metadata[ERROR_METADATA_MAX];
    size_t metadata_count;
    int64_t retry_after_ms; /* 0: no RetryInfo */
    const char *cause;      /* for our log only; never leaves the process */
};

/* "NOT_FOUND" for STATUS_NOT_FOUND. */
const char *status_name(enum status status);

/* The makers.  `refuse` in call.h is the usual door for what the caller can mend. */
struct error *error_make(struct arena *arena, enum status status, const char *reason,
                         const char *format, ...) PRINTF_LIKE(4, 5);
struct error *error_vmake(struct arena *arena, enum status status, const char *reason,
                          const char *format, va_list arguments) PRINTF_LIKE(4, 0);

/* Adds a metadata pair and returns the error, so that makers can be chained in a return. */
struct error *error_with(struct arena *arena, struct error *error, const char *key,
                         const char *format, ...) PRINTF_LIKE(4, 5);

/* The same error in another arena, with all it says: for what outlives the call that made it. */
struct error *error_copy(struct arena *arena, const struct error *error);

/* Adds RetryInfo. */
struct error *error_retry(struct error *error, int64_t retry_after_ms);

/* Adds the private cause, for the log only. */
struct error *error_cause(struct arena *arena, struct error *error, const char *format, ...)
    PRINTF_LIKE(3, 4);
