/*
 * The judge of frames.  Each rule stands beside the hole in libgrpc 1.51.1 that it closes:
 *
 *   header blocks     read before their size is looked at, parsed anew for each frame
 *                     (CVE-2023-33953: 24 MB of one string took 41 CPU seconds)
 *   RST_STREAM        a call that was reset has started all the same (CVE-2023-44487)
 *   small DATA        a byte of payload costs some 40 bytes of memory
 *   control frames    each is answered, or costs a walk over the streams
 */

#include "edge/frame_parser.h"

#include "base/attributes.h"

enum frame_type {
    TYPE_DATA,
    TYPE_HEADERS,
    TYPE_PRIORITY,
    TYPE_RST_STREAM,
    TYPE_SETTINGS,
    TYPE_PUSH_PROMISE,
    TYPE_PING,
    TYPE_GOAWAY,
    TYPE_WINDOW_UPDATE,
    TYPE_CONTINUATION,
};

#define FLAG_END_HEADERS 0x4

#define SMALL_DATA_BELOW      64
#define PRIORITY_SIZE         5
#define WINDOW_UPDATE_SIZE    4
#define WINDOW_INCREMENT_MASK 0x7fffffffU

/*
 * 16,384 bytes fit into one frame, and no client of gRPC parts its headers otherwise; few
 * CONTINUATIONs are let through for those that would.
 */
#define CONTINUATIONS_MAX 8

/*
 * A block of headers counts once and once more for every so many bytes: 10,000 indexed fields are
 * work, though they are one frame.  The header of a call without token is shorter once its fields
 * are indexed.
 */
#define HEADER_BYTES_PER_TOKEN 256

/*
 * A call brings frames of its own along: DATA for the message and an empty one for END_STREAM
 * (grpc-java and grpc-js part them), WINDOW_UPDATEs for what it reads, and a PING when the client
 * measures its bandwidth (grpc-go: one each round trip in which data came).  As many of each as
 * this are free with HEADERS, so that a busy client is never cut for being busy.
 */
#define FRAMES_PER_CALL 4

/*
 * A server that lets a client have 100 streams must say something before he can open another.  Who
 * opens many more has made it reset those before, and has not waited: libgrpc reads on, and only
 * then writes (CVE-2025-8671).  Some clients do not wait for the server's SETTINGS either.
 */
#define UNANSWERED_MAX 1000

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_SIZE (sizeof preface - 1)

const char *frame_verdict_name(enum frame_verdict verdict)
{
    static const char *const names[FRAME_VERDICTS] = {
        [FRAME_FINE] = "fine",
        [FRAME_TOO_LONG] = "too_long",
        [FRAME_HEADER_BLOCK] = "header_block",
        [FRAME_CONTINUATION] = "continuation",
        [FRAME_PUSH_PROMISE] = "push_promise",
        [FRAME_UNANSWERED] = "unanswered",
        [FRAME_HEADERS_RATE] = "headers_rate",
        [FRAME_RESETS_RATE] = "resets_rate",
        [FRAME_SETTINGS_RATE] = "settings_rate",
        [FRAME_PINGS_RATE] = "pings_rate",
        [FRAME_PRIORITY_RATE] = "priority_rate",
        [FRAME_OTHER_RATE] = "other_rate",
        [FRAME_WINDOW_UPDATES_RATE] = "window_updates_rate",
        [FRAME_SMALL_DATA_RATE] = "small_data_rate",
    };

    return names[verdict];
}

struct frame {
    uint32_t size; /* of its payload */
    uint8_t type;
    uint8_t flags;
};

static enum frame_verdict take(struct frame_parser *parser, const struct frame_limits *limits,
                               enum frame_bucket which, int64_t tokens, int64_t now_us)
{
    if (bucket_take(&parser->buckets[which], limits->rates[which], tokens, now_us))
        return FRAME_FINE;
    return (enum frame_verdict)(FRAME_HEADERS_RATE + which);
}

static bool block_too_large(const struct frame_parser *parser, const struct frame_limits *limits)
{
    return limits->header_block_max != 0 && parser->header_block_size > limits->header_block_max;
}

static enum frame_verdict judge_headers(struct frame_parser *parser,
                                        const struct frame_limits *limits,
                                        const struct frame *frame, int64_t now_us)
{
    static const enum frame_bucket with_calls[] = {
        FRAME_BUCKET_PINGS,
        FRAME_BUCKET_WINDOW_UPDATES,
        FRAME_BUCKET_SMALL_DATA,
    };

    parser->in_header_block = (frame->flags & FLAG_END_HEADERS) == 0;
    parser->header_block_size = frame->size;
    parser->continuations = 0;
    if (block_too_large(parser, limits))
        return FRAME_HEADER_BLOCK;
    if (++parser->unanswered > UNANSWERED_MAX)
        return FRAME_UNANSWERED;
    for (size_t i = 0; i < ARRAY_LENGTH(with_calls); i++)
        bucket_give(&parser->buckets[with_calls[i]], limits->rates[with_calls[i]], FRAMES_PER_CALL);
    return take(parser, limits, FRAME_BUCKET_HEADERS, 1 + frame->size / HEADER_BYTES_PER_TOKEN,
                now_us);
}

/* One that nothing precedes ends the connection in gRPC. */
static enum frame_verdict judge_continuation(struct frame_parser *parser,
                                             const struct frame_limits *limits,
                                             const struct frame *frame, int64_t now_us)
{
    if (!parser->in_header_block)
        return FRAME_FINE;
    parser->in_header_block = (frame->flags & FLAG_END_HEADERS) == 0;
    parser->header_block_size += frame->size;
    parser->continuations++;
    if (frame->size == 0 || parser->continuations > CONTINUATIONS_MAX)
        return FRAME_CONTINUATION;
    if (block_too_large(parser, limits))
        return FRAME_HEADER_BLOCK;
    return take(parser, limits, FRAME_BUCKET_HEADERS, frame->size / HEADER_BYTES_PER_TOKEN, now_us);
}

/* One of a wrong size makes the server reset the stream: that counts as a reset, too. */
static enum frame_verdict judge_priority(struct frame_parser *parser,
                                         const struct frame_limits *limits,
                                         const struct frame *frame, int64_t now_us)
{
    enum frame_verdict verdict = take(parser, limits, FRAME_BUCKET_PRIORITY, 1, now_us);

    if (verdict == FRAME_FINE && frame->size != PRIORITY_SIZE)
        verdict = take(parser, limits, FRAME_BUCKET_RESETS, 1, now_us);
    return verdict;
}

/* With or without END_STREAM: after the first one of a stream, a flag stops nobody. */
static enum frame_verdict judge_data(struct frame_parser *parser, const struct frame_limits *limits,
                                     const struct frame *frame, int64_t now_us)
{
    if (frame->size >= SMALL_DATA_BELOW)
        return FRAME_FINE;
    return take(parser, limits, FRAME_BUCKET_SMALL_DATA, 1, now_us);
}

static enum frame_verdict judge_window_update(struct frame_parser *parser,
                                              const struct frame_limits *limits,
                                              const struct frame *frame, int64_t now_us)
{
    parser->sums_increment = frame->size == WINDOW_UPDATE_SIZE;
    parser->increment = 0;
    return take(parser, limits, FRAME_BUCKET_WINDOW_UPDATES, 1, now_us);
}

static enum frame_verdict judge(struct frame_parser *parser, const struct frame_limits *limits,
                                const struct frame *frame, int64_t now_us)
{
    if (frame->size > FRAME_PAYLOAD_MAX)
        return FRAME_TOO_LONG;
    switch (frame->type) {
    case TYPE_DATA:
        return judge_data(parser, limits, frame, now_us);
    case TYPE_HEADERS:
        return judge_headers(parser, limits, frame, now_us);
    case TYPE_PRIORITY:
        return judge_priority(parser, limits, frame, now_us);
    case TYPE_RST_STREAM:
        return take(parser, limits, FRAME_BUCKET_RESETS, 1, now_us);
    case TYPE_SETTINGS:
        return take(parser, limits, FRAME_BUCKET_SETTINGS, 1, now_us);
    case TYPE_PUSH_PROMISE:
        return FRAME_PUSH_PROMISE;
    case TYPE_PING:
        return take(parser, limits, FRAME_BUCKET_PINGS, 1, now_us);
    case TYPE_WINDOW_UPDATE:
        return judge_window_update(parser, limits, frame, now_us);
    case TYPE_CONTINUATION:
        return judge_continuation(parser, limits, frame, now_us);
    default: /* GOAWAY, and whatever else a byte can say */
        return take(parser, limits, FRAME_BUCKET_OTHER, 1, now_us);
    }
}

/* Answers how many bytes were the preface's. */
static size_t skip_preface(struct frame_parser *parser, const uint8_t *bytes, size_t size)
{
    size_t used = 0;

    if (parser->not_http2)
        return size;
    while (used < size && parser->preface_seen < PREFACE_SIZE) {
        if (bytes[used] != (uint8_t)preface[parser->preface_seen]) {
            parser->not_http2 = true;
            return size;
        }
        used++;
        parser->preface_seen++;
    }
    return used;
}

/* A whole header is judged; answers how many bytes were the header's. */
static size_t read_header(struct frame_parser *parser, const struct frame_limits *limits,
                          const uint8_t *bytes, size_t size, int64_t now_us,
                          enum frame_verdict *verdict)
{
    size_t missing = (size_t)FRAME_HEADER_SIZE - parser->header_seen;
    size_t used = size < missing ? size : missing;
    uint8_t *header = parser->header;

    memcpy(header + parser->header_seen, bytes, used);
    parser->header_seen = (uint8_t)(parser->header_seen + used);
    if (parser->header_seen < FRAME_HEADER_SIZE)
        return used;
    const struct frame frame = {
        .size = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2],
        .type = header[3],
        .flags = header[4],
    };
    parser->header_seen = 0;
    parser->payload_left = frame.size;
    parser->sums_increment = false;
    *verdict = judge(parser, limits, &frame, now_us);
    return used;
}

/* An increment of 0 makes the server reset the stream, as often as one likes (CVE-2025-8671). */
static enum frame_verdict read_increment(struct frame_parser *parser,
                                         const struct frame_limits *limits, const uint8_t *bytes,
                                         size_t size, int64_t now_us)
{
    for (size_t i = 0; i < size; i++)
        parser->increment = parser->increment << 8 | bytes[i];
    if (parser->payload_left > 0 || (parser->increment & WINDOW_INCREMENT_MASK) != 0)
        return FRAME_FINE;
    return take(parser, limits, FRAME_BUCKET_RESETS, 1, now_us);
}

/* Answers how many bytes were the payload's. */
static size_t skip_payload(struct frame_parser *parser, const struct frame_limits *limits,
                           const uint8_t *bytes, size_t size, int64_t now_us,
                           enum frame_verdict *verdict)
{
    size_t used = size < parser->payload_left ? size : parser->payload_left;

    parser->payload_left -= (uint32_t)used;
    if (parser->sums_increment)
        *verdict = read_increment(parser, limits, bytes, used, now_us);
    return used;
}

enum frame_verdict frame_parser_answered(struct frame_parser *parser,
                                         const struct frame_limits *limits, int64_t count,
                                         int64_t now_us)
{
    parser->unanswered = 0;
    return count == 0 ? FRAME_FINE : take(parser, limits, FRAME_BUCKET_RESETS, count, now_us);
}

enum frame_verdict frame_parser_feed(struct frame_parser *parser, const struct frame_limits *limits,
                                     const uint8_t *bytes, size_t size, int64_t now_us)
{
    enum frame_verdict verdict = FRAME_FINE;
    size_t at = skip_preface(parser, bytes, size);

    while (at < size && verdict == FRAME_FINE) {
        if (parser->payload_left > 0)
            at += skip_payload(parser, limits, bytes + at, size - at, now_us, &verdict);
        else
            at += read_header(parser, limits, bytes + at, size - at, now_us, &verdict);
    }
    return verdict;
}
