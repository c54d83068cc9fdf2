/*
 * A file of keys: 64 hex digits a line; blank lines and lines that begin with # do not count.
 */
#pragma once

#include "crypto/key_ring.h"

struct key_lines {
    size_t count;
    uint8_t list[KEY_RING_MAX][SECRET_SIZE];
};

/* For AUTO(key_lines_wipe). */
void key_lines_wipe(struct key_lines *lines);

/* At least one; false and one line in `problem` otherwise. */
bool key_lines_read(const char *path, struct key_lines *lines, char problem[256]) MUST_CHECK;

/* Text into lines, in place; false: something else is in it, or nothing. */
bool key_lines_parse(char *text, struct key_lines *lines) MUST_CHECK;

/* In place of the file, durably, with its mode and owner; comments go. */
bool key_lines_write(const char *path, const struct key_lines *lines, char problem[256]) MUST_CHECK;
