/*
 * traceparent = version "-" trace-id "-" parent-id "-" trace-flags, all lower-case hex
 * (W3C Trace Context, section 3.2).
 */

#include "base/trace.h"

#include <stdio.h>

#include "base/house.h"
#include "base/random.h"
#include "base/text.h"

#define ID_AT        3
#define SPAN_AT      36
#define FLAGS_AT     53
#define FLAG_SAMPLED 1

static bool is_lower_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (hex_value(text[i]) < 0 || (text[i] >= 'A' && text[i] <= 'F'))
            return false;
    }
    return true;
}

static bool is_nothing(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '0')
            return false;
    }
    return true;
}

/* Version 00 ends with its flags; a later one may go on behind a dash. */
static bool has_length(const char *text, size_t length)
{
    if (length < TRACEPARENT_LENGTH)
        return false;
    if (text[0] == '0' && text[1] == '0')
        return length == TRACEPARENT_LENGTH;
    return length == TRACEPARENT_LENGTH || text[TRACEPARENT_LENGTH] == '-';
}

bool trace_parse(const char *text, size_t length, struct trace_parent *parent)
{
    if (!has_length(text, length) || text[2] != '-' || text[SPAN_AT - 1] != '-' ||
        text[FLAGS_AT - 1] != '-' || !is_lower_hex(text, 2) || (text[0] == 'f' && text[1] == 'f') ||
        !is_lower_hex(text + ID_AT, TRACE_ID_LENGTH) || is_nothing(text + ID_AT, TRACE_ID_LENGTH) ||
        !is_lower_hex(text + SPAN_AT, TRACE_SPAN_LENGTH) ||
        is_nothing(text + SPAN_AT, TRACE_SPAN_LENGTH) || !is_lower_hex(text + FLAGS_AT, 2))
        return false;
    *parent = (struct trace_parent){
        .sampled = (hex_value(text[FLAGS_AT + 1]) & FLAG_SAMPLED) != 0,
    };
    memcpy(parent->id, text + ID_AT, TRACE_ID_LENGTH);
    memcpy(parent->span, text + SPAN_AT, TRACE_SPAN_LENGTH);
    return true;
}

void trace_begin(struct call *call)
{
    uint8_t bytes[TRACE_RANDOM_SIZE];

    random_fill(call->house->random, bytes, sizeof bytes);
    trace_begin_from(call, bytes);
}

void trace_begin_from(struct call *call, const uint8_t bytes[TRACE_RANDOM_SIZE])
{
    char *text = arena_alloc(call->arena, 2 * TRACE_RANDOM_SIZE + 1);

    hex_encode(bytes, TRACE_RANDOM_SIZE, text);
    call->trace = arena_strndup(call->arena, text, TRACE_ID_LENGTH);
    call->span = text + TRACE_ID_LENGTH;
}

void trace_go_on(struct call *call, const struct trace_parent *parent)
{
    call->trace = arena_strdup(call->arena, parent->id);
    call->parent_span = arena_strdup(call->arena, parent->span);
    call->sampled = parent->sampled;
}

void trace_format(const struct call *call, char text[TRACEPARENT_LENGTH + 1])
{
    snprintf(text, TRACEPARENT_LENGTH + 1, "00-%.32s-%.16s-%02x", call->trace, call->span,
             call->sampled ? FLAG_SAMPLED : 0);
}
