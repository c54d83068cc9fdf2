/*
 * Watches the HTTP/2 frames that the server sends, for streams that it resets itself because of
 * what the client did on them.  Whoever makes a server do that again and again gets around every
 * limit of streams, and never sends a RST_STREAM himself (CVE-2025-8671, "MadeYouReset").  Plain
 * data, as the frame parser.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "edge/frame_parser.h"

#define RESET_CODE_SIZE 4

/* All zero is a fresh connection. */
struct reset_watch {
    uint8_t header[FRAME_HEADER_SIZE];
    uint8_t header_seen;
    uint8_t code_left; /* bytes of the RST_STREAM's error code that are still to come */
    uint32_t code;
    uint32_t payload_left; /* of any other frame */
};

/*
 * Takes the next bytes that were sent; answers how many RST_STREAMs with an error were completed by
 * them.  NO_ERROR is none: so ends every answer that was ready before the client's message.
 */
int64_t reset_watch_feed(struct reset_watch *watch, const uint8_t *bytes, size_t size);
