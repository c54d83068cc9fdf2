/*
 * One code point of UTF-8 at a time (RFC 3629).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the code point that `text` begins with, 1–4; 0 when it is not well-formed: overlong, a
 * surrogate, above U+10FFFF or cut off.  `code` may be NULL.
 */
size_t utf8_decode(const char *text, size_t size, uint32_t *code);
