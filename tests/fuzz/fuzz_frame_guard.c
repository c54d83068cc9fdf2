/*
 * The frame parser: what it says does not depend on how the bytes were parted, and nothing passes
 * that the limits forbid.  The input is what follows the preface; its first byte parts it.
 */
#include "base/bug.h"
#include "base/time.h"
#include "edge/frame_parser.h"
#include "fuzz/fuzz.h"

#define NOW_US           (1000 * US_PER_SECOND)
#define BURST            8
#define HEADER_BLOCK_MAX 20000

#define TYPE_RST_STREAM   3
#define TYPE_PUSH_PROMISE 5

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static const struct frame_limits *limits(void)
{
    static struct frame_limits made = {.header_block_max = HEADER_BLOCK_MAX};

    for (size_t i = 0; i < FRAME_BUCKETS; i++)
        made.rates[i] = bucket_rate_make(2, BURST);
    return &made;
}

static struct frame_parser begun(void)
{
    struct frame_parser parser = {0};

    if (frame_parser_feed(&parser, limits(), (const uint8_t *)preface, sizeof preface - 1,
                          NOW_US) != FRAME_FINE)
        bug("the preface is refused");
    return parser;
}

static enum frame_verdict feed_parted(struct frame_parser *parser, const uint8_t *data, size_t size,
                                      size_t part)
{
    enum frame_verdict verdict = FRAME_FINE;

    for (size_t at = 0; at < size && verdict == FRAME_FINE; at += part)
        verdict = frame_parser_feed(parser, limits(), data + at,
                                    size - at < part ? size - at : part, NOW_US);
    return verdict;
}

/* Walks the frames in its own way. */
static void check_passed(const uint8_t *data, size_t size)
{
    int resets = 0;

    for (size_t at = 0; size - at >= FRAME_HEADER_SIZE;) {
        size_t payload = (size_t)data[at] << 16 | (size_t)data[at + 1] << 8 | data[at + 2];
        uint8_t type = data[at + 3];
        if (payload > FRAME_PAYLOAD_MAX || type == TYPE_PUSH_PROMISE)
            bug("a frame of type %d and %zu bytes passed", type, payload);
        resets += type == TYPE_RST_STREAM;
        if (payload > size - at - FRAME_HEADER_SIZE)
            break;
        at += FRAME_HEADER_SIZE + payload;
    }
    if (resets > BURST)
        bug("%d resets passed", resets);
}

static void check_wrong_preface(const uint8_t *data, size_t size)
{
    struct frame_parser parser = {0};
    enum frame_verdict verdict = frame_parser_feed(&parser, limits(), data, size, NOW_US);

    if (size > 0 && data[0] != 'P' && (verdict != FRAME_FINE || !parser.not_http2))
        bug("what is not HTTP/2 is judged");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t part = (size_t)1 + data[0];
    data++;
    size--;
    struct frame_parser whole = begun();
    struct frame_parser parted = begun();

    enum frame_verdict verdict = frame_parser_feed(&whole, limits(), data, size, NOW_US);
    if (feed_parted(&parted, data, size, part) != verdict)
        bug("parts of %zu bytes are judged differently", part);
    if (memcmp(&whole.buckets, &parted.buckets, sizeof whole.buckets) != 0)
        bug("parts of %zu bytes are counted differently", part);
    if (frame_verdict_name(verdict) == NULL)
        bug("verdict %d has no name", (int)verdict);
    if (verdict == FRAME_FINE)
        check_passed(data, size);
    check_wrong_preface(data, size);
    return 0;
}
