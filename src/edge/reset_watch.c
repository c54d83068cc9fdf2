/*
 * What the server sends is right HTTP/2, so there is nothing to judge: frames are stepped over, and
 * only the code of a RST_STREAM is read.
 */

#include "edge/reset_watch.h"

#include <string.h>

#define TYPE_RST_STREAM 3

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t read_header(struct reset_watch *watch, const uint8_t *bytes, size_t size)
{
    size_t used = least(size, (size_t)FRAME_HEADER_SIZE - watch->header_seen);
    const uint8_t *header = watch->header;

    memcpy(watch->header + watch->header_seen, bytes, used);
    watch->header_seen = (uint8_t)(watch->header_seen + used);
    if (watch->header_seen < FRAME_HEADER_SIZE)
        return used;
    watch->header_seen = 0;
    watch->payload_left = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
    if (header[3] == TYPE_RST_STREAM && watch->payload_left == RESET_CODE_SIZE) {
        watch->payload_left = 0;
        watch->code_left = RESET_CODE_SIZE;
        watch->code = 0;
    }
    return used;
}

static size_t skip_payload(struct reset_watch *watch, size_t size)
{
    size_t used = least(size, watch->payload_left);

    watch->payload_left -= (uint32_t)used;
    return used;
}

int64_t reset_watch_feed(struct reset_watch *watch, const uint8_t *bytes, size_t size)
{
    int64_t resets = 0;

    for (size_t at = 0; at < size;) {
        if (watch->payload_left > 0) {
            at += skip_payload(watch, size - at);
        } else if (watch->code_left > 0) {
            watch->code |= bytes[at++];
            watch->code_left--;
            resets += watch->code_left == 0 && watch->code != 0;
        } else {
            at += read_header(watch, bytes + at, size - at);
        }
    }
    return resets;
}
