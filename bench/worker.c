/*
 * A worker: a completion queue, its connections, and the calls in flight over them.
 *
 * The closed loop is one thread in which each answer starts the next call.  At a fixed rate a
 * second thread starts the calls when their time has come, whatever became of those before; a
 * call's latency counts from the time at which it should have begun, so a stalled server cannot
 * make the client ask less and so look better (coordinated omission).
 */
#include <grpc/support/time.h>
#include <sys/prctl.h>

#include "load.h"

#define LATE_US    1000
#define PACE_NS    250000 /* how often the clock is looked at; calls due meanwhile start together */
#define PATIENCE_S 5      /* for answers after their deadline */

static void begin_call(struct slot *slot, int64_t begun_us)
{
    struct worker *worker = slot->worker;
    struct line *line = &worker->lines[slot->line];
    grpc_byte_buffer *payload = requests_next(worker->plan);
    gpr_timespec deadline = gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(worker->plan->timeout_ms, GPR_TIMESPAN));

    slot->call = grpc_channel_create_registered_call(line->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                                     worker->queue, line->method, deadline, NULL);
    grpc_metadata_array_init(&slot->headers);
    grpc_metadata_array_init(&slot->trailers);
    slot->reply = NULL;
    slot->begun_us = begun_us;
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY,
         .data.send_initial_metadata = {.count = line->has_token, .metadata = &line->token}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = payload},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &slot->headers},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &slot->reply},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &slot->trailers,
                                        .status = &slot->status,
                                        .status_details = &slot->details}},
    };
    if (grpc_call_start_batch(slot->call, ops, sizeof(ops) / sizeof(ops[0]), slot, NULL) !=
        GRPC_CALL_OK)
        give_up("could not start a call", "");
    grpc_byte_buffer_destroy(payload);
}

static void count_call(struct worker *worker, const struct slot *slot)
{
    struct tally *tally = &worker->tally;
    int64_t now = now_us();
    int64_t took_us = now - slot->begun_us;

    tally->statuses[slot->status < STATUSES ? slot->status : GRPC_STATUS_UNKNOWN]++;
    if (slot->status == GRPC_STATUS_OK) {
        tally->in_time += now < worker->count_until_us;
        latency_add(&tally->ok, took_us);
    } else if (slot->status == GRPC_STATUS_RESOURCE_EXHAUSTED) {
        latency_add(&tally->refused, took_us);
    } else {
        latency_add(&tally->failed, took_us);
    }
}

static void end_call(struct slot *slot)
{
    struct worker *worker = slot->worker;

    if (slot->begun_us >= worker->count_from_us && slot->begun_us < worker->count_until_us)
        count_call(worker, slot);
    if (worker->plan->replies != NULL && slot->reply != NULL)
        requests_write_reply(worker->plan, slot->reply);
    grpc_metadata_array_destroy(&slot->headers);
    grpc_metadata_array_destroy(&slot->trailers);
    grpc_slice_unref(slot->details);
    if (slot->reply != NULL)
        grpc_byte_buffer_destroy(slot->reply);
    grpc_call_unref(slot->call);
}

static struct slot *wait_for_answer(struct worker *worker)
{
    return grpc_completion_queue_next(worker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).tag;
}

static void *closed_loop(void *argument)
{
    struct worker *worker = argument;
    size_t flying = 0;
    size_t begun = 0;
    size_t quota = worker->plan->count > 0 ? worker->quota : SIZE_MAX;

    for (; flying < worker->slot_count && begun < quota; begun++)
        begin_call(&worker->slots[flying++], now_us());
    while (flying > 0) {
        struct slot *slot = wait_for_answer(worker);
        end_call(slot);
        int64_t now = now_us();
        if (begun < quota && now < worker->count_until_us) {
            begun++;
            begin_call(slot, now);
        } else {
            flying--;
        }
    }
    return NULL;
}

static struct slot *take_slot(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    while (worker->free_slots == NULL)
        pthread_cond_wait(&worker->freed, &worker->mutex);
    struct slot *slot = worker->free_slots;
    worker->free_slots = slot->next_free;
    pthread_mutex_unlock(&worker->mutex);
    atomic_fetch_add(&worker->flying, 1);
    return slot;
}

static void give_back(struct worker *worker, struct slot *slot)
{
    pthread_mutex_lock(&worker->mutex);
    slot->next_free = worker->free_slots;
    worker->free_slots = slot;
    pthread_cond_signal(&worker->freed);
    pthread_mutex_unlock(&worker->mutex);
    atomic_fetch_sub(&worker->flying, 1);
}

static void *collect_answers(void *argument)
{
    struct worker *worker = argument;

    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(worker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        end_call(event.tag);
        give_back(worker, event.tag);
    }
}

/* Starts the calls one by one at their times; the next connection takes the next call. */
static void *fixed_rate(void *argument)
{
    struct worker *worker = argument;
    const struct plan *plan = worker->plan;
    uint64_t rate = plan->rate;
    int64_t from_us = now_us();
    int64_t until_us = worker->count_until_us;
    pthread_t collector;

    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    if (pthread_create(&collector, NULL, collect_answers, worker) != 0)
        give_up("could not start a thread", "");
    for (uint64_t n = 0;; n++) {
        int64_t due_us = from_us + (int64_t)(n * plan->threads * 1000000 / rate);
        if (due_us >= until_us)
            break;
        while (now_us() < due_us)
            nanosleep(&(struct timespec){.tv_nsec = PACE_NS}, NULL);
        struct slot *slot = take_slot(worker);
        slot->line = n % worker->line_count;
        bool counts = due_us >= worker->count_from_us;
        int64_t now = now_us();
        if (now >= until_us) {
            give_back(worker, slot);
            worker->tally.unsent += counts;
            continue;
        }
        worker->tally.late += counts && now - due_us > LATE_US;
        begin_call(slot, due_us);
    }
    int64_t patience_us = now_us() + (plan->timeout_ms + PATIENCE_S * 1000) * 1000;
    while (atomic_load(&worker->flying) > 0 && now_us() < patience_us)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (atomic_load(&worker->flying) > 0)
        give_up("calls never ended", "");
    grpc_completion_queue_shutdown(worker->queue);
    pthread_join(collector, NULL);
    return NULL;
}

void worker_open(struct worker *worker, struct plan *plan)
{
    worker->plan = plan;
    worker->queue = grpc_completion_queue_create_for_next(NULL);
    worker->slots = calloc(worker->slot_count, sizeof(*worker->slots));
    if (worker->slots == NULL)
        give_up("out of memory", "");
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->freed, NULL);
    for (size_t i = 0; i < worker->slot_count; i++) {
        worker->slots[i] = (struct slot){.worker = worker, .line = i % worker->line_count};
        worker->slots[i].next_free = i == 0 ? NULL : &worker->slots[i - 1];
    }
    worker->free_slots = &worker->slots[worker->slot_count - 1];
}

void worker_start(struct worker *worker)
{
    void *(*run)(void *) = worker->plan->rate > 0 ? fixed_rate : closed_loop;

    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        give_up("could not start a thread", "");
}

void worker_close(struct worker *worker)
{
    lines_close(worker);
    if (worker->plan->rate == 0)
        grpc_completion_queue_shutdown(worker->queue);
    while (
        grpc_completion_queue_next(worker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
        GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(worker->queue);
    pthread_cond_destroy(&worker->freed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker->slots);
}
