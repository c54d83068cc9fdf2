/*
 * Making and reading refresh tokens.  A token that is not ours is found out without the database.
 */

#include "auth/refresh_token.h"

#include "base/text.h"

#define PREFIX        "dr1_"
#define PREFIX_LENGTH 4
#define NAMED_SIZE    (16 + 16 + 4)
#define TOKEN_SIZE    (NAMED_SIZE + SHA256_SIZE)

void refresh_token_make(struct call *call, struct uuid customer, struct uuid session,
                        int32_t generation, struct refresh_token *token)
{
    uint8_t bytes[TOKEN_SIZE];
    memcpy(bytes, customer.bytes, 16);
    memcpy(bytes + 16, session.bytes, 16);
    for (size_t i = 0; i < 4; i++)
        bytes[32 + i] = (uint8_t)((uint32_t)generation >> (24 - 8 * i));
    secret_hmac(call->house->secrets, SECRET_REFRESH_TOKEN, bytes, NAMED_SIZE, bytes + NAMED_SIZE);

    *token =
        (struct refresh_token){.customer = customer, .session = session, .generation = generation};
    token->text =
        arena_printf(call->arena, PREFIX "%s", base64url_encode(call->arena, bytes, sizeof(bytes)));
    sha256(token->text, strlen(token->text), token->hash);
    secret_wipe(bytes, sizeof(bytes));
}

bool refresh_token_read(struct call *call, const char *text, struct refresh_token *token)
{
    size_t length = strlen(text);
    if (length > REFRESH_TOKEN_LENGTH_MAX || !text_starts_with(text, PREFIX))
        return false;
    size_t size;
    const uint8_t *bytes =
        base64url_decode(call->arena, text + PREFIX_LENGTH, length - PREFIX_LENGTH, &size);
    if (bytes == NULL || size != TOKEN_SIZE)
        return false;

    uint8_t tag[SHA256_SIZE];
    secret_hmac(call->house->secrets, SECRET_REFRESH_TOKEN, bytes, NAMED_SIZE, tag);
    if (!secret_equal(tag, bytes + NAMED_SIZE, sizeof(tag)))
        return false;

    uint32_t generation = 0;
    for (size_t i = 0; i < 4; i++)
        generation = generation << 8 | bytes[32 + i];
    if (generation == 0 || generation >= INT32_MAX)
        return false;
    token->generation = (int32_t)generation;
    memcpy(token->customer.bytes, bytes, 16);
    memcpy(token->session.bytes, bytes + 16, 16);
    token->text = text;
    sha256(text, length, token->hash);
    return true;
}
