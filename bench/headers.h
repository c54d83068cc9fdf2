/*
 * The little of HPACK that a client with always the same request needs.
 */
#pragma once

#include "wire.h"

/* A connection's first request spells its headers out and has them remembered; those after it name
 * them by number. */
struct header_blocks {
    struct wire_bytes first;
    struct wire_bytes next;
};

/* `token` NULL: none. */
void headers_make(struct header_blocks *blocks, const char *path, int64_t timeout_ms,
                  const char *token);

/* The number after grpc-status; negative: the block does not say. */
int headers_status(const uint8_t *block, size_t size);
