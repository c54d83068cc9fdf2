/*
 * The tables of `dues top`: the server in one line, methods by calls a second, lanes, obligations,
 * and the calls that live longest.
 */
#include "cli/top.h"

#include <jansson.h>

#include "base/histogram.h"
#include "base/text.h"
#include "base/time.h"

#define METHODS_MAX 256
#define DURATION    "rpc_server_call_duration_seconds"

struct method {
    const char *service;
    const char *name;
    int64_t calls;
    int64_t errors;
    int64_t below[HISTOGRAM_BOUNDS + 1]; /* cumulative, as on the page; the last is +Inf */
};

struct methods {
    struct arena *arena;
    struct method list[METHODS_MAX];
    size_t count;
};

static struct method *find_method(struct methods *methods, const struct metrics_sample *sample)
{
    const char *service = metrics_label(methods->arena, sample, "rpc_service");
    const char *name = metrics_label(methods->arena, sample, "rpc_method");

    for (size_t i = 0; i < methods->count; i++) {
        if (text_equal(methods->list[i].name, name) &&
            text_equal(methods->list[i].service, service))
            return &methods->list[i];
    }
    if (methods->count == METHODS_MAX)
        return NULL;
    methods->list[methods->count] = (struct method){.service = service, .name = name};
    return &methods->list[methods->count++];
}

/* Which count a bucket is: its bound in the list of all, or the last one for +Inf. */
static size_t bound_of(struct arena *arena, const struct metrics_sample *sample)
{
    const char *text = metrics_label(arena, sample, "le");
    int64_t bound_us;

    for (size_t i = 0; metrics_millionths(text, strlen(text), &bound_us) && i < HISTOGRAM_BOUNDS;
         i++) {
        if (bound_us == histogram_bounds_us[i])
            return i;
    }
    return HISTOGRAM_BOUNDS;
}

/* Adds one look's counts, or takes them away. */
static void add_look(struct methods *methods, const struct metrics_page *page, int64_t sign)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct metrics_sample *sample = &page->samples[i];
        if (!text_starts_with(sample->name, DURATION "_"))
            continue;
        struct method *method = find_method(methods, sample);
        int64_t value = sign * (sample->millionths / METRICS_MILLION);
        if (method == NULL)
            return;
        if (text_equal(sample->name, DURATION "_bucket")) {
            method->below[bound_of(methods->arena, sample)] += value;
        } else if (text_equal(sample->name, DURATION "_count")) {
            method->calls += value;
            if (!text_equal(metrics_label(methods->arena, sample, "rpc_grpc_status_code"), "0"))
                method->errors += value;
        }
    }
}

/* "<= 2.5": the bound below which `share` per cent of the calls are. */
static const char *quantile(struct arena *arena, const struct method *method, int64_t share)
{
    int64_t all = method->below[HISTOGRAM_BOUNDS];

    for (size_t i = 0; i < HISTOGRAM_BOUNDS && all > 0; i++) {
        if (method->below[i] * 100 >= all * share)
            return arena_printf(arena, "%lld.%lld", histogram_bounds_us[i] / US_PER_MS,
                                histogram_bounds_us[i] % US_PER_MS / 100);
    }
    return all > 0 ? "> 10 s" : "-";
}

static int by_calls(const void *a, const void *b)
{
    const struct method *first = a;
    const struct method *second = b;

    return (first->calls < second->calls) - (first->calls > second->calls);
}

static void show_methods(FILE *out, struct arena *arena, const struct top_look *before,
                         const struct top_look *now, size_t rows_max)
{
    struct methods *methods = arena_alloc(arena, sizeof(*methods));
    int64_t elapsed_us = now->time_us - before->time_us;

    *methods = (struct methods){.arena = arena};
    add_look(methods, &now->page, 1);
    add_look(methods, &before->page, -1);
    qsort(methods->list, methods->count, sizeof(methods->list[0]), by_calls);
    fprintf(out, "%-52s %9s %9s %9s %9s\n", "METHOD", "calls/s", "errors/s", "p50 ms", "p99 ms");
    for (size_t i = 0; i < methods->count && i < rows_max && methods->list[i].calls > 0; i++) {
        const struct method *method = &methods->list[i];
        const char *name = arena_printf(arena, "%s/%s", method->service, method->name);
        fprintf(out, "%-52.52s %9lld %9lld %9s %9s\n", name,
                method->calls * US_PER_SECOND / elapsed_us,
                method->errors * US_PER_SECOND / elapsed_us, quantile(arena, method, 50),
                quantile(arena, method, 99));
    }
}

static long long whole(const struct metrics_page *page, const char *name)
{
    return metrics_value(page, name, "");
}

static void show_server(FILE *out, struct arena *arena, const struct metrics_page *page)
{
    const struct metrics_sample *build = metrics_find(page, "dues_build_info", "");

    fprintf(
        out,
        "dues %s   RSS %lld MiB   files %lld   connections %lld   fibers %lld   database %s\n\n",
        build == NULL ? "?" : metrics_label(arena, build, "version"),
        whole(page, "process_resident_memory_bytes") / (1024 * 1024),
        whole(page, "process_open_fds"), whole(page, "dues_edge_connections"),
        whole(page, "dues_fibers"),
        metrics_value(page, "dues_database_up", "") == 1 ? "up" : "AWAY");
}

/* All samples of one family that count something, a row each. */
static void show_family(FILE *out, struct arena *arena, const struct metrics_page *page,
                        const char *title, const char *name, const char *label)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct metrics_sample *sample = &page->samples[i];
        if (text_equal(sample->name, name) && sample->millionths > 0)
            fprintf(out, "%-28s %-30s %9lld\n", title, metrics_label(arena, sample, label),
                    (long long)(sample->millionths / METRICS_MILLION));
    }
}

static void show_obligations(FILE *out, struct arena *arena, const struct metrics_page *page)
{
    fprintf(out, "\n%-28s %-30s %9s\n", "WAITING", "", "now");
    show_family(out, arena, page, "queues of lanes", "dues_lane_queue_length", "kind");
    show_family(out, arena, page, "obligations overdue", "dues_obligations_overdue", "kind");
    show_family(out, arena, page, "  the oldest, seconds", "dues_obligations_overdue_age_seconds",
                "kind");
    show_family(out, arena, page, "payments UNKNOWN", "dues_attempts_unknown", "");
    show_family(out, arena, page, "  the oldest, seconds", "dues_attempts_unknown_age_seconds", "");
    show_family(out, arena, page, "ledger groups unbalanced", "dues_ledger_unbalanced_groups",
                "check");
}

static void release_json(json_t **json)
{
    json_decref(*json);
}

/* The youngest come first in the answer; the oldest are of interest. */
static void show_calls(FILE *out, const char *text, size_t rows_max)
{
    AUTO(release_json) json_t *page = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *calls = json_object_get(page, "calls");
    size_t count = json_array_size(calls);

    fprintf(out, "\n%-52s %-13s %9s  %s\n", "LIVE CALLS, the oldest first", "state", "age ms",
            "caller");
    for (size_t shown = 0; shown < count && shown < rows_max; shown++) {
        const json_t *call = json_array_get(calls, count - 1 - shown);
        const char *method = json_string_value(json_object_get(call, "method"));
        const char *state = json_string_value(json_object_get(call, "state"));
        const char *caller = json_string_value(json_object_get(call, "caller"));
        fprintf(out, "%-52.52s %-13s %9lld  %s\n", method == NULL ? "" : method,
                state == NULL ? "" : state,
                json_integer_value(json_object_get(call, "age_us")) / US_PER_MS,
                caller == NULL ? "" : caller);
    }
}

void top_show(FILE *out, struct arena *arena, const struct top_look *before,
              const struct top_look *now, size_t rows_max)
{
    show_server(out, arena, &now->page);
    show_methods(out, arena, before, now, rows_max);
    show_obligations(out, arena, &now->page);
    show_calls(out, now->calls, rows_max);
}
