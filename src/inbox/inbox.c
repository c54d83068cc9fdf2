/*
 * Opening and closing, and what is told of it.
 */

#include "inbox/inbox.h"

#include "base/bug.h"
#include "base/measure.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "inbox/internal.h"

#define TIME_LIMIT_MS 10000
#define IDLE_LIMIT_MS 30000
#define HEAD_SIZE_MAX ((size_t)16 * 1024)
/* Far above what a gateway sends: Stripe's largest are some ten kilobytes. */
#define BODY_SIZE_MAX ((size_t)256 * 1024)

static const char *file_of(const char *file, const char *fallback)
{
    return file[0] == '\0' ? fallback : file;
}

/* One source alone does not keep the others out. */
static int32_t share_of_source(int32_t connections)
{
    return connections - connections / 4;
}

bool inbox_open(const struct house *house, struct inbox **opened, char problem[INBOX_PROBLEM_SIZE])
{
    const struct settings *settings = house->settings;
    char reason[HTTP_PROBLEM_SIZE];
    pthread_condattr_t attributes;

    *opened = NULL;
    if (text_equal(settings->gateway_news_listen, "off"))
        return true;
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL)
        bug("no memory for the inbox");
    inbox->house = house;
    inbox->certificate_file =
        file_of(settings->gateway_news_certificate, settings->tls_certificate);
    inbox->key_file = file_of(settings->gateway_news_key, settings->tls_key);
    inbox->rate = bucket_rate_make(settings->gateway_news_rate, 2 * settings->gateway_news_rate);
    pthread_mutex_init(&inbox->lock, NULL);
    pthread_mutex_init(&inbox->files_lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox->stop_wanted, &attributes);
    pthread_condattr_destroy(&attributes);
    inbox->service = http_service_open(
        &(struct http_service_options){
            .listen = settings->gateway_news_listen,
            .certificate_file = inbox->certificate_file,
            .key_file = inbox->key_file,
            .handle = inbox_answer,
            .owner = inbox,
            .connections_max = settings->gateway_news_connections,
            .connections_per_source_max = share_of_source(settings->gateway_news_connections),
            .connections_per_second = settings->gateway_news_rate,
            .time_limit_ms = TIME_LIMIT_MS,
            .idle_limit_ms = IDLE_LIMIT_MS,
            .head_size_max = HEAD_SIZE_MAX,
            .body_size_max = BODY_SIZE_MAX,
        },
        reason);
    *opened = inbox;
    if (inbox->service != NULL)
        return true;
    snprintf(problem, INBOX_PROBLEM_SIZE, "gateway_news_listen: %s", reason);
    return false;
}

bool inbox_start(struct inbox *inbox, char problem[INBOX_PROBLEM_SIZE])
{
    char reason[HTTP_PROBLEM_SIZE];

    if (inbox == NULL)
        return true;
    if (http_service_start(inbox->service, reason)) {
        if (inbox_watch_certificate(inbox))
            return true;
        snprintf(reason, sizeof reason, "no thread can be had");
    }
    snprintf(problem, INBOX_PROBLEM_SIZE, "gateway_news_listen: %s", reason);
    return false;
}

int inbox_port(const struct inbox *inbox)
{
    return inbox == NULL ? 0 : http_service_port(inbox->service);
}

void inbox_close(struct inbox *inbox)
{
    if (inbox == NULL)
        return;
    inbox_forget_certificate(inbox);
    http_service_close(inbox->service);
    pthread_cond_destroy(&inbox->stop_wanted);
    pthread_mutex_destroy(&inbox->files_lock);
    pthread_mutex_destroy(&inbox->lock);
    free(inbox);
}

/* ---- What it tells ---- */

static const char *const state_labels[NEWS_STATE_COUNT] = {
    [NEWS_OWED] = "owed",           [NEWS_APPLIED] = "known",
    [NEWS_UNMATCHED] = "unmatched", [NEWS_QUARANTINED] = "quarantined",
    [NEWS_IGNORED] = "ignored",     [NEWS_DUPLICATE] = "duplicate",
};
static const char *const kind_labels[GATEWAY_NEWS_KIND_COUNT] = {
    [GATEWAY_NEWS_PAYMENT] = "payment", [GATEWAY_NEWS_REFUND] = "refund",
    [GATEWAY_NEWS_DISPUTE] = "dispute", [GATEWAY_NEWS_PAYMENT_METHOD] = "payment_method",
    [GATEWAY_NEWS_OTHER] = "other",
};
static const char *const refusal_labels[INBOX_REFUSAL_COUNT] = {
    [GATEWAY_LETTER_UNSIGNED] = "unsigned",
    [GATEWAY_LETTER_FORGED] = "forged",
    [GATEWAY_LETTER_STALE] = "stale",
    [GATEWAY_LETTER_UNREADABLE] = "unreadable",
    [INBOX_PATH] = "path",
    [INBOX_METHOD] = "method",
    [INBOX_RATE] = "rate",
    [INBOX_DATABASE] = "database",
};

static int64_t value_of(const atomic_uint_least64_t *count)
{
    return (int64_t)atomic_load_explicit(count, memory_order_relaxed);
}

/* A combination of kind and outcome appears with its first letter, but for the plain ones. */
static void measure_taken(const struct inbox *inbox, struct measures *out)
{
    static const struct measure taken = {
        "dues_news_total", "Genuine news of gateways that were stored, and those stored before.",
        MEASURE_COUNTER, MEASURE_PLAIN};
    const struct gateways *gateways = inbox->house->gateways;

    for (int32_t i = 0; i < gateways->count; i++) {
        for (int kind = 0; kind < GATEWAY_NEWS_KIND_COUNT; kind++) {
            for (int state = 0; state < NEWS_STATE_COUNT; state++) {
                int64_t count = value_of(&inbox->counts[i].taken[kind][state]);
                if (gateways->list[i]->read_news == NULL ||
                    (count == 0 && state != NEWS_OWED && state != NEWS_DUPLICATE))
                    continue;
                measure_number(out, &taken,
                               MEASURE_LABELS({"gateway", gateways->list[i]->name},
                                              {"kind", kind_labels[kind]},
                                              {"outcome", state_labels[state]}),
                               count);
            }
        }
    }
}

static void measure_refused(const struct inbox *inbox, struct measures *out)
{
    static const struct measure refused = {"dues_news_refused_total",
                                           "Letters that were not taken, by why.", MEASURE_COUNTER,
                                           MEASURE_PLAIN};
    const struct gateways *gateways = inbox->house->gateways;

    for (int32_t i = 0; i <= gateways->count; i++) {
        bool is_known = i < gateways->count;
        const struct inbox_counts *counts = is_known ? &inbox->counts[i] : &inbox->unknown;
        if (is_known && gateways->list[i]->read_news == NULL)
            continue;
        for (int reason = GATEWAY_LETTER_UNSIGNED; reason < INBOX_REFUSAL_COUNT; reason++) {
            if ((reason == INBOX_PATH) == is_known)
                continue;
            measure_number(out, &refused,
                           MEASURE_LABELS({"gateway", is_known ? gateways->list[i]->name : "none"},
                                          {"reason", refusal_labels[reason]}),
                           value_of(&counts->refused[reason]));
        }
    }
}

static void measure_durations(const struct inbox *inbox, struct measures *out)
{
    static const struct measure duration = {
        "dues_news_duration_seconds",
        "From a letter's last byte until it was stored and could be answered.", MEASURE_HISTOGRAM,
        MEASURE_SECONDS};
    const struct gateways *gateways = inbox->house->gateways;

    for (int32_t i = 0; i < gateways->count; i++) {
        if (gateways->list[i]->read_news != NULL)
            measure_histogram(out, &duration, MEASURE_LABELS({"gateway", gateways->list[i]->name}),
                              &inbox->counts[i].durations);
    }
}

static void measure_service(struct inbox *inbox, struct measures *out)
{
    static const struct measure connections = {"dues_news_connections",
                                               "Connections open at gateway_news_listen.",
                                               MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure closed = {
        "dues_news_connections_closed_total",
        "Connections closed because they came too fast, were too many or too slow, and bodies too "
        "large.",
        MEASURE_COUNTER, MEASURE_PLAIN};
    static const struct measure not_after = {"dues_news_certificate_not_after_seconds",
                                             "When the certificate served there ends, unix time.",
                                             MEASURE_GAUGE, MEASURE_SECONDS};
    const struct http_service_counts counts = http_service_count(inbox->service);

    measure_number(out, &connections, MEASURE_NO_LABELS, counts.connections);
    measure_number(out, &closed, MEASURE_LABELS({"cause", "rate"}), counts.shed);
    measure_number(out, &closed, MEASURE_LABELS({"cause", "crowd"}), counts.crowded);
    measure_number(out, &closed, MEASURE_LABELS({"cause", "slow"}), counts.cut);
    measure_number(out, &closed, MEASURE_LABELS({"cause", "large"}), counts.too_large);
    measure_number(out, &not_after, MEASURE_NO_LABELS,
                   http_service_certificate_end_us(inbox->service));
}

void inbox_measure(struct inbox *inbox, struct measures *out)
{
    if (inbox == NULL)
        return;
    measure_taken(inbox, out);
    measure_refused(inbox, out);
    measure_durations(inbox, out);
    measure_service(inbox, out);
}
