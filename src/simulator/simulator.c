/*
 * Opens the simulator, keeps its clock and its tasks, and delivers its webhooks.
 */

#include "simulator/simulator.h"

#include <stdio.h>

#include "base/bug.h"
#include "base/text.h"
#include "http/post.h"
#include "simulator/internal.h"
#include "simulator/stripe/stripe.h"

#define STEP_ARENA_SIZE    ((size_t)16 * 1024 * 1024)
#define WEBHOOK_LIMIT_MS   10000
#define WEBHOOK_PAUSE_US   (50 * US_PER_MS) /* the answer is there first */
#define WEBHOOK_REORDER_US (300 * US_PER_MS)
#define CONNECTIONS_MAX    256
#define TIME_LIMIT_MS      30000
#define IDLE_LIMIT_MS      120000
#define HEAD_SIZE_MAX      (32 * 1024)
#define BODY_SIZE_MAX      (256 * 1024)
#define ID_LENGTH_MAX      64
#define LETTERS            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const struct face *const simulator_faces[] = {&stripe_face, NULL};

const struct face *face_by_name(const char *name)
{
    for (size_t i = 0; simulator_faces[i] != NULL; i++) {
        if (text_equal(simulator_faces[i]->name, name))
            return simulator_faces[i];
    }
    return NULL;
}

const struct simulator_options *simulator_options(const struct simulator *simulator)
{
    return &simulator->options;
}

int64_t simulator_now_us(const struct simulator *simulator)
{
    return clock_wall_us(simulator->options.clock) + simulator->clock_offset_us;
}

char *simulator_id(const struct simulator *simulator, struct arena *arena, const char *prefix,
                   size_t length)
{
    size_t prefix_length = strlen(prefix);
    char *id = arena_alloc(arena, prefix_length + length + 1);

    memcpy(id, prefix, prefix_length);
    for (size_t i = 0; i < length; i++)
        id[prefix_length + i] = LETTERS[random_below(simulator->options.random, strlen(LETTERS))];
    return id;
}

bool simulator_is_in_flight(const struct simulator *simulator, const char *key)
{
    return json_object_get(simulator->in_flight, key) != NULL;
}

bool simulator_has_webhook(const struct simulator *simulator)
{
    return simulator->webhook_url[0] != '\0';
}

void simulator_add_task(struct simulator *simulator, struct tx *tx, const char *face,
                        int64_t due_us, const char *kind, const char *target)
{
    tx_add(tx, json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:b}", "id",
                         simulator_id(simulator, tx->arena, "task_", 24), "object", "task", "face",
                         face, "due_us", (json_int_t)due_us, "kind", kind, "target", target, "done",
                         0));
}

/* Events that no one shall send are not sent after a restart either. */
void simulator_lose_events(struct tx *tx, const struct fault_plan *plan)
{
    size_t i;
    json_t *id;

    if (!fault_is_planned(plan, FAULT_WEBHOOK_LOST))
        return;
    json_array_foreach(tx->events, i, id)
    {
        json_t *event = tx_load(tx, "event", json_string_value(id));
        json_object_set_new(event, "pending_webhooks", json_integer(0));
        tx_change(tx, event);
    }
}

/* One task, in a step of its own.  False: nothing is due, or the journal takes nothing. */
static bool run_task(struct simulator *simulator, struct arena *arena)
{
    int64_t now_us = simulator_now_us(simulator);
    const char *id = tasks_due(&simulator->tasks, arena, now_us);
    struct fault_plan plan;
    struct tx tx;

    if (id == NULL)
        return false;
    tx_begin(&tx, simulator->store, arena, now_us);
    json_t *task = tx_load(&tx, "task", id);
    const struct face *face = face_by_name(json_string_value(json_object_get(task, "face")));
    if (face != NULL)
        face->run_task(simulator, &tx, task);
    faults_choose_task(&simulator->faults, json_string_value(json_object_get(task, "kind")), &plan);
    simulator_lose_events(&tx, &plan);
    json_object_set_new(task, "done", json_true());
    tx_change(&tx, task);
    bool is_done = tx_commit(&tx, "task", json_string(id));
    if (is_done && face != NULL)
        simulator_queue_events(simulator, face, tx.events, &plan);
    tx_end(&tx);
    return is_done;
}

void simulator_run_tasks(struct simulator *simulator)
{
    bool goes_on = true;

    while (goes_on) {
        AUTO(arena_auto_free) struct arena *arena = arena_new(STEP_ARENA_SIZE);
        pthread_mutex_lock(&simulator->lock);
        goes_on = run_task(simulator, arena);
        pthread_mutex_unlock(&simulator->lock);
        if (goes_on && !store_sync(simulator->store))
            goes_on = false;
    }
}

void simulator_tick(struct simulator *simulator)
{
    simulator_run_tasks(simulator);
}

void simulator_queue_events(struct simulator *simulator, const struct face *face,
                            const json_t *events, const struct fault_plan *plan)
{
    int64_t base_us = clock_monotonic_us(clock_system());
    bool is_early = fault_is_planned(plan, FAULT_WEBHOOK_EARLY);
    int64_t copies =
        fault_is_planned(plan, FAULT_WEBHOOK_DUPLICATE) ? plan->values[FAULT_WEBHOOK_DUPLICATE] : 1;
    size_t count = json_array_size(events);

    if (simulator->webhook_url[0] == '\0' || fault_is_planned(plan, FAULT_WEBHOOK_LOST))
        return;
    if (!is_early)
        base_us += WEBHOOK_PAUSE_US;
    if (fault_is_planned(plan, FAULT_WEBHOOK_LATE))
        base_us += plan->values[FAULT_WEBHOOK_LATE] * US_PER_MS;
    for (size_t i = 0; i < count; i++) {
        struct webhook_order order = {.face = face, .due_us = base_us, .is_early = is_early};
        snprintf(order.event, sizeof order.event, "%s",
                 json_string_value(json_array_get(events, i)));
        if (fault_is_planned(plan, FAULT_WEBHOOK_REORDER))
            order.due_us += (int64_t)(count - i) * WEBHOOK_REORDER_US;
        if (fault_is_planned(plan, FAULT_WEBHOOK_SKEWED))
            order.skew_s = plan->values[FAULT_WEBHOOK_SKEWED];
        if (fault_is_planned(plan, FAULT_WEBHOOK_FORGED)) {
            order.is_forged = true;
            webhooks_push(simulator->webhooks, &order);
            order.is_forged = false;
        }
        for (int64_t j = 0; j < copies; j++)
            webhooks_push(simulator->webhooks, &order);
    }
}

/* The post for an order; false when there is nothing to send. */
static bool prepare_delivery(struct simulator *simulator, const struct webhook_order *order,
                             struct arena *arena, struct http_post *post,
                             struct http_header headers[2])
{
    struct tx tx;
    const struct webhook_form form = {
        .secret = arena_strdup(arena, simulator->webhook_secret),
        /* The machine's: who gets it has no other clock to compare it with. */
        .time_s = clock_wall_us(clock_system()) / US_PER_SECOND - order->skew_s,
        .is_forged = order->is_forged,
    };

    tx_begin(&tx, simulator->store, arena, simulator_now_us(simulator));
    json_t *event = tx_load(&tx, "event", order->event);
    bool is_there = event != NULL && simulator->webhook_url[0] != '\0';
    if (is_there) {
        const char *body = order->face->webhook(arena, event, &form, &headers[0]);
        headers[1] = (struct http_header){"Content-Type", "application/json; charset=utf-8"};
        *post = (struct http_post){
            .url = arena_strdup(arena, simulator->webhook_url),
            .ca_file = simulator->options.webhook_ca,
            .headers = headers,
            .header_count = 2,
            .body = body,
            .body_size = strlen(body),
            .time_limit_ms = WEBHOOK_LIMIT_MS,
        };
    }
    tx_end(&tx);
    return is_there;
}

static void note_delivery(struct simulator *simulator, const struct webhook_order *order,
                          struct arena *arena, int32_t status, const char *problem)
{
    struct tx tx;
    char time[TIME_TEXT_SIZE];

    tx_begin(&tx, simulator->store, arena, simulator_now_us(simulator));
    json_t *event = tx_load(&tx, "event", order->event);
    if (event != NULL && status >= 200 && status < 300 && !order->is_forged) {
        json_object_set_new(event, "pending_webhooks", json_integer(0));
        tx_change(&tx, event);
    }
    time_format(tx.now_us, time);
    (void)tx_commit(&tx, "delivery",
                    json_pack("{s:s, s:s, s:i, s:i, s:b, s:I, s:s}", "time", time, "event",
                              order->event, "status", (int)status, "try", (int)order->tries + 1,
                              "forged", (int)order->is_forged, "skew_s", (json_int_t)order->skew_s,
                              "problem", problem));
    tx_end(&tx);
}

static int32_t deliver(struct simulator *simulator, const struct webhook_order *order)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(STEP_ARENA_SIZE);
    struct http_header headers[2];
    struct http_post post;
    char problem[HTTP_PROBLEM_SIZE] = "";

    pthread_mutex_lock(&simulator->lock);
    bool is_there = prepare_delivery(simulator, order, arena, &post, headers);
    pthread_mutex_unlock(&simulator->lock);
    /* Never for what a power cut could take back. */
    if (!is_there || !store_sync(simulator->store))
        return 0;
    int32_t status = http_post(&post, problem);
    pthread_mutex_lock(&simulator->lock);
    note_delivery(simulator, order, arena, status, problem);
    pthread_mutex_unlock(&simulator->lock);
    return status;
}

static void learn_object(void *arg, const json_t *object)
{
    struct simulator *simulator = arg;
    const char *kind = json_string_value(json_object_get(object, "object"));
    const char *id = json_string_value(json_object_get(object, "id"));

    tasks_learn(&simulator->tasks, object);
    if (simulator->undelivered == NULL || !text_equal(kind, "event"))
        return;
    if (json_integer_value(json_object_get(object, "pending_webhooks")) > 0)
        json_object_set_new(simulator->undelivered, id, json_true());
    else
        json_object_del(simulator->undelivered, id);
}

static void learn_end(void *arg, const char *kind, const json_t *value)
{
    struct simulator *simulator = arg;

    if (text_equal(kind, "call"))
        simulator->call_count = json_integer_value(json_object_get(value, "number"));
    if (text_equal(kind, "clock"))
        simulator->clock_offset_us = json_integer_value(json_object_get(value, "offset_us"));
}

/* What was not delivered when the last one ended. */
static void queue_undelivered(struct simulator *simulator)
{
    json_t *events = json_array();
    const char *id;
    json_t *value;

    json_object_foreach(simulator->undelivered, id, value)
        json_array_append_new(events, json_string(id));
    json_decref(simulator->undelivered);
    simulator->undelivered = NULL;
    simulator_queue_events(simulator, simulator_faces[0], events, &(struct fault_plan){0});
    json_decref(events);
}

struct simulator *simulator_open(const struct simulator_options *options,
                                 char problem[SIMULATOR_PROBLEM_SIZE])
{
    struct simulator *simulator = calloc(1, sizeof *simulator);
    const struct http_service_options service = {
        .listen = options->listen,
        .certificate_pem = options->certificate_pem,
        .key_pem = options->key_pem,
        .handle = simulator_handle,
        .owner = simulator,
        .connections_max = CONNECTIONS_MAX,
        .time_limit_ms = TIME_LIMIT_MS,
        .idle_limit_ms = IDLE_LIMIT_MS,
        .head_size_max = HEAD_SIZE_MAX,
        .body_size_max = BODY_SIZE_MAX,
    };

    if (simulator == NULL)
        bug("no memory for a simulator");
    simulator->options = *options;
    pthread_mutex_init(&simulator->lock, NULL);
    tasks_init(&simulator->tasks);
    simulator->in_flight = json_object();
    simulator->undelivered = json_object();
    simulator->webhooks = webhooks_open(simulator, deliver);
    simulator->faults.percent = options->random_percent;
    simulator->faults.seed = options->random_seed;
    simulator->faults.random_kinds = FAULT_ALL;
    snprintf(simulator->webhook_url, WEBHOOK_TEXT_SIZE, "%s", options->webhook_url);
    snprintf(simulator->webhook_secret, WEBHOOK_TEXT_SIZE, "%s", options->webhook_secret);
    const struct store_watcher watcher = {learn_object, learn_end, simulator};
    simulator->store = store_open(options->journal, &watcher, problem);
    if (simulator->store != NULL)
        simulator->service = http_service_open(&service, problem);
    if (simulator->service != NULL)
        return simulator;
    simulator_close(simulator);
    return NULL;
}

bool simulator_start(struct simulator *simulator, char problem[SIMULATOR_PROBLEM_SIZE])
{
    queue_undelivered(simulator);
    if (webhooks_start(simulator->webhooks))
        return http_service_start(simulator->service, problem);
    snprintf(problem, SIMULATOR_PROBLEM_SIZE, "no thread can be had");
    return false;
}

int simulator_port(const struct simulator *simulator)
{
    return http_service_port(simulator->service);
}

void simulator_close(struct simulator *simulator)
{
    if (simulator == NULL)
        return;
    http_service_close(simulator->service);
    webhooks_close(simulator->webhooks);
    store_close(simulator->store);
    tasks_release(&simulator->tasks);
    json_decref(simulator->in_flight);
    json_decref(simulator->undelivered);
    pthread_mutex_destroy(&simulator->lock);
    free(simulator);
}
