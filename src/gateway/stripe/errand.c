/*
 * Requests as Stripe takes them.  The key stands in one header, made in the call's arena, which is
 * wiped; it is in no log and no evidence.
 */

#include "gateway/stripe/errand.h"

#include "base/text.h"
#include "base/time.h"

#define ANSWER_MARGIN_US   US_PER_SECOND
#define CONNECT_TIMEOUT_MS 5000
#define REPLY_SIZE_MAX     ((size_t)1024 * 1024)
#define HEADERS_MAX        5

struct errand errand_begin(const struct stripe *stripe, struct call *call)
{
    const struct clock *clock = call->house->clock;
    int64_t limit_us = stripe->timeout_ms * US_PER_MS;
    int64_t left_us = call_time_left_us(call) - ANSWER_MARGIN_US;

    return (struct errand){
        .stripe = stripe,
        .arena = call->arena,
        .clock = clock,
        .until_us =
            clock_monotonic_us(clock) + (left_us > 0 && left_us < limit_us ? left_us : limit_us),
    };
}

struct question {
    const char *method;
    const char *url;
    const struct stripe_form *body; /* NULL: none */
    const char *key;                /* NULL: none */
};

static void ask(const struct errand *errand, const struct question *question,
                struct http_exchange_reply *reply)
{
    const struct stripe *stripe = errand->stripe;
    int64_t left_ms = (errand->until_us - clock_monotonic_us(errand->clock)) / US_PER_MS;
    const char *headers[HEADERS_MAX];
    char secret[STRIPE_SECRET_MAX + 1];
    size_t count = 0;

    stripe_key_copy(stripe->key, secret);
    headers[count++] = arena_printf(errand->arena, "Authorization: Bearer %s", secret);
    explicit_bzero(secret, sizeof(secret));
    headers[count++] = "Stripe-Version: " STRIPE_VERSION;
    headers[count++] = "User-Agent: dues";
    if (question->body != NULL)
        headers[count++] = "Content-Type: application/x-www-form-urlencoded";
    if (question->key != NULL)
        headers[count++] = arena_printf(errand->arena, "Idempotency-Key: %s", question->key);
    const struct http_exchange_request request = {
        .method = question->method,
        .url = question->url,
        .headers = headers,
        .header_count = count,
        .body = question->body != NULL ? question->body->text : NULL,
        .body_size = question->body != NULL ? question->body->size : 0,
        .ca_file = stripe->ca_file,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .time_limit_ms = left_ms > 0 ? left_ms : 0,
        .reply_size_max = REPLY_SIZE_MAX,
        /* Stripe knows a repeated POST by its key. */
        .is_idempotent_send = true,
    };
    http_client_send(stripe->client, &request, errand->arena, reply);
}

void errand_post(const struct errand *errand, const char *path, const struct stripe_form *form,
                 const char *key, struct http_exchange_reply *reply)
{
    const struct question question = {
        .method = "POST",
        .url = arena_printf(errand->arena, "%s%s", errand->stripe->url, path),
        .body = form,
        .key = key,
    };

    ask(errand, &question, reply);
}

void errand_get(const struct errand *errand, const char *path, const struct stripe_form *form,
                struct http_exchange_reply *reply)
{
    const struct question question = {
        .method = "GET",
        .url = arena_printf(errand->arena, "%s%s%s%s", errand->stripe->url, path,
                            form->size > 0 ? "?" : "", form->size > 0 ? form->text : ""),
    };

    ask(errand, &question, reply);
}
