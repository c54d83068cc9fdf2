/*
 * A server whose gateway has keys and secrets, stored before it starts.
 */
#include "support/rpc_news.h"

#include <inttypes.h>

#include "base/bug.h"
#include "base/text.h"
#include "crypto/hmac.h"
#include "http/post.h"
#include "keys_command.h"

#define LIMIT_MS 60000

/* As `dues keys set` does; the older secret first. */
static void store_key(const struct settings *settings, const char *name, char *text)
{
    const struct keys_options options = {.action = KEYS_SET, .name = name};
    FILE *in = fmemopen(text, strlen(text), "r");
    FILE *out = fopen("/dev/null", "w");

    if (in == NULL || out == NULL || keys_run(settings, &options, in, out, stderr) != 0)
        bug("the gateway's key could not be stored");
    (void)fclose(in);
    (void)fclose(out);
}

static void store_keys(const struct settings *settings)
{
    static char key[] = "sk_test_0123456789abcdef\n";
    static char old_secret[] = NEWS_OLD_SECRET "\n";
    static char secret[] = NEWS_SECRET "\n";

    store_key(settings, "stripe", key);
    store_key(settings, "stripe-webhook", old_secret);
    store_key(settings, "stripe-webhook", secret);
}

struct rpc_fixture *news_fixture_new(const char *more_settings)
{
    static char settings[4096]; /* the fixture keeps it: one at a time */

    snprintf(settings, sizeof settings,
             "sandbox = on\n"
             "gateway = stripe\n"
             "gateway_news_listen = 127.0.0.1:0\n"
             "%s",
             more_settings);
    return rpc_fixture_new_prepared(settings, store_keys);
}

void news_fixture_free(struct rpc_fixture *f)
{
    rpc_fixture_free(f);
}

const char *news_sign(struct rpc_fixture *f, const char *body, int64_t time_s, const char *secret)
{
    uint8_t tag[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    const char *content = rpc_printf(f, "%" PRId64 ".%s", time_s, body);

    hmac_sha256(secret, strlen(secret), content, strlen(content), tag);
    hex_encode(tag, sizeof tag, hex);
    return rpc_printf(f, "t=%" PRId64 ",v1=%s", time_s, hex);
}

int news_post(struct rpc_fixture *f, const char *body, const char *signature)
{
    return news_post_trusting(f, "ca.pem", body, signature);
}

int news_post_trusting(struct rpc_fixture *f, const char *ca_file, const char *body,
                       const char *signature)
{
    const struct http_header header = {"Stripe-Signature", signature};
    char problem[HTTP_PROBLEM_SIZE] = "";
    const struct http_post post = {
        .url = rpc_printf(f, "https://localhost:%d" NEWS_PATH, house_news_port(f->opened)),
        .ca_file = rpc_printf(f, "%s/%s", f->directory, ca_file),
        .headers = &header,
        .header_count = signature == NULL ? 0 : 1,
        .body = body,
        .body_size = strlen(body),
        .time_limit_ms = LIMIT_MS,
    };

    return http_post(&post, problem);
}
