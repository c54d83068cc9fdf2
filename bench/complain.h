/*
 * What every program of the bench needs: an end with a sentence, the time, a file's text.
 */
#pragma once

#include <stdint.h>

_Noreturn void give_up(const char *what, const char *detail);
int64_t now_us(void);

/* Up to 64 KiB, with a NUL behind; the caller frees it. */
char *read_whole(const char *path);
