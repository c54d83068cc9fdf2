/*
 * The three pages, and the life of what answers them.
 */

#include "telemetry/telemetry.h"

#include "base/bug.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "http/listener.h"
#include "telemetry/facts.h"
#include "telemetry/process.h"

/* A scraper or two, somebody with curl, and a monitor of /healthz. */
#define CONNECTIONS_MAX 16
#define TIME_LIMIT_MS   3000
#define HEAD_SIZE_MAX   8192

struct telemetry {
    struct telemetry_options options;
    int64_t start_time_us; /* wall time of the machine */
    struct http_listener *listener;
    struct facts *facts;
};

static const struct measure build_info = {"dues_build_info", "Always 1; the version is a label.",
                                          MEASURE_GAUGE, MEASURE_PLAIN};

static void show_metrics(const struct telemetry *telemetry, struct arena *arena,
                         struct http_reply *reply)
{
    struct measures *out = measures_new();

    measure_number(out, &build_info, MEASURE_LABELS({"version", DUES_VERSION}), 1);
    process_measure(telemetry->start_time_us, out);
    telemetry->options.measure(telemetry->options.owner, out);
    facts_measure(telemetry->facts, out);
    const char *text = measures_text(out, &reply->size);
    reply->body = arena_copy(arena, text, reply->size);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply->status = 200;
    measures_free(out);
}

static void show_calls(const struct telemetry *telemetry, struct arena *arena,
                       struct http_reply *reply)
{
    reply->body = telemetry->options.describe_calls(telemetry->options.owner, arena);
    reply->size = strlen(reply->body);
    reply->content_type = "application/json";
    reply->status = 200;
}

static void show_health(const struct telemetry *telemetry, struct http_reply *reply)
{
    bool is_serving = telemetry->options.is_serving(telemetry->options.owner);

    reply->body = is_serving ? "serving\n" : "not serving\n";
    reply->size = strlen(reply->body);
    reply->content_type = "text/plain; charset=utf-8";
    reply->status = is_serving ? 200 : 503;
}

static void handle(void *owner, const struct http_request *request, struct http_reply *reply)
{
    const struct telemetry *telemetry = owner;

    if (text_equal(request->path, "/metrics"))
        show_metrics(telemetry, request->arena, reply);
    else if (text_equal(request->path, "/calls"))
        show_calls(telemetry, request->arena, reply);
    else if (text_equal(request->path, "/healthz"))
        show_health(telemetry, reply);
}

bool telemetry_open(const struct telemetry_options *options, struct telemetry **opened,
                    char problem[TELEMETRY_PROBLEM_SIZE])
{
    struct telemetry *telemetry = calloc(1, sizeof(*telemetry));
    const char *listen = options->house->settings->metrics_listen;
    const struct http_listener_options listener = {
        .listen = listen,
        .handle = handle,
        .owner = telemetry,
        .connections_max = CONNECTIONS_MAX,
        .time_limit_ms = TIME_LIMIT_MS,
        .head_size_max = HEAD_SIZE_MAX,
    };
    char why[HTTP_PROBLEM_SIZE];

    if (telemetry == NULL)
        bug("no memory for telemetry");
    *opened = NULL;
    if (text_equal(listen, "off")) {
        free(telemetry);
        return true;
    }
    telemetry->options = *options;
    telemetry->start_time_us = clock_wall_us(clock_system());
    telemetry->listener = http_listener_open(&listener, why);
    if (telemetry->listener == NULL) {
        snprintf(problem, TELEMETRY_PROBLEM_SIZE, "metrics_listen: %s", why);
        free(telemetry);
        return false;
    }
    telemetry->facts = facts_open(options);
    *opened = telemetry;
    return true;
}

bool telemetry_start(struct telemetry *telemetry)
{
    if (telemetry == NULL)
        return true;
    facts_start(telemetry->facts);
    return http_listener_start(telemetry->listener);
}

int telemetry_port(const struct telemetry *telemetry)
{
    return telemetry == NULL ? 0 : http_listener_port(telemetry->listener);
}

void telemetry_rest(struct telemetry *telemetry)
{
    if (telemetry != NULL)
        facts_stop(telemetry->facts);
}

void telemetry_close(struct telemetry *telemetry)
{
    if (telemetry == NULL)
        return;
    http_listener_close(telemetry->listener);
    facts_close(telemetry->facts);
    free(telemetry);
}
