/*
 * Makers of errors.  An error is built once, in the arena of its call, and only passed upward after
 * that; rpc/status.c gives it its wire form.
 */

#include "base/error.h"

#include <stdarg.h>

const char *status_name(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "OK";
    case STATUS_CANCELLED:
        return "CANCELLED";
    case STATUS_UNKNOWN:
        return "UNKNOWN";
    case STATUS_INVALID_ARGUMENT:
        return "INVALID_ARGUMENT";
    case STATUS_DEADLINE_EXCEEDED:
        return "DEADLINE_EXCEEDED";
    case STATUS_NOT_FOUND:
        return "NOT_FOUND";
    case STATUS_ALREADY_EXISTS:
        return "ALREADY_EXISTS";
    case STATUS_PERMISSION_DENIED:
        return "PERMISSION_DENIED";
    case STATUS_RESOURCE_EXHAUSTED:
        return "RESOURCE_EXHAUSTED";
    case STATUS_FAILED_PRECONDITION:
        return "FAILED_PRECONDITION";
    case STATUS_ABORTED:
        return "ABORTED";
    case STATUS_OUT_OF_RANGE:
        return "OUT_OF_RANGE";
    case STATUS_UNIMPLEMENTED:
        return "UNIMPLEMENTED";
    case STATUS_INTERNAL:
        return "INTERNAL";
    case STATUS_UNAVAILABLE:
        return "UNAVAILABLE";
    case STATUS_DATA_LOSS:
        return "DATA_LOSS";
    case STATUS_UNAUTHENTICATED:
        return "UNAUTHENTICATED";
    }
    return "UNKNOWN"; /* a number from a peer that knows more codes than gRPC has */
}

struct error *error_vmake(struct arena *arena, enum status status, const char *reason,
                          const char *format, va_list arguments)
{
    struct error *error = arena_alloc(arena, sizeof *error);

    error->status = status;
    error->reason = reason;
    error->message = arena_vprintf(arena, format, arguments);
    return error;
}

struct error *error_make(struct arena *arena, enum status status, const char *reason,
                         const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct error *error = error_vmake(arena, status, reason, format, arguments);
    va_end(arguments);
    return error;
}

struct error *error_with(struct arena *arena, struct error *error, const char *key,
                         const char *format, ...)
{
    va_list arguments;

    /* Metadata explains; an error is not worth losing because it explains too much. */
    if (error->metadata_count == ERROR_METADATA_MAX)
        return error;
    va_start(arguments, format);
    error->metadata[error->metadata_count++] = (struct error_metadata){
        .key = key,
        .value = arena_vprintf(arena, format, arguments),
    };
    va_end(arguments);
    return error;
}

struct error *error_retry(struct error *error, int64_t retry_after_ms)
{
    error->retry_after_ms = retry_after_ms;
    return error;
}

struct error *error_cause(struct arena *arena, struct error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    error->cause = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return error;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strdup(arena, text);
}

struct error *error_copy(struct arena *arena, const struct error *error)
{
    struct error *copy = arena_copy(arena, error, sizeof(*error));

    copy->reason = copy_text(arena, error->reason);
    copy->message = copy_text(arena, error->message);
    copy->cause = copy_text(arena, error->cause);
    for (size_t i = 0; i < copy->field_count; i++) {
        copy->fields[i].field = copy_text(arena, error->fields[i].field);
        copy->fields[i].description = copy_text(arena, error->fields[i].description);
    }
    for (size_t i = 0; i < copy->metadata_count; i++) {
        copy->metadata[i].key = copy_text(arena, error->metadata[i].key);
        copy->metadata[i].value = copy_text(arena, error->metadata[i].value);
    }
    return copy;
}
