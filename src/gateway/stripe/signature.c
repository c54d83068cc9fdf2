/*
 * The header is read strictly: one time, one to sixteen v1 of 64 hex digits; other schemes are
 * passed over.  What is compared is compared whole.
 */

#include "gateway/stripe/signature.h"

#include "base/text.h"
#include "crypto/hmac.h"

#define HEADER_MAX     4096
#define SIGNATURES_MAX 16
#define TIME_DIGITS    12
#define HEX_LENGTH     ((size_t)2 * SHA256_SIZE)

struct signature {
    char time[TIME_DIGITS + 1]; /* as it stands: it is signed as text */
    int64_t time_s;
    uint8_t tags[SIGNATURES_MAX][SHA256_SIZE];
    size_t count;
};

static bool read_time(const char *text, size_t length, struct signature *signature)
{
    if (signature->time[0] != '\0' || length == 0 || length > TIME_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        signature->time_s = 10 * signature->time_s + (text[i] - '0');
        signature->time[i] = text[i];
    }
    return true;
}

static bool read_tag(const char *text, size_t length, struct signature *signature)
{
    char hex[HEX_LENGTH + 1];

    if (length != HEX_LENGTH || signature->count == SIGNATURES_MAX)
        return false;
    memcpy(hex, text, HEX_LENGTH);
    hex[HEX_LENGTH] = '\0';
    return hex_decode(hex, signature->tags[signature->count++], SHA256_SIZE);
}

/* "t=…" or "v1=…" or of a scheme that is not ours. */
static bool read_item(const char *item, size_t length, struct signature *signature)
{
    const char *equals = memchr(item, '=', length);
    size_t name = equals == NULL ? 0 : (size_t)(equals - item);

    if (name == 0)
        return false;
    if (name == 1 && item[0] == 't')
        return read_time(equals + 1, length - name - 1, signature);
    if (name == 2 && memcmp(item, "v1", 2) == 0)
        return read_tag(equals + 1, length - name - 1, signature);
    return true;
}

static bool read_header(const char *header, struct signature *signature)
{
    size_t size = header == NULL ? 0 : strnlen(header, HEADER_MAX + 1);

    *signature = (struct signature){.count = 0};
    if (size == 0 || size > HEADER_MAX)
        return false;
    for (const char *at = header;; at++) {
        size_t length = strcspn(at, ",");
        if (!read_item(at, length, signature))
            return false;
        at += length;
        if (*at == '\0')
            break;
    }
    return signature->time[0] != '\0' && signature->count > 0;
}

/* Every one is compared, so that the time tells nothing of which. */
static bool fits(const struct signature *signature, const char *secret, struct bytes content)
{
    uint8_t tag[SHA256_SIZE];
    bool found = false;

    hmac_sha256(secret, strlen(secret), content.data, content.size, tag);
    for (size_t i = 0; i < signature->count; i++) {
        bool same = secret_equal(tag, signature->tags[i], sizeof tag);
        found = found || same;
    }
    secret_wipe(tag, sizeof tag);
    return found;
}

/* "<t>.<raw body>" */
static struct bytes signed_content(struct arena *arena, const struct signature *signature,
                                   struct bytes body)
{
    size_t prefix = strlen(signature->time) + 1;
    char *content = arena_alloc(arena, prefix + body.size);

    memcpy(content, signature->time, prefix - 1);
    content[prefix - 1] = '.';
    if (body.size > 0)
        memcpy(content + prefix, body.data, body.size);
    return (struct bytes){content, prefix + body.size};
}

enum gateway_letter_verdict stripe_signature_check(const struct stripe_news_secrets *secrets,
                                                   struct arena *arena, const char *header,
                                                   struct bytes body, int64_t now_s)
{
    struct signature signature;
    bool genuine = false;

    if (!read_header(header, &signature))
        return GATEWAY_LETTER_UNSIGNED;
    struct bytes content = signed_content(arena, &signature, body);
    for (size_t i = 0; i < STRIPE_NEWS_SECRETS_MAX; i++) {
        bool fitted = secrets->text[i][0] != '\0' && fits(&signature, secrets->text[i], content);
        genuine = genuine || fitted;
    }
    if (!genuine)
        return GATEWAY_LETTER_FORGED;
    return signature.time_s < now_s - STRIPE_TOLERANCE_S ||
                   signature.time_s > now_s + STRIPE_TOLERANCE_S
               ? GATEWAY_LETTER_STALE
               : GATEWAY_LETTER_GENUINE;
}
