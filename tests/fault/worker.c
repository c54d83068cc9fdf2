/*
 * Keeps asking: a worker never begins a second thing before it has asked for the first a few
 * times; what is then still not known is left for the end, as an application would.
 */
#include "worker.h"

#include <inttypes.h>
#include <pthread.h>

#include "client_log.h"
#include "deeds.h"

#define SETTLE_SECONDS  180
#define SETTLE_PAUSE_MS 500
#define PAUSE_MS        100
#define REPEATS_AT_END  400
#define LATE_US         10000000
/* At a fixed rate it goes on for hours: of what is known only the newest are remembered. */
#define REMEMBERED_MAX   2000
#define REMEMBERED_LEAST 1000

void worker_init(struct worker *worker, struct dues_client *client, struct client_log *log,
                 const struct worker_options *options)
{
    *worker = (struct worker){
        .client = client,
        .log = log,
        .options = *options,
        .random = (options->seed + 1) * 0x9e3779b97f4a7c15ULL +
                  (uint64_t)options->index * 0xbf58476d1ce4e5b9ULL + 1,
    };
}

void worker_release(struct worker *worker)
{
    client_log_close(worker->log);
    free(worker->operations);
}

/* xorshift64*: the seed of the run says everything. */
uint64_t worker_below(struct worker *worker, uint64_t bound)
{
    worker->random ^= worker->random >> 12;
    worker->random ^= worker->random << 25;
    worker->random ^= worker->random >> 27;
    return ((worker->random * 0x2545f4914f6cdd1dULL) >> 32) % bound;
}

void worker_pause_ms(long duration_ms)
{
    struct timespec duration = {duration_ms / 1000, duration_ms % 1000 * 1000000};
    nanosleep(&duration, NULL);
}

bool worker_is_stopping(const struct worker *worker)
{
    return atomic_load(worker->options.stop_wanted);
}

size_t worker_begin(struct worker *worker, enum operation_kind kind)
{
    if (worker->operation_count == worker->operation_capacity) {
        worker->operation_capacity = worker->operation_capacity * 2 + 256;
        worker->operations =
            realloc(worker->operations, worker->operation_capacity * sizeof(*worker->operations));
        if (worker->operations == NULL)
            abort();
    }
    struct operation *operation = &worker->operations[worker->operation_count];
    *operation = (struct operation){.kind = kind, .currency = "USD"};
    snprintf(operation->request_id, sizeof(operation->request_id), "%s-%02ld-%06zu",
             worker->options.run, worker->options.index, worker->counts.begun);
    worker->counts.begun++;
    if (kind == CREATE_PAYMENT)
        worker->counts.payments++;
    return worker->operation_count++;
}

/* What the answer says about the operation; true when it settles it. */
static bool learn(struct operation *operation, const struct outcome *outcome)
{
    bool settled = outcome->definitive || outcome->waits;
    operation->in_flight = !settled && strcmp(outcome->status, "OK") == 0;
    if (settled) {
        operation->known = true;
        operation->acknowledged = outcome->reply != NULL && strcmp(outcome->status, "OK") == 0;
        operation->captured = outcome->captured;
        snprintf(operation->name, sizeof(operation->name), "%s", outcome->name);
        snprintf(operation->state, sizeof(operation->state), "%s", outcome->state);
    }
    return settled;
}

bool worker_send_once(struct worker *worker, struct operation *operation)
{
    operation->tries++;
    worker->counts.calls++;
    client_log_intent(worker->log, operation);
    struct outcome outcome;
    struct dues_answer *answer;
    operation_send(worker->client, operation, &outcome, &answer);
    client_log_answer(worker->log, operation, &outcome);
    bool settled = learn(operation, &outcome);
    if (!settled)
        worker->counts.not_known++;
    dues_answer_free(answer);
    return settled;
}

bool worker_ask(struct worker *worker, size_t index, int tries_max)
{
    for (int i = 0; i < tries_max; i++) {
        if (worker_send_once(worker, &worker->operations[index]))
            return worker->operations[index].acknowledged;
        if (worker->operations[index].in_flight && i > 0 && !worker_is_stopping(worker))
            return false;
        worker_pause_ms(PAUSE_MS + (long)worker_below(worker, PAUSE_MS));
    }
    return false;
}

/* ---- At the same time ---- */

struct twin {
    struct worker *worker;
    struct operation operation;
};

static void *run_twin(void *arg)
{
    struct twin *twin = arg;
    struct outcome outcome;
    struct dues_answer *answer;
    client_log_intent(twin->worker->log, &twin->operation);
    operation_send(twin->worker->client, &twin->operation, &outcome, &answer);
    client_log_answer(twin->worker->log, &twin->operation, &outcome);
    learn(&twin->operation, &outcome);
    dues_answer_free(answer);
    return NULL;
}

bool worker_ask_with_twin(struct worker *worker, size_t index)
{
    struct twin twin = {.worker = worker, .operation = worker->operations[index]};
    pthread_t thread;
    twin.operation.tries = -1; /* its lines are told apart from ours */
    if (pthread_create(&thread, NULL, run_twin, &twin) != 0)
        return worker_ask(worker, index, TRIES_UNDER_WAY);
    worker_send_once(worker, &worker->operations[index]);
    pthread_join(thread, NULL);
    if (worker->operations[index].known)
        return worker->operations[index].acknowledged;
    return worker_ask(worker, index, TRIES_UNDER_WAY);
}

void worker_race(struct worker *worker, size_t first, size_t second)
{
    struct twin twin = {.worker = worker, .operation = worker->operations[second]};
    pthread_t thread;
    twin.operation.tries++;
    worker->counts.calls++;
    if (pthread_create(&thread, NULL, run_twin, &twin) == 0) {
        worker_send_once(worker, &worker->operations[first]);
        pthread_join(thread, NULL);
        worker->operations[second] = twin.operation;
    }
    if (!worker->operations[first].known)
        worker_ask(worker, first, TRIES_UNDER_WAY);
    if (!worker->operations[second].known)
        worker_ask(worker, second, TRIES_UNDER_WAY);
}

/* ---- From the beginning to the end ---- */

/* One more try of each request that is not known; how many then still are not. */
static size_t ask_unknown(struct worker *worker)
{
    size_t unknown = 0;
    for (size_t i = 0; i < worker->operation_count; i++) {
        if (!worker->operations[i].known && !worker_send_once(worker, &worker->operations[i]))
            unknown++;
    }
    return unknown;
}

/* Nobody is killed any more: what is not known must become known, and soon. */
static void settle(struct worker *worker)
{
    time_t until = time(NULL) + SETTLE_SECONDS;
    worker->counts.unsettled = ask_unknown(worker);
    while (worker->counts.unsettled > 0 && time(NULL) < until) {
        worker_pause_ms(SETTLE_PAUSE_MS);
        worker->counts.unsettled = ask_unknown(worker);
    }
}

/* A recorded answer is the same after every crash; the newest ones suffered most. */
static void ask_everything_again(struct worker *worker)
{
    size_t first =
        worker->operation_count > REPEATS_AT_END ? worker->operation_count - REPEATS_AT_END : 0;
    for (size_t i = first; i < worker->operation_count; i++) {
        struct operation again = worker->operations[i];
        if (!again.acknowledged)
            continue;
        for (int try = 0; try < TRIES_UNDER_WAY && !worker_send_once(worker, &again); try++)
            worker_pause_ms(PAUSE_MS);
        worker->counts.repeated++;
    }
}

/* What is old and known is forgotten; what is old and not known is asked for once more. */
static void forget(struct worker *worker)
{
    if (worker->operation_count < REMEMBERED_MAX)
        return;
    size_t old = worker->operation_count - REMEMBERED_LEAST;
    size_t kept = 0;
    for (size_t i = 0; i < worker->operation_count; i++) {
        struct operation *operation = &worker->operations[i];
        if (i < old && (operation->known || worker_send_once(worker, operation)))
            continue;
        worker->operations[kept++] = *operation;
    }
    worker->operation_count = kept;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * A payment at its time.  A thread whose payments took long catches up, so that the rate is that of
 * the whole; what could not be begun for ten seconds is not: a standstill is not followed by a
 * flood.
 */
static void pay_in_time(struct worker *worker)
{
    int64_t now = now_us();
    if (worker->next_us == 0)
        worker->next_us =
            now + (int64_t)worker_below(worker, (uint64_t)worker->options.interval_us);
    if (now > worker->next_us + LATE_US) {
        worker->counts.late++;
        worker->next_us = now;
    }
    while (now < worker->next_us && !worker_is_stopping(worker)) {
        int64_t left_ms = (worker->next_us - now) / 1000 + 1;
        worker_pause_ms(left_ms < PAUSE_MS ? (long)left_ms : PAUSE_MS);
        now = now_us();
    }
    worker->next_us += worker->options.interval_us;
    forget(worker);
    deed_payment(worker);
}

void *worker_run(void *arg)
{
    struct worker *worker = arg;
    deed_first_customer(worker);
    if (worker->options.interval_us == 0)
        deed_first_clock(worker);
    while (!worker_is_stopping(worker)) {
        if (worker->options.interval_us > 0)
            pay_in_time(worker);
        else
            deed_something(worker);
    }
    settle(worker);
    ask_everything_again(worker);
    return NULL;
}
