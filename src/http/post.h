/*
 * Sends one POST and waits for its answer, for programs that have a thread to spare.  Not for
 * gateways.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/service.h"

struct http_post {
    const char *url;     /* http or https */
    const char *ca_file; /* whom to believe; NULL: the machine's */
    const struct http_header *headers;
    size_t header_count;
    const void *body;
    size_t body_size;
    int64_t time_limit_ms;
};

/* The status of the answer, whose body is thrown away; 0 and one line in `problem` without one. */
int32_t http_post(const struct http_post *post, char problem[HTTP_PROBLEM_SIZE]);
