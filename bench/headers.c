/*
 * Requests: literals with incremental indexing, then their indices.  Answers: as the server was
 * told to have no table, grpc-status is always spelled out, plainly or in Huffman's code.
 */
#include "headers.h"

#include <inttypes.h>

#include "complain.h"

#define INDEXED         0x80
#define REMEMBERED      0x40 /* a literal that the table shall keep */
#define METHOD_POST     3    /* in the static table, as the names below */
#define SCHEME_HTTPS    7
#define NAME_AUTHORITY  1
#define NAME_PATH       4
#define NAME_BEARER     23
#define NAME_CONTENT    31
#define NAME_USER_AGENT 58
#define TABLE_BEGINS    62

static void append_byte(struct wire_bytes *to, unsigned byte)
{
    const uint8_t value = (uint8_t)byte;
    wire_append(to, &value, 1);
}

/* RFC 7541, 5.1 and 5.2, without Huffman. */
static void append_text(struct wire_bytes *to, const char *text)
{
    size_t left = strlen(text);

    if (left < 127) {
        append_byte(to, (unsigned)left);
    } else {
        append_byte(to, 127);
        for (left -= 127; left >= 128; left /= 128)
            append_byte(to, (unsigned)(left % 128) | 128);
        append_byte(to, (unsigned)left);
    }
    wire_append(to, text, strlen(text));
}

static size_t remember(struct wire_bytes *to, unsigned name, const char *value)
{
    append_byte(to, REMEMBERED | name);
    append_text(to, value);
    return 1;
}

static size_t remember_named(struct wire_bytes *to, const char *name, const char *value)
{
    append_byte(to, REMEMBERED);
    append_text(to, name);
    append_text(to, value);
    return 1;
}

void headers_make(struct header_blocks *blocks, const char *path, int64_t timeout_ms,
                  const char *token)
{
    struct wire_bytes *first = &blocks->first;
    char timeout[32];
    char *bearer = NULL;
    size_t count = 0;

    snprintf(timeout, sizeof(timeout), "%" PRId64 "m", timeout_ms);
    append_byte(first, INDEXED | METHOD_POST);
    append_byte(first, INDEXED | SCHEME_HTTPS);
    count += remember(first, NAME_PATH, path);
    count += remember(first, NAME_AUTHORITY, "localhost");
    count += remember_named(first, "te", "trailers");
    count += remember(first, NAME_CONTENT, "application/grpc");
    count += remember(first, NAME_USER_AGENT, "dues-bench");
    count += remember_named(first, "grpc-timeout", timeout);
    if (token != NULL) {
        if (asprintf(&bearer, "Bearer %s", token) < 0)
            give_up("out of memory", "");
        count += remember(first, NAME_BEARER, bearer);
        free(bearer);
    }
    append_byte(&blocks->next, INDEXED | METHOD_POST);
    append_byte(&blocks->next, INDEXED | SCHEME_HTTPS);
    for (size_t i = 0; i < count; i++) /* the table's newest is its first */
        append_byte(&blocks->next, INDEXED | (unsigned)(TABLE_BEGINS + count - 1 - i));
}

/* Length and name as they stand in a block. */
static const char status_plain[] = "\x0bgrpc-status";
static const char status_huffman[] = "\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f";

int headers_status(const uint8_t *block, size_t size)
{
    size_t name = sizeof(status_plain) - 1;
    const uint8_t *found = memmem(block, size, status_plain, name);

    if (found == NULL) {
        name = sizeof(status_huffman) - 1;
        found = memmem(block, size, status_huffman, name);
    }
    if (found == NULL)
        return -1;
    /* The value: a length and one or two digits, which Huffman's code cannot shorten. */
    const uint8_t *value = found + name;
    size_t left = size - (size_t)(value - block);
    if (left < 2 || value[0] < 1 || value[0] > 2 || left < 1U + value[0])
        return -1;
    int status = value[1] - '0';
    if (value[0] == 2)
        status = status * 10 + value[2] - '0';
    return status >= 0 && status <= 16 ? status : -1;
}
