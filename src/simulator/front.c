/*
 * One request from its arrival to its answer: what shall go wrong with it, the step of its face,
 * its line in the journal, its webhooks, and the answer in the shape that was ordered.
 */

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "simulator/internal.h"

#define FAULT_HEADER   "X-Simulator-Fault"
#define CONTROL_PREFIX "/_simulator/"
#define EARLY_LIMIT_MS 3000

void exchange_add_header(struct exchange *exchange, const char *name, const char *value)
{
    if (exchange->header_count < HTTP_SERVICE_HEADERS_MAX)
        exchange->headers[exchange->header_count++] = (struct http_header){name, value};
}

static const struct face *face_of(const char *path)
{
    for (size_t i = 0; simulator_faces[i] != NULL; i++) {
        for (const char *const *prefix = simulator_faces[i]->prefixes; *prefix != NULL; prefix++) {
            if (text_starts_with(path, *prefix))
                return simulator_faces[i];
        }
    }
    return NULL;
}

/* The line of the journal. */
static json_t *describe(const struct exchange *exchange)
{
    char time[TIME_TEXT_SIZE];

    time_format(exchange->tx.now_us, time);
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:b, s:s}", "number",
                     (json_int_t)exchange->number, "time", time, "request", exchange->request_id,
                     "method", exchange->http->method, "path", exchange->http->path, "key",
                     exchange->key, "status", (int)exchange->status, "done",
                     (int)exchange->was_done, "replayed", (int)exchange->was_replayed, "fault",
                     fault_plan_text(exchange->arena, &exchange->plan));
}

static bool is_never_done(const struct fault_plan *plan)
{
    return fault_is_planned(plan, FAULT_TIMEOUT_BEFORE) ||
           fault_is_planned(plan, FAULT_RESET_BEFORE);
}

static void fly(struct simulator *simulator, const char *key, int change)
{
    json_int_t count = json_integer_value(json_object_get(simulator->in_flight, key)) + change;

    if (count > 0)
        json_object_set_new(simulator->in_flight, key, json_integer(count));
    else
        json_object_del(simulator->in_flight, key);
}

/* The step, under the lock.  False: the journal did not take it, so it did not happen. */
static bool run_step(struct exchange *exchange, const struct face *face)
{
    struct simulator *simulator = exchange->simulator;
    const struct fault_plan *plan = &exchange->plan;

    if (!is_never_done(plan))
        face->answer(exchange);
    simulator_lose_events(&exchange->tx, plan);
    bool is_written = tx_commit(&exchange->tx, "call", describe(exchange));
    if (is_written)
        simulator_queue_events(simulator, face, exchange->tx.events, plan);
    if (fault_is_planned(plan, FAULT_LATE) && exchange->key[0] != '\0')
        fly(simulator, exchange->key, 1);
    return is_written;
}

static void set_reply(struct exchange *exchange, const struct face *face,
                      struct http_service_reply *reply)
{
    const struct fault_plan *plan = &exchange->plan;
    const char *body = exchange->body;
    const char *other = face->falsify(exchange->arena, body, plan);

    if (other != NULL)
        body = other;
    *reply = (struct http_service_reply){
        .status = exchange->status,
        .content_type = exchange->content_type,
        .body = body,
        .size = strlen(body),
        .header_count = exchange->header_count,
    };
    memcpy(reply->headers, exchange->headers, sizeof exchange->headers);
    if (fault_is_planned(plan, FAULT_TRUNCATE) &&
        reply->size > (size_t)plan->values[FAULT_TRUNCATE])
        reply->size = (size_t)plan->values[FAULT_TRUNCATE];
    if (fault_is_planned(plan, FAULT_RESET_AFTER)) {
        reply->ending = HTTP_CUT;
        reply->cut_at = (size_t)plan->values[FAULT_RESET_AFTER];
    } else if (fault_is_planned(plan, FAULT_DRIP)) {
        reply->ending = HTTP_DRIPPED;
        reply->pause_us = plan->values[FAULT_DRIP] * US_PER_MS;
    }
}

/* Waits as ordered, outside of the lock. */
static void wait_as_planned(struct exchange *exchange, struct http_service_reply *reply)
{
    struct simulator *simulator = exchange->simulator;
    const struct fault_plan *plan = &exchange->plan;

    if (fault_is_planned(plan, FAULT_WEBHOOK_EARLY))
        webhooks_wait_early(simulator->webhooks, EARLY_LIMIT_MS);
    if (fault_is_planned(plan, FAULT_LATE)) {
        (void)http_service_wait(exchange->http, plan->values[FAULT_LATE]);
        pthread_mutex_lock(&simulator->lock);
        if (exchange->key[0] != '\0')
            fly(simulator, exchange->key, -1);
        pthread_mutex_unlock(&simulator->lock);
    }
    if (fault_is_planned(plan, FAULT_TIMEOUT_BEFORE) ||
        fault_is_planned(plan, FAULT_TIMEOUT_AFTER)) {
        int64_t wait_ms =
            plan->values[fault_is_planned(plan, FAULT_TIMEOUT_BEFORE) ? FAULT_TIMEOUT_BEFORE
                                                                      : FAULT_TIMEOUT_AFTER];
        (void)http_service_wait(exchange->http, wait_ms);
        reply->ending = HTTP_HUNG_UP;
    }
    if (fault_is_planned(plan, FAULT_RESET_BEFORE))
        reply->ending = HTTP_HUNG_UP;
}

static void set_problem(struct http_service_reply *reply, int32_t status, const char *line)
{
    *reply = (struct http_service_reply){
        .status = status, .content_type = "text/plain", .body = line, .size = strlen(line)};
}

static void face_handle(struct simulator *simulator, const struct face *face,
                        const struct http_service_request *request,
                        struct http_service_reply *reply)
{
    struct exchange exchange = {
        .simulator = simulator,
        .http = request,
        .arena = request->arena,
        .content_type = "application/json",
        .body = "",
        .request_id = "",
        .key = "",
    };
    char problem[128];

    simulator_run_tasks(simulator);
    pthread_mutex_lock(&simulator->lock);
    exchange.number = simulator->call_count + 1;
    const struct fault_subject subject = {
        .number = exchange.number,
        .method = request->method,
        .path = request->path,
        .body = request->body,
        .header = http_service_header(request, FAULT_HEADER),
    };
    bool is_planned = faults_choose(&simulator->faults, &subject, &exchange.plan, problem);
    tx_begin(&exchange.tx, simulator->store, exchange.arena, simulator_now_us(simulator));
    bool is_written = is_planned && run_step(&exchange, face);
    pthread_mutex_unlock(&simulator->lock);
    if (!is_planned) {
        set_problem(reply, 400, arena_printf(exchange.arena, "%s\n", problem));
    } else if (!is_written || !store_sync(simulator->store)) {
        set_problem(reply, 500, "the journal cannot be written\n");
    } else {
        set_reply(&exchange, face, reply);
        wait_as_planned(&exchange, reply);
    }
    tx_end(&exchange.tx);
}

void simulator_handle(void *owner, const struct http_service_request *request,
                      struct http_service_reply *reply)
{
    struct simulator *simulator = owner;
    const struct face *face = face_of(request->path);

    /* What is no text cannot be answered in JSON, nor be written into the journal. */
    if (!text_is_utf8(request->path, strlen(request->path)) ||
        !text_is_plain(request->method, strlen(request->method)))
        set_problem(reply, 400, "the request line is no text\n");
    else if (face != NULL)
        face_handle(simulator, face, request, reply);
    else if (text_starts_with(request->path, CONTROL_PREFIX))
        control_handle(simulator, request, reply);
    else
        set_problem(reply, 404, "no gateway has this path\n");
}
