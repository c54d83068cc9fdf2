/*
 * What a test tells the simulator: faults, webhooks, time.
 *
 *   GET    /_simulator/health             without a key
 *   POST   /_simulator/faults             {"fault", "value", "method", "path", "body", "skip",
 * "count"} GET    /_simulator/faults             what is ordered DELETE /_simulator/faults no
 * orders, no dice POST   /_simulator/random             {"percent", "seed", "faults"} POST
 * /_simulator/webhook            {"url", "secret"} POST   /_simulator/clock {"advance_s"}: forward
 * only; what is due then is done
 */

#include <stdio.h>

#include "base/text.h"
#include "crypto/secrets.h"
#include "simulator/internal.h"

struct control {
    struct simulator *simulator;
    const struct http_service_request *request;
    json_t *wish; /* of a POST */
    json_t *answer;
    char problem[128];
};

static bool add_fault(struct control *control)
{
    return faults_order(&control->simulator->faults, control->wish, control->problem);
}

static bool show_faults(struct control *control)
{
    control->answer = faults_to_json(&control->simulator->faults);
    return true;
}

static bool drop_faults(struct control *control)
{
    control->simulator->faults = (struct faults){0};
    return true;
}

static bool set_random(struct control *control)
{
    return faults_set_random(&control->simulator->faults, control->wish, control->problem);
}

static bool set_webhook(struct control *control)
{
    const char *url = json_string_value(json_object_get(control->wish, "url"));
    const char *secret = json_string_value(json_object_get(control->wish, "secret"));

    if (url == NULL || secret == NULL || strlen(url) >= WEBHOOK_TEXT_SIZE ||
        strlen(secret) >= WEBHOOK_TEXT_SIZE) {
        snprintf(control->problem, sizeof control->problem, "\"url\" and \"secret\" are texts");
        return false;
    }
    snprintf(control->simulator->webhook_url, WEBHOOK_TEXT_SIZE, "%s", url);
    snprintf(control->simulator->webhook_secret, WEBHOOK_TEXT_SIZE, "%s", secret);
    return true;
}

/* As in the dashboard: a second key, and one day the first one's end. */
static bool roll_key(struct control *control)
{
    struct simulator *simulator = control->simulator;
    const char *to = json_string_value(json_object_get(control->wish, "to"));
    bool ends_first = json_is_true(json_object_get(control->wish, "end_first"));

    if ((to == NULL && !ends_first) || (to != NULL && strlen(to) >= WEBHOOK_TEXT_SIZE)) {
        snprintf(control->problem, sizeof control->problem,
                 "\"to\" is a key, \"end_first\" is true");
        return false;
    }
    if (to != NULL)
        snprintf(simulator->rolled_key, WEBHOOK_TEXT_SIZE, "%s", to);
    simulator->has_first_key_ended = ends_first;
    return true;
}

const char *simulator_key(const struct simulator *simulator, size_t index)
{
    if (index == 0)
        return simulator->has_first_key_ended ? "" : simulator->options.secret_key;
    return simulator->rolled_key;
}

static bool advance_clock(struct control *control)
{
    struct simulator *simulator = control->simulator;
    int64_t advance_s = json_integer_value(json_object_get(control->wish, "advance_s"));
    struct tx tx;

    if (advance_s < 1 || advance_s > INT32_MAX) {
        snprintf(control->problem, sizeof control->problem, "\"advance_s\" is 1 and more");
        return false;
    }
    int64_t offset_us = simulator->clock_offset_us + advance_s * US_PER_SECOND;
    tx_begin(&tx, simulator->store, control->request->arena, simulator_now_us(simulator));
    /* The clock moves when the line is learned. */
    bool is_written =
        tx_commit(&tx, "clock", json_pack("{s:I}", "offset_us", (json_int_t)offset_us));
    tx_end(&tx);
    if (!is_written)
        snprintf(control->problem, sizeof control->problem, "the journal cannot be written");
    return is_written;
}

static const struct {
    const char *method;
    const char *path;
    bool (*run)(struct control *control);
} routes[] = {
    {"POST", "/_simulator/faults", add_fault},     {"GET", "/_simulator/faults", show_faults},
    {"DELETE", "/_simulator/faults", drop_faults}, {"POST", "/_simulator/random", set_random},
    {"POST", "/_simulator/webhook", set_webhook},  {"POST", "/_simulator/clock", advance_clock},
    {"POST", "/_simulator/key", roll_key},
};

/* Also the first one after it has ended: whoever orders may not know the other. */
static bool has_key(const struct simulator *simulator, const struct http_service_request *request)
{
    const char *const keys[] = {simulator->options.secret_key, simulator->rolled_key};
    const char *given = http_service_header(request, "Authorization");

    for (size_t i = 0; given != NULL && i < ARRAY_LENGTH(keys); i++) {
        const char *wanted = arena_printf(request->arena, "Bearer %s", keys[i]);
        if (keys[i][0] != '\0' && strlen(given) == strlen(wanted) &&
            secret_equal(given, wanted, strlen(wanted)))
            return true;
    }
    return false;
}

static void say(struct arena *arena, struct http_service_reply *reply, int32_t status,
                const json_t *json)
{
    reply->status = status;
    reply->content_type = "application/json";
    reply->body = json_text(arena, json, 2, &reply->size);
}

static void complain(struct arena *arena, struct http_service_reply *reply, int32_t status,
                     const char *problem)
{
    json_t *json = json_pack("{s:s}", "problem", problem);

    say(arena, reply, status, json);
    json_decref(json);
}

static void run_route(struct control *control, bool (*run)(struct control *control),
                      struct http_service_reply *reply)
{
    struct arena *arena = control->request->arena;
    struct simulator *simulator = control->simulator;

    pthread_mutex_lock(&simulator->lock);
    bool worked = run(control);
    pthread_mutex_unlock(&simulator->lock);
    if (worked && !store_sync(simulator->store)) {
        snprintf(control->problem, sizeof control->problem, "the journal cannot be written");
        worked = false;
    }
    if (!worked) {
        complain(arena, reply, 400, control->problem);
        return;
    }
    simulator_run_tasks(simulator);
    if (control->answer == NULL)
        control->answer = json_object();
    say(arena, reply, 200, control->answer);
}

void control_handle(struct simulator *simulator, const struct http_service_request *request,
                    struct http_service_reply *reply)
{
    struct control control = {.simulator = simulator, .request = request};

    if (text_equal(request->path, "/_simulator/health")) {
        *reply = (struct http_service_reply){
            .status = 200, .content_type = "text/plain", .body = "ok\n", .size = 3};
        return;
    }
    if (!has_key(simulator, request)) {
        complain(request->arena, reply, 401, "Authorization: Bearer with the secret key is wanted");
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (!text_equal(routes[i].path, request->path) ||
            !text_equal(routes[i].method, request->method))
            continue;
        control.wish = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, NULL);
        if (text_equal(request->method, "POST") && !json_is_object(control.wish))
            complain(request->arena, reply, 400, "the body is no JSON object");
        else
            run_route(&control, routes[i].run, reply);
        json_decref(control.wish);
        json_decref(control.answer);
        return;
    }
    complain(request->arena, reply, 404, "there is no such path");
}
