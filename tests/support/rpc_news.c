/*
 * Files beside the fixture's own, whose directory is not there before its server starts.
 */
#include "support/rpc_news.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/text.h"
#include "crypto/hmac.h"
#include "http/post.h"

#define LIMIT_MS 10000

static const char *const names[] = {"stripe.key", "stripe.secret"};

static const char *path_of(const struct rpc_fixture *f, const char *setting)
{
    const char *line = strstr(f->more_settings, setting);

    return line == NULL ? "" : line + strlen(setting) + strlen(" = ");
}

struct rpc_fixture *news_fixture_new(const char *more_settings)
{
    char directory[] = "/tmp/dues-news-XXXXXX";
    static char settings[4096]; /* the fixture keeps it: one at a time */

    if (mkdtemp(directory) == NULL)
        bug("no directory for the gateway's files");
    test_write_file(directory, names[0], "sk_test_0123456789abcdef\n");
    test_write_file(directory, names[1], NEWS_SECRET "\n" NEWS_OLD_SECRET "\n");
    snprintf(settings, sizeof settings,
             "sandbox = on\n"
             "gateway = stripe\n"
             "stripe_secret_key_file = %s/%s\n"
             "stripe_webhook_secret_file = %s/%s\n"
             "gateway_news_listen = 127.0.0.1:0\n"
             "%s",
             directory, names[0], directory, names[1], more_settings);
    return rpc_fixture_new(settings);
}

void news_fixture_free(struct rpc_fixture *f)
{
    char path[512];

    snprintf(path, sizeof path, "%.*s", (int)strcspn(path_of(f, "stripe_secret_key_file"), "\n"),
             path_of(f, "stripe_secret_key_file"));
    rpc_fixture_free(f);
    unlink(path);
    char *slash = strrchr(path, '/');
    snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "%s", names[1]);
    unlink(path);
    *slash = '\0';
    rmdir(path);
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
