/*
 * Text that came from outside.  Nothing here trusts a length or a byte: every function reads any
 * bytes at all, well-formed or not.
 */

#include "base/text.h"

#include "base/utf8.h"

/* Of eight bytes at once; the top bit of a byte that is not plain is set in the answer. */
static uint64_t not_plain(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101U;
    uint64_t below_blank = bytes - 0x20 * each; /* borrows only from what is wrong itself */
    uint64_t delete = (bytes ^ 0x7f * each) - each;

    return (bytes | below_blank | delete) & 0x80 * each;
}

bool text_is_plain(const char *text, size_t size)
{
    uint64_t bytes;

    for (; size >= sizeof bytes; size -= sizeof bytes, text += sizeof bytes) {
        memcpy(&bytes, text, sizeof bytes);
        if (not_plain(bytes) != 0)
            return false;
    }
    memset(&bytes, ' ', sizeof bytes);
    memcpy(&bytes, text, size);
    return not_plain(bytes) == 0;
}

bool text_is_utf8(const char *text, size_t size)
{
    size_t position = 0;

    while (position < size) {
        size_t length = utf8_decode(text + position, size - position, NULL);
        if (length == 0)
            return false;
        position += length;
    }
    return true;
}

size_t text_length(const char *text)
{
    size_t length = 0;

    /* Every code point has exactly one byte that is not a continuation. */
    for (; *text != '\0'; text++)
        length += ((unsigned char)*text & 0xc0) != 0x80;
    return length;
}

bool text_has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)text[0];
        if (c < 0x20 || c == 0x7f)
            return true;
        unsigned char next = (unsigned char)text[1];
        if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
            return true;
    }
    return false;
}

bool text_starts_with(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; text++, prefix++) {
        if (*text != *prefix)
            return false;
    }
    return true;
}

bool text_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

void hex_encode(const void *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[byte[i] >> 4];
        out[2 * i + 1] = digits[byte[i] & 0x0f];
    }
    out[2 * size] = '\0';
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(const char *text, void *bytes, size_t size)
{
    uint8_t *byte = bytes;

    for (size_t i = 0; i < 2 * size; i++) {
        if (hex_value(text[i]) < 0)
            return false;
    }
    if (text[2 * size] != '\0')
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned high = (unsigned)hex_value(text[2 * i]);
        unsigned low = (unsigned)hex_value(text[2 * i + 1]);
        byte[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *base64_write(struct arena *arena, const void *bytes, size_t size, const char *digits,
                          bool padded)
{
    const uint8_t *byte = bytes;
    char *text = arena_alloc(arena, (size + 2) / 3 * 4 + 1);
    char *end = text;

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)byte[i] << 16;
        if (left > 1)
            group |= (uint32_t)byte[i + 1] << 8;
        if (left > 2)
            group |= byte[i + 2];
        *end++ = digits[group >> 18];
        *end++ = digits[group >> 12 & 63];
        if (left > 1)
            *end++ = digits[group >> 6 & 63];
        else if (padded)
            *end++ = '=';
        if (left > 2)
            *end++ = digits[group & 63];
        else if (padded)
            *end++ = '=';
    }
    *end = '\0';
    return text;
}

char *base64url_encode(struct arena *arena, const void *bytes, size_t size)
{
    return base64_write(arena, bytes, size, base64url_digits, false);
}

char *base64_encode(struct arena *arena, const void *bytes, size_t size)
{
    return base64_write(arena, bytes, size, base64_digits, true);
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

uint8_t *base64url_decode(struct arena *arena, const char *text, size_t length, size_t *size)
{
    if (length % 4 == 1)
        return NULL;

    uint8_t *bytes = arena_alloc(arena, length / 4 * 3 + 3);
    size_t count = 0;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < length; i++) {
        int value = base64url_value(text[i]);
        if (value < 0)
            return NULL;
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[count++] = (uint8_t)(group >> bits);
            group &= (1U << bits) - 1;
        }
    }
    /* Left-over bits must be zero, or several texts would mean the same bytes. */
    if (group != 0)
        return NULL;
    *size = count;
    return bytes;
}

size_t json_escape(const char *text, size_t size, char out[JSON_ESCAPE_SIZE])
{
    uint32_t code = 0;
    size_t length = utf8_decode(text, size, &code);

    if (length == 0) {
        snprintf(out, JSON_ESCAPE_SIZE, "\\ufffd");
        return 1;
    }
    if (code == '"' || code == '\\') {
        snprintf(out, JSON_ESCAPE_SIZE, "\\%c", (int)code);
    } else if (code == '\n') {
        snprintf(out, JSON_ESCAPE_SIZE, "\\n");
    } else if (code == '\r') {
        snprintf(out, JSON_ESCAPE_SIZE, "\\r");
    } else if (code == '\t') {
        snprintf(out, JSON_ESCAPE_SIZE, "\\t");
    } else if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) {
        snprintf(out, JSON_ESCAPE_SIZE, "\\u%04x", (unsigned)code);
    } else {
        memcpy(out, text, length);
        out[length] = '\0';
    }
    return length;
}

char *json_quote(struct arena *arena, const char *text)
{
    size_t size = strlen(text);
    size_t quoted_size = 2;
    char escaped[JSON_ESCAPE_SIZE];

    for (size_t i = 0; i < size;) {
        i += json_escape(text + i, size - i, escaped);
        quoted_size += strlen(escaped);
    }

    char *quoted = arena_alloc(arena, quoted_size + 1);
    char *end = quoted;
    *end++ = '"';
    for (size_t i = 0; i < size;) {
        i += json_escape(text + i, size - i, escaped);
        size_t length = strlen(escaped);
        memcpy(end, escaped, length);
        end += length;
    }
    *end++ = '"';
    *end = '\0';
    return quoted;
}
