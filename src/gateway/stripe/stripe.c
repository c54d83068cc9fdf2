/*
 * Opening and closing: the key from its file, the client with its thread.
 */

#include "gateway/stripe/stripe.h"

#include <errno.h>

#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/errand.h"
#include "gateway/stripe/json.h"
#include "gateway/stripe/news.h"

/* Stripe keeps what a key did for a day at least; after 20 hours we only ask. */
#define RESEND_WINDOW_US (20 * US_PER_HOUR)
/* A bank may send a refund back for a month. */
#define REFUND_WATCH_US (30 * US_PER_DAY)
#define WAITING_MAX     1024
#define PROBE_MS        10000

bool stripe_url_is_right(const char *url)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-:[]";
    const char *host = url + strlen("https://");

    return text_starts_with(url, "https://") && strlen(url) <= STRIPE_URL_MAX && *host != '\0' &&
           host[strspn(host, allowed)] == '\0';
}

static bool key_is_right(const char *key)
{
    static const char *const prefixes[] = {"sk_test_", "sk_live_", "rk_test_", "rk_live_"};

    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        if (stripe_is_id(key, prefixes[i]))
            return true;
    }
    return false;
}

static bool read_key(struct stripe *stripe, const char *path, char problem[STRIPE_PROBLEM_SIZE])
{
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        snprintf(problem, STRIPE_PROBLEM_SIZE, "%s: %s", path, strerror(errno));
        return false;
    }
    /* No copy of the key in the stream's buffer. */
    setvbuf(file, NULL, _IONBF, 0);
    size_t size = fread(stripe->secret, 1, sizeof stripe->secret - 1, file);
    fclose(file);
    stripe->secret[size] = '\0';
    stripe->secret[strcspn(stripe->secret, "\r\n")] = '\0';
    if (!key_is_right(stripe->secret)) {
        snprintf(problem, STRIPE_PROBLEM_SIZE,
                 "%s: not a secret key of Stripe (sk_test_…, sk_live_…, rk_…)", path);
        return false;
    }
    stripe->is_live = text_starts_with(stripe->secret + strlen("sk_"), "live_");
    return true;
}

/* Without a secret there is nothing to read news with. */
static bool read_news_secrets(struct stripe *stripe, const char *path,
                              char problem[STRIPE_PROBLEM_SIZE])
{
    stripe->news_secret_file = path;
    if (path == NULL || path[0] == '\0')
        return true;
    if (!stripe_news_secrets_read(path, &stripe->news_secrets, problem))
        return false;
    stripe->gateway.read_news = stripe_read_news;
    stripe->gateway.find_owner = stripe_find_owner;
    stripe->gateway.look_at_card = stripe_look_at_card;
    return true;
}

struct stripe *stripe_open(const struct stripe_options *options, char problem[STRIPE_PROBLEM_SIZE])
{
    const struct http_client_options client = {
        .name = "stripe",
        .active_max = options->active_max,
        .queue_max = WAITING_MAX,
        .log = options->log,
    };
    struct stripe *stripe = calloc(1, sizeof *stripe);

    if (stripe == NULL) {
        snprintf(problem, STRIPE_PROBLEM_SIZE, "out of memory");
        return NULL;
    }
    stripe->gateway = (struct gateway){
        .name = "stripe",
        .resend_window_us = RESEND_WINDOW_US,
        .refund_watch_us = REFUND_WATCH_US,
        .describe = stripe_describe,
        .send = stripe_send,
        .query = stripe_query,
        .get_dispute = stripe_get_dispute,
        .submit_evidence = stripe_submit_evidence,
        .accept_dispute = stripe_accept_dispute,
        .list_disputes = stripe_list_disputes,
        .list_transactions = stripe_list_transactions,
        .state = stripe,
    };
    pthread_mutex_init(&stripe->news_lock, NULL);
    stripe->ca_file = options->ca_file;
    stripe->return_url = options->return_url;
    stripe->timeout_ms = options->timeout_ms;
    if (!stripe_url_is_right(options->url)) {
        snprintf(problem, STRIPE_PROBLEM_SIZE, "\"%s\" is not https://HOST[:PORT]", options->url);
    } else if (read_key(stripe, options->secret_key_file, problem) &&
               read_news_secrets(stripe, options->news_secret_file, problem)) {
        snprintf(stripe->url, sizeof stripe->url, "%s", options->url);
        stripe->client = http_client_open(&client, problem);
    }
    if (stripe->client != NULL)
        return stripe;
    stripe_close(stripe);
    return NULL;
}

void stripe_close(struct stripe *stripe)
{
    if (stripe == NULL)
        return;
    http_client_close(stripe->client);
    pthread_mutex_destroy(&stripe->news_lock);
    explicit_bzero(stripe->secret, sizeof stripe->secret);
    explicit_bzero(&stripe->news_secrets, sizeof stripe->news_secrets);
    free(stripe);
}

const struct gateway *stripe_gateway(const struct stripe *stripe)
{
    return &stripe->gateway;
}

bool stripe_is_live(const struct stripe *stripe)
{
    return stripe->is_live;
}

bool stripe_probe(const struct stripe *stripe, struct arena *arena,
                  char problem[STRIPE_PROBLEM_SIZE])
{
    const struct errand errand = {
        .stripe = stripe,
        .arena = arena,
        .clock = clock_system(),
        .until_us = clock_monotonic_us(clock_system()) + PROBE_MS * US_PER_MS,
    };
    struct stripe_form form = {.arena = arena};
    struct http_exchange_reply reply;

    form_add(&form, "limit", "1");
    errand_get(&errand, "/v1/payment_intents", &form, &reply);
    if (reply.result == HTTP_ANSWERED && reply.status == 200)
        return true;
    const char *what = reply.result != HTTP_ANSWERED ? reply.problem
                       : reply.status == 401         ? "it does not know the key"
                       : reply.status == 403         ? "the key may not read payments"
                                                     : "it answers with an error";
    snprintf(problem, STRIPE_PROBLEM_SIZE, "%.120s: %.120s", stripe->url, what);
    return false;
}
