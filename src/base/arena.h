/*
 * An arena owns everything that one call (or one job) allocates and releases it at once.
 *
 * Sizes are bounded before anything is allocated from them, so reaching the cap is our bug and
 * aborts.  Only arena_try_alloc answers NULL at the cap: it serves the protobuf-c decoder, whose
 * appetite the caller of an RPC controls.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct arena;

/* An arena that never hands out more than `size_max` bytes.  Aborts when memory is exhausted. */
struct arena *arena_new(size_t size_max);

/* Wipes and frees.  NULL is allowed. */
void arena_free(struct arena *arena);

/* For AUTO(arena_auto_free) struct arena *arena = …; */
void arena_auto_free(struct arena **arena);

/* Wipes everything allocated; the first block is kept for reuse. */
void arena_reset(struct arena *arena);

/* Zeroed, 16-byte aligned.  Never NULL. */
void *arena_alloc(struct arena *arena, size_t size);

/* As arena_alloc, but NULL when the cap would be passed. */
void *arena_try_alloc(struct arena *arena, size_t size);

/* Aborts on overflow of count * size. */
void *arena_array(struct arena *arena, size_t count, size_t size);

void *arena_copy(struct arena *arena, const void *data, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);
