/*
 * Memory for keys: pages that are neither swapped nor dumped, wiped before they are given back.
 */
#pragma once

#include <stddef.h>

/* Zeroed.  Aborts when memory is exhausted. */
void *locked_new(size_t size);

/* Wipes.  NULL is allowed. */
void locked_free(void *memory, size_t size);
