/*
 * Letters to Stripe's webhook endpoint: a line with the signature header, then the body.  As they
 * come: nobody is believed without the secret.  And signed rightly, so that the event is read.
 */
#include <inttypes.h>

#include "base/bug.h"
#include "base/text.h"
#include "crypto/hmac.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "gateway/stripe/news.h"

#define SECRET "whsec_of_the_fuzzer_itself"
#define NOW_S  INT64_C(1700000000)

static const char *sign(struct arena *arena, struct bytes body)
{
    char *content = arena_alloc(arena, body.size + 16);
    uint8_t tag[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    int prefix = snprintf(content, 16, "%" PRId64 ".", NOW_S);

    if (body.size > 0)
        memcpy(content + prefix, body.data, body.size);
    hmac_sha256(SECRET, strlen(SECRET), content, (size_t)prefix + body.size, tag);
    hex_encode(tag, sizeof tag, hex);
    return arena_printf(arena, "t=%" PRId64 ",v1=%s", NOW_S, hex);
}

static void check_text(const char *text)
{
    size_t length = strlen(text);

    if (length > GATEWAY_NEWS_ID_MAX || !text_is_plain(text, length))
        bug("a text of the news is not plain");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static const struct stripe_news_secrets secrets = {.text = {SECRET}};
    struct arena *arena = fuzz_arena();
    const uint8_t *feed = size == 0 ? NULL : memchr(data, '\n', size);
    size_t head = feed == NULL ? size : (size_t)(feed - data);
    const struct bytes body = {feed == NULL ? NULL : feed + 1, feed == NULL ? 0 : size - head - 1};
    struct gateway_news news;

    const char *header = arena_strndup(arena, (const char *)data, head);
    if (stripe_signature_check(&secrets, arena, header, body, NOW_S) == GATEWAY_LETTER_GENUINE &&
        strstr(header, strchr(sign(arena, body), ',') + 1) == NULL)
        bug("a letter is believed that nobody has signed");
    if (stripe_signature_check(&secrets, arena, sign(arena, body), body, NOW_S) !=
        GATEWAY_LETTER_GENUINE)
        bug("a letter that was signed rightly is not believed");
    if (!stripe_read_event(arena, false, body, &news))
        return 0;
    check_text(news.event);
    check_text(news.type);
    check_text(news.object);
    check_text(news.belongs_to);
    check_text(news.reference);
    check_text(news.customer);
    if ((news.kind == GATEWAY_NEWS_OTHER) != (news.object[0] == '\0'))
        bug("news of an object without its id");
    return 0;
}
