/*
 * The little that a call can do by itself: begin where nobody calls, refuse, and say how long it
 * still may take.
 */

#include "base/call.h"

#include <stdarg.h>

#include "base/time.h"

#define SYSTEM_PREFIX "system/"

struct error *refuse(struct call *call, enum status status, const char *reason, const char *format,
                     ...)
{
    va_list arguments;

    va_start(arguments, format);
    struct error *error = error_vmake(call->arena, status, reason, format, arguments);
    va_end(arguments);
    return error;
}

struct error *not_found(struct call *call, const char *reason, const char *name)
{
    struct error *error = refuse(call, STATUS_NOT_FOUND, reason, "'%s' was not found", name);

    return error_with(call->arena, error, "name", "%s", name);
}

const char *call_requester(struct call *call)
{
    if (((unsigned)call->caller.kind & CALLER_USERS) == 0)
        return call->caller.spiffe_id;
    return name_make(call->arena, "users/{}", &call->caller.user);
}

struct call call_of_house(const struct house *house, struct arena *arena, const char *caller,
                          const char *method, int64_t limit_us)
{
    return (struct call){
        .arena = arena,
        .house = house,
        .caller = {.kind = CALLER_SYSTEM,
                   .spiffe_id = caller,
                   .name = caller + strlen(SYSTEM_PREFIX),
                   .peer = "",
                   .scope = ""},
        .method = method,
        .trace = "",
        .request_id = "",
        .now_us = clock_wall_us(house->clock),
        .deadline_us = clock_monotonic_us(house->clock) + limit_us,
    };
}

int64_t call_time_left_us(const struct call *call)
{
    int64_t left_us = call->deadline_us - clock_monotonic_us(call->house->clock);

    return left_us > 0 ? left_us : 0;
}

struct call call_part_begin(const struct call *call, size_t size_max)
{
    struct call part = *call;

    part.arena = arena_new(size_max);
    return part;
}

const struct error *call_part_end(struct call *call, struct call *part, const struct error *error)
{
    if (error != NULL)
        error = error_copy(call->arena, error);
    arena_free(part->arena);
    part->arena = NULL;
    return error;
}
