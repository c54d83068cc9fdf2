/*
 * Places and pauses are kept in the process, by endpoint: losing them costs nothing but a few
 * attempts more.
 */

#include "webhook/courier.h"

#include <pthread.h>

#include "base/bug.h"
#include "base/measure.h"
#include "base/random.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "http/client.h"
#include "webhook/schedule.h"
#include "webhook/url.h"

/* Endpoints known at the same time: more than there may be, for those that were just deleted. */
#define STOPS_MAX (2 * WEBHOOK_ENDPOINTS_MAX)

#define CONNECT_TIMEOUT_MS 5000
#define REPLY_SIZE_MAX     4096
#define ANSWER_LENGTH_MAX  256
#define PROBLEM_LENGTH_MAX 200

/* Waiting for a place, at least and at most. */
#define WAIT_LEAST_US (200 * US_PER_MS)
#define WAIT_MOST_US  (60 * US_PER_SECOND)

/* After 429, 502, 503 and 504, unless the endpoint says how long. */
#define PAUSE_US (5 * US_PER_SECOND)

/* An endpoint as this process knows it. */
struct stop {
    struct uuid endpoint;
    int32_t active;
    int64_t pause_until_us; /* monotonic, as the next */
    int64_t next_turn_us;   /* of those who were told to wait */
    int64_t latency_us;     /* moving average */
};

struct courier {
    const struct house *house;
    struct http_client *client;
    int32_t places;
    int32_t places_of_one;

    pthread_mutex_t mutex; /* guards the next two */
    int32_t active;
    struct stop stops[STOPS_MAX];

    struct histogram durations[COURIER_OUTCOMES];
    atomic_uint_least64_t given_up;
};

static const char *const outcome_labels[COURIER_OUTCOMES] = {
    [COURIER_DELIVERED] = "delivered",     [COURIER_REDIRECTED] = "redirected",
    [COURIER_REFUSED] = "refused",         [COURIER_GONE] = "gone",
    [COURIER_THROTTLED] = "throttled",     [COURIER_FAILED] = "failed",
    [COURIER_UNREACHABLE] = "unreachable", [COURIER_UNANSWERED] = "unanswered",
    [COURIER_FORBIDDEN] = "forbidden",
};

struct courier *courier_open(const struct house *house, char problem[COURIER_PROBLEM_SIZE])
{
    const struct settings *settings = house->settings;
    int32_t half = settings->jobs_max / 2 > 0 ? settings->jobs_max / 2 : 1;
    int32_t places = settings->webhooks_max < half ? settings->webhooks_max : half;
    struct courier *courier = calloc(1, sizeof(*courier));

    if (courier == NULL)
        bug("no memory for webhooks");
    courier->house = house;
    courier->places = places;
    courier->places_of_one = places / 2 > 0 ? places / 2 : 1;
    courier->client = http_client_open(
        &(struct http_client_options){
            .name = "webhooks", .active_max = places, .queue_max = places, .log = house->log},
        problem);
    if (courier->client == NULL) {
        free(courier);
        return NULL;
    }
    pthread_mutex_init(&courier->mutex, NULL);
    return courier;
}

void courier_close(struct courier *courier)
{
    if (courier == NULL)
        return;
    http_client_close(courier->client);
    pthread_mutex_destroy(&courier->mutex);
    free(courier);
}

/* With the mutex held.  One that nobody is under way to makes room for a new one. */
static struct stop *stop_of(struct courier *courier, struct uuid endpoint)
{
    struct stop *idle = &courier->stops[0];

    for (size_t i = 0; i < STOPS_MAX; i++) {
        struct stop *stop = &courier->stops[i];
        if (uuid_equal(stop->endpoint, endpoint))
            return stop;
        if (stop->active == 0 && (idle->active > 0 || stop->next_turn_us < idle->next_turn_us))
            idle = stop;
    }
    if (idle->active == 0)
        *idle = (struct stop){.endpoint = endpoint};
    return idle;
}

int64_t courier_wait_us(struct courier *courier, struct uuid endpoint)
{
    int64_t now_us = clock_monotonic_us(courier->house->clock);
    int64_t wait_us = 0;

    pthread_mutex_lock(&courier->mutex);
    struct stop *stop = stop_of(courier, endpoint);
    if (now_us < stop->pause_until_us) {
        wait_us = stop->pause_until_us - now_us;
    } else if (stop->active >= courier->places_of_one || courier->active >= courier->places) {
        /* Each that waits comes when the ones before it will have been served. */
        int64_t least_us = now_us + WAIT_LEAST_US;
        if (stop->next_turn_us < least_us)
            stop->next_turn_us = least_us;
        wait_us = stop->next_turn_us - now_us;
        stop->next_turn_us += stop->latency_us / courier->places_of_one;
    } else {
        stop->active++;
        courier->active++;
    }
    pthread_mutex_unlock(&courier->mutex);
    if (wait_us == 0)
        return 0;
    wait_us += (int64_t)random_below(courier->house->random, (uint64_t)WAIT_LEAST_US);
    return wait_us < WAIT_MOST_US ? wait_us : WAIT_MOST_US;
}

static bool asks_to_slow_down(int32_t status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* With the mutex held. */
static struct stop *give_back(struct courier *courier, struct uuid endpoint)
{
    struct stop *stop = stop_of(courier, endpoint);

    stop->active--;
    courier->active--;
    return stop;
}

void courier_leave(struct courier *courier, struct uuid endpoint)
{
    pthread_mutex_lock(&courier->mutex);
    give_back(courier, endpoint);
    pthread_mutex_unlock(&courier->mutex);
}

static void arrive(struct courier *courier, struct uuid endpoint,
                   const struct courier_receipt *receipt)
{
    int64_t pause_us = receipt->retry_after_us > 0 ? receipt->retry_after_us : PAUSE_US;
    int64_t until_us = clock_monotonic_us(courier->house->clock) + pause_us;

    pthread_mutex_lock(&courier->mutex);
    struct stop *stop = give_back(courier, endpoint);
    stop->latency_us += (receipt->latency_us - stop->latency_us) / 8;
    if (asks_to_slow_down(receipt->status) && until_us > stop->pause_until_us)
        stop->pause_until_us = until_us;
    pthread_mutex_unlock(&courier->mutex);
    histogram_add(&courier->durations[receipt->outcome], receipt->latency_us);
}

/* Whatever others sent: short, printable, and no card number. */
static const char *shown(struct arena *arena, const char *text, size_t size, size_t length_max)
{
    char *copy = arena_strndup(arena, text, size < length_max ? size : length_max);

    for (char *at = copy; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
    return text_has_card_number(copy) ? "(hidden: it looks like a card number)" : copy;
}

static enum courier_outcome outcome_of_status(int32_t status)
{
    if (status >= 200 && status <= 299)
        return COURIER_DELIVERED;
    if (status == 410)
        return COURIER_GONE;
    if (status == 429)
        return COURIER_THROTTLED;
    if (status >= 300 && status <= 399)
        return COURIER_REDIRECTED;
    return status >= 400 && status <= 499 ? COURIER_REFUSED : COURIER_FAILED;
}

static void read_answer(struct call *call, const struct http_exchange_reply *reply,
                        struct courier_receipt *receipt)
{
    receipt->outcome = outcome_of_status(reply->status);
    receipt->status = reply->status;
    if (receipt->outcome == COURIER_DELIVERED)
        return;
    receipt->problem =
        arena_printf(call->arena, "answered %d%s", (int)reply->status,
                     receipt->outcome == COURIER_REDIRECTED ? "; redirects are not followed" : "");
    receipt->answer =
        shown(call->arena, reply->body, strnlen(reply->body, reply->body_size), ANSWER_LENGTH_MAX);
    receipt->retry_after_us = webhook_retry_after_us(http_reply_header(reply, "retry-after"),
                                                     clock_wall_us(call->house->clock));
}

static void read_reply(struct call *call, const struct http_exchange_reply *reply,
                       struct courier_receipt *receipt)
{
    const char *what = "";

    switch (reply->result) {
    case HTTP_ANSWERED:
        read_answer(call, reply, receipt);
        return;
    case HTTP_NOT_SENT:
        receipt->outcome = COURIER_UNREACHABLE;
        what = "not reached";
        break;
    case HTTP_UNKNOWN:
        receipt->outcome = COURIER_UNANSWERED;
        what = "no answer";
        break;
    case HTTP_FORBIDDEN:
        receipt->outcome = COURIER_FORBIDDEN;
        what = "not allowed";
        break;
    }
    const char *problem = arena_printf(call->arena, "%s: %s", what, reply->problem);
    receipt->problem = shown(call->arena, problem, strlen(problem), PROBLEM_LENGTH_MAX);
}

void courier_carry(struct courier *courier, struct call *call, const struct courier_letter *letter,
                   struct courier_receipt *receipt)
{
    const struct settings *settings = courier->house->settings;
    bool is_local = settings->sandbox && webhook_url_is_loopback(letter->endpoint->url);
    const struct http_exchange_request request = {
        .method = "POST",
        .url = letter->endpoint->url,
        .headers = letter->headers,
        .header_count = letter->header_count,
        .body = letter->body,
        .body_size = strlen(letter->body),
        .ca_file = settings->webhook_ca_file,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .time_limit_ms = letter->time_limit_ms,
        .reply_size_max = REPLY_SIZE_MAX,
        .is_idempotent_send = true, /* the webhook-id tells */
        .public_only = !is_local,
        .loopback_only = is_local,
        .status_only = true,
    };
    struct http_exchange_reply reply;
    int64_t begin_us = clock_monotonic_us(call->house->clock);

    *receipt = (struct courier_receipt){.problem = "", .answer = ""};
    http_client_send(courier->client, &request, call->arena, &reply);
    receipt->latency_us = clock_monotonic_us(call->house->clock) - begin_us;
    read_reply(call, &reply, receipt);
    arrive(courier, letter->endpoint->id, receipt);
}

void courier_count_given_up(struct courier *courier)
{
    atomic_fetch_add_explicit(&courier->given_up, 1, memory_order_relaxed);
}

void courier_measure(struct courier *courier, struct measures *out)
{
    static const struct measure durations = {
        "dues_webhook_attempt_duration_seconds",
        "How long attempts at webhook deliveries took, by what became of them.", MEASURE_HISTOGRAM,
        MEASURE_SECONDS};
    static const struct measure given_up = {
        "dues_webhook_deliveries_given_up_total",
        "Webhook deliveries that this server gave up after their last attempt.", MEASURE_COUNTER,
        MEASURE_PLAIN};

    for (size_t i = 0; i < COURIER_OUTCOMES; i++) {
        if (i == COURIER_DELIVERED || !histogram_is_empty(&courier->durations[i]))
            measure_histogram(out, &durations, MEASURE_LABELS({"outcome", outcome_labels[i]}),
                              &courier->durations[i]);
    }
    measure_number(out, &given_up, MEASURE_NO_LABELS,
                   (int64_t)atomic_load_explicit(&courier->given_up, memory_order_relaxed));
}
