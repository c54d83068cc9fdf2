/*
 * W3C Trace Context (Level 1): `traceparent` as it comes in with a call and goes out with what the
 * call asks of others.  `tracestate` is for those who sell tracing; it is not passed on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/call.h"

#define TRACE_ID_LENGTH    32
#define TRACE_SPAN_LENGTH  16
#define TRACEPARENT_LENGTH 55

struct trace_parent {
    char id[TRACE_ID_LENGTH + 1];
    char span[TRACE_SPAN_LENGTH + 1]; /* of whoever sent it */
    bool sampled;
};

/*
 * False for anything that the specification calls invalid: upper case, all zeroes, version ff.
 * What a later version has behind the flags is not looked at.
 */
bool trace_parse(const char *text, size_t length, struct trace_parent *parent);

/* A trace of our own, and the call's place in it; in the arena of the call. */
void trace_begin(struct call *call);

/* The same with bytes that were drawn before: the kernel is asked for those of many calls at once.
 */
#define TRACE_RANDOM_SIZE ((TRACE_ID_LENGTH + TRACE_SPAN_LENGTH) / 2)
void trace_begin_from(struct call *call, const uint8_t bytes[TRACE_RANDOM_SIZE]);

/* The call's own place in a trace that comes from outside. */
void trace_go_on(struct call *call, const struct trace_parent *parent);

/* "00-<trace>-<span of this call>-01" for a request that goes out. */
void trace_format(const struct call *call, char text[TRACEPARENT_LENGTH + 1]);
