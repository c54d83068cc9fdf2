/*
 * Opening and closing: the key, the client with its thread.
 */

#include "gateway/stripe/stripe.h"

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

/* A key of Stripe's; what it is not says a problem that does not repeat it. */
static bool check_key(const char *key, char problem[STRIPE_PROBLEM_SIZE])
{
    if (key != NULL && stripe_key_is_right(key))
        return true;
    snprintf(problem, STRIPE_PROBLEM_SIZE,
             "not a secret key of Stripe (sk_test_…, sk_live_…, rk_…)");
    return false;
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
        .detach_card = stripe_detach_card,
        .update_card = stripe_update_card,
        .state = stripe,
    };
    if (options->takes_news) {
        stripe->gateway.read_news = stripe_read_news;
        stripe->gateway.find_owner = stripe_find_owner;
        stripe->gateway.look_at_card = stripe_look_at_card;
    }
    pthread_mutex_init(&stripe->news_lock, NULL);
    stripe->ca_file = options->ca_file;
    stripe->return_url = options->return_url;
    stripe->timeout_ms = options->timeout_ms;
    if (!stripe_url_is_right(options->url)) {
        snprintf(problem, STRIPE_PROBLEM_SIZE, "\"%s\" is not https://HOST[:PORT]", options->url);
    } else if (check_key(options->secret_key, problem)) {
        stripe->key = stripe_key_new(options->secret_key);
        stripe->is_live = stripe_key_text_is_live(options->secret_key);
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
    explicit_bzero(&stripe->news_secrets, sizeof stripe->news_secrets);
    stripe_key_free(stripe->key);
    free(stripe);
}

const struct gateway *stripe_gateway(const struct stripe *stripe)
{
    return &stripe->gateway;
}

static bool check_mode(bool is_live, const char *key, char problem[STRIPE_PROBLEM_SIZE])
{
    if (stripe_key_text_is_live(key) == is_live)
        return true;
    snprintf(problem, STRIPE_PROBLEM_SIZE,
             "the key is for %s and the one in use for %s: payment methods of the one do not "
             "exist in the other",
             is_live ? "tests" : "real money", is_live ? "real money" : "tests");
    return false;
}

bool stripe_key_may_follow(const char *before, const char *key, char problem[STRIPE_PROBLEM_SIZE])
{
    return check_mode(stripe_key_text_is_live(before), key, problem);
}

bool stripe_change_key(struct stripe *stripe, const char *key, char problem[STRIPE_PROBLEM_SIZE])
{
    if (!check_key(key, problem) || !check_mode(stripe->is_live, key, problem))
        return false;
    stripe_key_change(stripe->key, key);
    return true;
}

bool stripe_is_live(const struct stripe *stripe)
{
    return stripe->is_live;
}

enum stripe_verdict stripe_probe(const struct stripe *stripe, struct arena *arena,
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
        return STRIPE_KEY_GOOD;
    const char *what = "it answers with an error";
    enum stripe_verdict verdict = STRIPE_NO_VERDICT;
    if (reply.result != HTTP_ANSWERED) {
        what = reply.problem;
    } else if (reply.status == 401 || reply.status == 403) {
        what = reply.status == 401 ? "it does not know the key" : "the key may not read payments";
        verdict = STRIPE_KEY_REFUSED;
    }
    snprintf(problem, STRIPE_PROBLEM_SIZE, "%.120s: %.120s", stripe->url, what);
    return verdict;
}
