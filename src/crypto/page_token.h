/*
 * Page tokens: opaque, authenticated, tied to the method and to its other arguments (AIP-158).
 */
#pragma once

#include "base/call.h"

#define PAGE_POSITION_SIZE_MAX 64

/* `arguments` is whatever must not change between pages: parent, filter, order. */
char *page_token_make(struct call *call, const char *arguments, const void *position, size_t size);

/* "" is the first page: `*size` 0.  Anything not made above: INVALID_ARGUMENT, PAGE_TOKEN_INVALID.
 */
const struct error *page_token_read(struct call *call, const char *arguments, const char *token,
                                    void *position, size_t *size) MUST_CHECK;

/* The same where the position is an id: `*before` is UUID_NIL for the first page. */
char *page_token_make_id(struct call *call, const char *arguments, struct uuid last);
const struct error *page_token_read_id(struct call *call, const char *arguments, const char *token,
                                       struct uuid *before) MUST_CHECK;

/* The same where it is a number: `*before` is 0 for the first page. */
char *page_token_make_number(struct call *call, const char *arguments, int64_t last);
const struct error *page_token_read_number(struct call *call, const char *arguments,
                                           const char *token, int64_t *before) MUST_CHECK;
