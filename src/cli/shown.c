/*
 * Standard output and standard error of what a server said: streams of our own before the
 * descriptors, so that no command has to think of it.
 */
#include "cli/shown.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/utf8.h"

/* Bytes that are shown at a time. */
#define PIECE_SIZE 1024

/* Ends included.  Lines and tabs are the commands' own. */
static const struct range {
    uint32_t from;
    uint32_t to;
} hidden[] = {
    {0x0000, 0x0008}, {0x000b, 0x001f}, /* C0 */
    {0x007f, 0x009f},                   /* DEL, C1 */
    {0x061c, 0x061c},                   /* the Arabic letter mark */
    {0x200b, 0x200f},                   /* no width, marks of direction */
    {0x2028, 0x202e},                   /* ends of lines and paragraphs, direction */
    {0x2066, 0x2069},                   /* isolated direction */
    {0xfeff, 0xfeff},                   /* no width */
};

static bool is_hidden(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++) {
        if (code >= hidden[i].from && code <= hidden[i].to)
            return true;
    }
    return false;
}

/* May more bytes make it a character? */
static bool is_cut_off(const char *text, size_t size)
{
    unsigned char first = (unsigned char)text[0];
    size_t length = first >= 0xf0 && first < 0xf5   ? 4
                    : first >= 0xe0 && first < 0xf0 ? 3
                    : first >= 0xc2 && first < 0xe0 ? 2
                                                    : 1;

    for (size_t i = 1; i < size && i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return false;
    }
    return size < length;
}

size_t shown_text(const char *text, size_t size, char *shown, size_t *rest)
{
    char number[SHOWN_GROWTH + 1];
    size_t done = 0;

    *rest = 0;
    for (size_t at = 0; at < size;) {
        uint32_t code = 0;
        size_t length = utf8_decode(text + at, size - at, &code);
        if (length == 0 && is_cut_off(text + at, size - at)) {
            *rest = size - at;
            break;
        }
        if (length == 0 || is_hidden(code)) {
            int written = length == 0
                              ? snprintf(number, sizeof number, "\\x%02x", (unsigned char)text[at])
                              : snprintf(number, sizeof number, "\\u%04x", (unsigned)code);
            memcpy(shown + done, number, (size_t)written);
            done += (size_t)written;
        } else {
            memcpy(shown + done, text + at, length);
            done += length;
        }
        at += length == 0 ? 1 : length;
    }
    return done;
}

struct shown {
    int descriptor;
    char rest[SHOWN_REST_MAX];
    size_t rest_size;
};

static bool write_all(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static ssize_t shown_write(void *cookie, const char *bytes, size_t size)
{
    struct shown *shown = cookie;
    char text[SHOWN_REST_MAX + PIECE_SIZE];
    char out[sizeof text * SHOWN_GROWTH];

    for (size_t at = 0; at < size;) {
        size_t piece = size - at < PIECE_SIZE ? size - at : PIECE_SIZE;
        memcpy(text, shown->rest, shown->rest_size);
        memcpy(text + shown->rest_size, bytes + at, piece);
        size_t all = shown->rest_size + piece;
        size_t count = shown_text(text, all, out, &shown->rest_size);
        memcpy(shown->rest, text + all - shown->rest_size, shown->rest_size);
        if (!write_all(shown->descriptor, out, count))
            return 0;
        at += piece;
    }
    return (ssize_t)size;
}

/* Where a stream cannot be had, the text goes out as it is. */
static FILE *shown_open(FILE *plain, struct shown *shown, int buffering)
{
    FILE *file = fopencookie(shown, "w", (cookie_io_functions_t){.write = shown_write});

    if (file == NULL)
        return plain;
    setvbuf(file, NULL, buffering, BUFSIZ);
    return file;
}

void shown_begin(bool is_for_machines)
{
    static struct shown out = {.descriptor = STDOUT_FILENO};
    static struct shown problems = {.descriptor = STDERR_FILENO};

    if (!is_for_machines)
        stdout = shown_open(stdout, &out, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
    stderr = shown_open(stderr, &problems, _IOLBF);
}
