/*
 * Page tokens: the position sealed under the method and the arguments, so that it opens for nothing
 * else.  A token says nothing to who holds it.
 */

#include "crypto/page_token.h"

#include "base/bug.h"
#include "base/check.h"
#include "base/text.h"
#include "crypto/secrets.h"

/* Version, IV and tag of a sealed value, and the position; in base64url. */
#define PAGE_TOKEN_LENGTH_MAX 128

static const char *token_context(struct call *call, const char *arguments)
{
    return arena_printf(call->arena, "page_token|%s|%s", call->method, arguments);
}

char *page_token_make(struct call *call, const char *arguments, const void *position, size_t size)
{
    if (size == 0 || size > PAGE_POSITION_SIZE_MAX)
        bug("a page position of %zu bytes", size);
    struct bytes sealed =
        secret_seal(call->house->secrets, SECRET_PAGE_TOKEN, call->arena, call->house->random,
                    token_context(call, arguments), position, size);
    return base64url_encode(call->arena, sealed.data, sealed.size);
}

static bool token_open(struct call *call, const char *arguments, const char *token,
                       struct bytes *plain)
{
    size_t length = strlen(token);
    if (length > PAGE_TOKEN_LENGTH_MAX)
        return false;
    size_t sealed_size;
    const uint8_t *sealed = base64url_decode(call->arena, token, length, &sealed_size);
    return sealed != NULL &&
           secret_open(call->house->secrets, SECRET_PAGE_TOKEN, call->arena,
                       token_context(call, arguments), sealed, sealed_size, plain) &&
           plain->size > 0 && plain->size <= PAGE_POSITION_SIZE_MAX;
}

const struct error *page_token_read(struct call *call, const char *arguments, const char *token,
                                    void *position, size_t *size)
{
    if (token[0] == '\0') {
        *size = 0;
        return NULL;
    }
    struct bytes plain;
    if (!token_open(call, arguments, token, &plain))
        return refuse(call, STATUS_INVALID_ARGUMENT, "PAGE_TOKEN_INVALID",
                      "page_token was not made by this method for these arguments");
    memcpy(position, plain.data, plain.size);
    *size = plain.size;
    return NULL;
}

char *page_token_make_id(struct call *call, const char *arguments, struct uuid last)
{
    return page_token_make(call, arguments, last.bytes, sizeof(last.bytes));
}

const struct error *page_token_read_id(struct call *call, const char *arguments, const char *token,
                                       struct uuid *before)
{
    uint8_t position[PAGE_POSITION_SIZE_MAX];
    size_t size = 0;

    *before = UUID_NIL;
    TRY(page_token_read(call, arguments, token, position, &size));
    if (size == sizeof(before->bytes))
        memcpy(before->bytes, position, size);
    return NULL;
}

char *page_token_make_number(struct call *call, const char *arguments, int64_t last)
{
    return page_token_make(call, arguments, &last, sizeof(last));
}

const struct error *page_token_read_number(struct call *call, const char *arguments,
                                           const char *token, int64_t *before)
{
    uint8_t position[PAGE_POSITION_SIZE_MAX];
    size_t size = 0;

    *before = 0;
    TRY(page_token_read(call, arguments, token, position, &size));
    if (size == sizeof(*before))
        memcpy(before, position, size);
    return NULL;
}
