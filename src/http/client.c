/*
 * The client's thread: takes exchanges from a bounded queue, lets libcurl work on a bounded number
 * of them at once, and resumes the fibers whose exchanges have ended.
 *
 * An exchange lives on the stack of its fiber, which is parked for as long as the client knows it.
 */

#include "http/client.h"

#include <assert.h>
#include <pthread.h>

#include "base/bug.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/time.h"
#include "http/client_self_test.h"
#include "http/exchange.h"

#define ACTIVE_MAX      1024
#define NAME_LENGTH_MAX 15
#define SLEEP_MS        60000
#define QUEUED_SLEEP_MS 50 /* somebody waits for a place, and perhaps not long enough */

struct http_client {
    char name[NAME_LENGTH_MAX + 1];
    struct log *log;
    pthread_t thread;
    CURLM *multi; /* the thread's, but for curl_multi_wakeup */
    int32_t active_max;
    int32_t active; /* the thread's */

    pthread_mutex_t mutex;
    struct http_exchange *first; /* of those that wait */
    struct http_exchange **last_next;
    int32_t living; /* from admission to the end, so that too many are refused before parking */
    int32_t living_max;
    bool closing;
};

static void must(bool worked, const char *what)
{
    if (!worked)
        bug("http: %s", what);
}

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_system());
}

/* The next that may begin; NULL: none, or no place for it. */
static struct http_exchange *take(struct http_client *client, bool *has_waiting, bool *closing)
{
    pthread_mutex_lock(&client->mutex);
    struct http_exchange *exchange = client->active < client->active_max ? client->first : NULL;
    if (exchange != NULL) {
        client->first = exchange->next;
        if (client->first == NULL)
            client->last_next = &client->first;
        exchange->next = NULL;
    }
    *has_waiting = client->first != NULL;
    *closing = client->closing;
    pthread_mutex_unlock(&client->mutex);
    return exchange;
}

/* Takes those out whose time is over before they had a place. */
static struct http_exchange *take_late(struct http_client *client)
{
    int64_t now = now_us();

    pthread_mutex_lock(&client->mutex);
    struct http_exchange *late = NULL;
    struct http_exchange **link = &client->first;
    while (*link != NULL) {
        struct http_exchange *exchange = *link;
        if (exchange->until_us > now) {
            link = &exchange->next;
            continue;
        }
        *link = exchange->next;
        exchange->next = late;
        late = exchange;
    }
    client->last_next = link;
    pthread_mutex_unlock(&client->mutex);
    return late;
}

static void write_log(const struct http_exchange *exchange)
{
    const struct http_exchange_reply *reply = exchange->reply;
    const struct http_client *client = exchange->client;

    if (exchange->hears)
        log_write(client->log, LOG_DEBUG, "http",
                  LOG_FIELDS(LOG_TEXT("client", client->name),
                             LOG_TEXT("method", exchange->request->method),
                             LOG_TEXT("result", http_result_name(reply->result)),
                             LOG_NUMBER("status", reply->status),
                             LOG_SOME("problem", reply->problem),
                             LOG_NUMBER("request_size", reply->request_size),
                             LOG_TEXT("libcurl", exchange->talk)));
}

/* The exchange is gone when this returns: it was its fiber's. */
static void wake(struct http_exchange *exchange)
{
    struct http_client *client = exchange->client;

    write_log(exchange);
    pthread_mutex_lock(&client->mutex);
    client->living--;
    pthread_mutex_unlock(&client->mutex);
    fiber_resume(exchange->fiber);
}

static void begin(struct http_client *client, struct http_exchange *exchange)
{
    int64_t left_ms = (exchange->until_us - now_us()) / US_PER_MS;

    if (left_ms <= 0) {
        http_exchange_fail(exchange, HTTP_NOT_SENT, "the time was over before its turn came");
    } else if (http_exchange_begin(exchange, left_ms)) {
        must(curl_multi_add_handle(client->multi, exchange->curl) == CURLM_OK, "add an exchange");
        client->active++;
        return;
    }
    wake(exchange);
}

/* Collected first: a fiber that is resumed may come back with its next exchange. */
static struct http_exchange *take_finished(struct http_client *client)
{
    struct http_exchange *finished = NULL;
    struct http_exchange **last_next = &finished;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct http_exchange *exchange = NULL;
        CURLcode code = message->data.result;
        CURL *curl = message->easy_handle;
        if (message->msg != CURLMSG_DONE)
            continue;
        must(curl_easy_getinfo(curl, CURLINFO_PRIVATE, &exchange) == CURLE_OK && exchange != NULL,
             "an exchange that nobody knows");
        curl_multi_remove_handle(client->multi, curl);
        http_exchange_end(exchange, code);
        client->active--;
        *last_next = exchange;
        last_next = &exchange->next;
    }
    return finished;
}

static void wake_all(struct http_exchange *exchange)
{
    while (exchange != NULL) {
        struct http_exchange *next = exchange->next;
        wake(exchange);
        exchange = next;
    }
}

static void fail_late(struct http_client *client)
{
    struct http_exchange *late = take_late(client);

    for (struct http_exchange *exchange = late; exchange != NULL; exchange = exchange->next)
        http_exchange_fail(exchange, HTTP_NOT_SENT, "the time was over before its turn came");
    wake_all(late);
}

static void *run(void *argument)
{
    struct http_client *client = argument;
    bool has_waiting = false;
    bool closing = false;

    while (!closing || client->active > 0) {
        struct http_exchange *exchange;
        int running;
        while ((exchange = take(client, &has_waiting, &closing)) != NULL)
            begin(client, exchange);
        must(curl_multi_perform(client->multi, &running) == CURLM_OK, "libcurl's loop");
        struct http_exchange *finished = take_finished(client);
        wake_all(finished);
        if (has_waiting)
            fail_late(client);
        if (finished == NULL && (!closing || client->active > 0))
            curl_multi_poll(client->multi, NULL, 0, has_waiting ? QUEUED_SLEEP_MS : SLEEP_MS, NULL);
    }
    return NULL;
}

/* libcurl would write each session's secrets to a file that the environment names. */
static void begin_library(void)
{
    unsetenv("SSLKEYLOGFILE");
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl does not start");
}

static struct http_client *start(const struct http_client_options *options)
{
    struct http_client *client = calloc(1, sizeof *client);

    must(client != NULL, "out of memory");
    snprintf(client->name, sizeof client->name, "%s", options->name);
    client->log = options->log;
    client->active_max = options->active_max;
    client->living_max = options->active_max + options->queue_max;
    client->last_next = &client->first;
    client->multi = curl_multi_init();
    must(client->multi != NULL && pthread_mutex_init(&client->mutex, NULL) == 0, "out of memory");
    /* As many kept connections as may be in use. */
    must(curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->active_max) ==
                 CURLM_OK &&
             curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK,
         "libcurl does not take its options");
    must(pthread_create(&client->thread, NULL, run, client) == 0, "no thread");
    pthread_setname_np(client->thread, client->name);
    return client;
}

struct http_client *http_client_open(const struct http_client_options *options,
                                     char problem[HTTP_CLIENT_PROBLEM_SIZE])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    assert(options->active_max > 0 && options->active_max <= ACTIVE_MAX && options->queue_max > 0);
    pthread_once(&once, begin_library);
    return http_client_self_test(problem) ? start(options) : NULL;
}

void http_client_close(struct http_client *client)
{
    if (client == NULL)
        return;
    pthread_mutex_lock(&client->mutex);
    client->closing = true;
    pthread_mutex_unlock(&client->mutex);
    curl_multi_wakeup(client->multi);
    pthread_join(client->thread, NULL);
    must(client->living == 0, "closed while somebody waits");
    curl_multi_cleanup(client->multi);
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

static bool admit(struct http_client *client)
{
    pthread_mutex_lock(&client->mutex);
    bool room = client->living < client->living_max && !client->closing;
    if (room)
        client->living++;
    pthread_mutex_unlock(&client->mutex);
    return room;
}

/* Runs after the fiber's stack was left, so the thread may resume it at once. */
static void enqueue(struct fiber *self, void *argument)
{
    struct http_exchange *exchange = argument;
    struct http_client *client = exchange->client;

    exchange->fiber = self;
    pthread_mutex_lock(&client->mutex);
    *client->last_next = exchange;
    client->last_next = &exchange->next;
    curl_multi_wakeup(client->multi);
    pthread_mutex_unlock(&client->mutex);
}

void http_client_send(struct http_client *client, const struct http_exchange_request *request,
                      struct arena *arena, struct http_exchange_reply *reply)
{
    struct http_exchange exchange = {
        .client = client,
        .request = request,
        .reply = reply,
        .arena = arena,
        .until_us = now_us() + request->time_limit_ms * US_PER_MS,
        .hears = client->log != NULL,
    };

    if (!http_exchange_check(&exchange))
        return;
    if (admit(client))
        fiber_park(enqueue, &exchange);
    else
        http_exchange_fail(&exchange, HTTP_NOT_SENT, "too many exchanges wait");
}
