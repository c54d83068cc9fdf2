/*
 * Judges the HTTP/2 frames that one client sends, by their 9-byte headers: what Debian 12's libgrpc
 * 1.51.1 would choke on, or work for without end, ends the connection.  Plain data: no allocation,
 * no clock, constant work for each frame.
 *
 * It says nothing about whether the bytes are right HTTP/2; that is gRPC's business.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bucket.h"

#define FRAME_HEADER_SIZE 9
/* RFC 9113: what a server that announces no more must be sent at most. */
#define FRAME_PAYLOAD_MAX 16384

enum frame_bucket {
    FRAME_BUCKET_HEADERS,
    FRAME_BUCKET_RESETS,
    FRAME_BUCKET_SETTINGS,
    FRAME_BUCKET_PINGS,
    FRAME_BUCKET_PRIORITY,
    FRAME_BUCKET_OTHER, /* GOAWAY and types that RFC 9113 does not know */
    FRAME_BUCKET_WINDOW_UPDATES,
    FRAME_BUCKET_SMALL_DATA,
    FRAME_BUCKETS,
};

struct frame_limits {
    uint32_t header_block_max; /* bytes; 0: no limit */
    struct bucket_rate rates[FRAME_BUCKETS];
};

enum frame_verdict {
    FRAME_FINE,
    FRAME_TOO_LONG,
    FRAME_HEADER_BLOCK,
    FRAME_CONTINUATION,
    FRAME_PUSH_PROMISE,
    FRAME_UNANSWERED,
    FRAME_HEADERS_RATE, /* from here on: in the order of the buckets */
    FRAME_RESETS_RATE,
    FRAME_SETTINGS_RATE,
    FRAME_PINGS_RATE,
    FRAME_PRIORITY_RATE,
    FRAME_OTHER_RATE,
    FRAME_WINDOW_UPDATES_RATE,
    FRAME_SMALL_DATA_RATE,
    FRAME_VERDICTS,
};

/* All zero is a fresh connection. */
struct frame_parser {
    uint8_t preface_seen; /* bytes of it */
    bool not_http2;       /* the preface was wrong: gRPC closes the connection by itself */
    uint8_t header[FRAME_HEADER_SIZE];
    uint8_t header_seen;
    uint32_t payload_left;
    bool sums_increment;  /* the payload is the one of a WINDOW_UPDATE */
    uint32_t increment;   /* its four bytes as far as seen */
    bool in_header_block; /* HEADERS without END_HEADERS */
    uint32_t header_block_size;
    uint32_t continuations;
    uint32_t unanswered; /* HEADERS since the server last wrote anything */
    struct bucket buckets[FRAME_BUCKETS];
};

/*
 * Takes the next bytes of the connection.  Anything but FRAME_FINE: cut it, and feed no more; all
 * bytes before the offending frame were fine.
 */
enum frame_verdict frame_parser_feed(struct frame_parser *parser, const struct frame_limits *limits,
                                     const uint8_t *bytes, size_t size, int64_t now_us);

/* The server has written something, of which so many RST_STREAMs are the client's fault. */
enum frame_verdict frame_parser_answered(struct frame_parser *parser,
                                         const struct frame_limits *limits, int64_t count,
                                         int64_t now_us);

/* "headers_rate": for counters and logs. */
const char *frame_verdict_name(enum frame_verdict verdict);
