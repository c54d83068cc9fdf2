/*
 * Threads for work that takes long: password hashing.  The queue is bounded by count, so memory is
 * too; what does not fit is refused at once.
 *
 *   fiber ──queue──► dispatcher ──work──► worker (lowest priority)
 *     ▲                   ▲                 │
 *     └─────resumed───────┴──────done───────┘
 *
 * Workers have the lowest priority there is: who guesses passwords may have what payments leave.  A
 * lock that such a thread held could be held for long, so they take none: the dispatcher gives them
 * their work and takes it back, with semaphores and atomics.
 *
 * A piece of work lives on the stack of its fiber, which is parked for as long as the pool knows
 * it.
 */

#include "crypto/offload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/fiber.h"
#include "crypto/must.h"

#define THREADS_MAX 16

struct work {
    struct offload *offload;
    struct call *call;
    struct fiber *fiber;
    void (*run)(void *arg);
    void *arg;
    bool late; /* its deadline passed in the queue: it was not run */
    struct work *next;
};

struct worker {
    struct offload *offload;
    pthread_t thread;
    sem_t go;
    struct work *work; /* the dispatcher's, but between `go` and `done`; NULL at `go`: end */
    atomic_bool done;
};

struct offload {
    pthread_t dispatcher;
    sem_t wake; /* of the dispatcher: something was queued or done, or the pool closes */

    pthread_mutex_t mutex; /* of the queue; workers never take it */
    struct work *first;
    struct work **last_next;
    int32_t waiting; /* counted from admission, so that a full queue is refused before parking */
    int32_t waiting_max;
    bool closing;

    int32_t worker_count;
    struct worker workers[];
};

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        crypto_must(errno == EINTR, "semaphore of the pool");
}

/*
 * Of this thread only; that it fails is no harm.  SCHED_IDLE gives way at once: a thread of the
 * lowest priority holds its processor for up to a slice of 3 ms, each time that PostgreSQL wants
 * it.  A worker must not hold what others need, though, because it may not run for long: so it asks
 * the kernel for no memory either (crypto/password.c).
 */
static void step_back(void)
{
    const struct sched_param none = {0};

    sched_setscheduler(0, SCHED_IDLE, &none);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;

    step_back();
    for (;;) {
        wait_for(&worker->go);
        if (worker->work == NULL)
            return NULL;
        worker->work->run(worker->work->arg);
        atomic_store_explicit(&worker->done, true, memory_order_release);
        sem_post(&worker->offload->wake);
    }
}

/* The next piece of work; NULL when there is none, and then `*closing` says whether one may come.
 */
static struct work *take(struct offload *offload, bool *closing)
{
    pthread_mutex_lock(&offload->mutex);
    struct work *work = offload->first;
    if (work != NULL) {
        offload->first = work->next;
        if (offload->first == NULL)
            offload->last_next = &offload->first;
        offload->waiting--;
    }
    *closing = offload->closing;
    pthread_mutex_unlock(&offload->mutex);
    return work;
}

/* What can be run.  Nobody waits for the answer of the late: no 50 ms are spent on them. */
static struct work *take_in_time(struct offload *offload, bool *closing)
{
    struct work *work = take(offload, closing);

    while (work != NULL && call_time_left_us(work->call) == 0) {
        work->late = true;
        fiber_resume(work->fiber);
        work = take(offload, closing);
    }
    return work;
}

/* Takes back what is done and gives out what is queued.  How many are at work then. */
static int32_t serve(struct offload *offload, bool *closing)
{
    int32_t busy = 0;

    *closing = false;
    for (int32_t i = 0; i < offload->worker_count; i++) {
        struct worker *worker = &offload->workers[i];
        if (worker->work != NULL &&
            atomic_exchange_explicit(&worker->done, false, memory_order_acquire)) {
            struct work *work = worker->work;
            worker->work = NULL;
            fiber_resume(work->fiber);
        }
        if (worker->work == NULL && (worker->work = take_in_time(offload, closing)) != NULL)
            sem_post(&worker->go);
        busy += worker->work != NULL;
    }
    return busy;
}

static void *run_dispatcher(void *arg)
{
    struct offload *offload = arg;
    bool closing = false;

    while (serve(offload, &closing) > 0 || !closing)
        wait_for(&offload->wake);
    for (int32_t i = 0; i < offload->worker_count; i++)
        sem_post(&offload->workers[i].go);
    return NULL;
}

/* Half of the processors, and one at least. */
static int32_t usual_thread_count(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (processors > 2L * THREADS_MAX)
        return THREADS_MAX;
    return processors < 4 ? 1 : (int32_t)(processors / 2);
}

static void start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
    crypto_must(pthread_create(thread, NULL, run, arg) == 0, "thread of the pool");
    pthread_setname_np(*thread, name);
}

struct offload *offload_open(int32_t thread_count, int32_t queue_max)
{
    assert(thread_count >= 0 && queue_max > 0);

    if (thread_count == 0)
        thread_count = usual_thread_count();
    struct offload *offload =
        calloc(1, sizeof(*offload) + (size_t)thread_count * sizeof(offload->workers[0]));
    crypto_must(offload != NULL, "memory for the pool");
    offload->last_next = &offload->first;
    offload->waiting_max = queue_max;
    offload->worker_count = thread_count;
    crypto_must(pthread_mutex_init(&offload->mutex, NULL) == 0 &&
                    sem_init(&offload->wake, 0, 0) == 0,
                "locks of the pool");
    for (int32_t i = 0; i < thread_count; i++) {
        struct worker *worker = &offload->workers[i];
        worker->offload = offload;
        crypto_must(sem_init(&worker->go, 0, 0) == 0, "locks of the pool");
        start(&worker->thread, "hashing", run_worker, worker);
    }
    start(&offload->dispatcher, "hashing-queue", run_dispatcher, offload);
    return offload;
}

void offload_close(struct offload *offload)
{
    if (offload == NULL)
        return;
    pthread_mutex_lock(&offload->mutex);
    offload->closing = true;
    pthread_mutex_unlock(&offload->mutex);
    sem_post(&offload->wake);
    pthread_join(offload->dispatcher, NULL);
    for (int32_t i = 0; i < offload->worker_count; i++) {
        pthread_join(offload->workers[i].thread, NULL);
        sem_destroy(&offload->workers[i].go);
    }
    sem_destroy(&offload->wake);
    pthread_mutex_destroy(&offload->mutex);
    free(offload);
}

static bool admit(struct offload *offload)
{
    pthread_mutex_lock(&offload->mutex);
    bool room = offload->waiting < offload->waiting_max && !offload->closing;
    if (room)
        offload->waiting++;
    pthread_mutex_unlock(&offload->mutex);
    return room;
}

/* Runs after the fiber's stack was left, so the dispatcher may resume it at once. */
static void enqueue(struct fiber *self, void *arg)
{
    struct work *work = arg;
    struct offload *offload = work->offload;

    work->fiber = self;
    pthread_mutex_lock(&offload->mutex);
    *offload->last_next = work;
    offload->last_next = &work->next;
    sem_post(&offload->wake); /* before others can see the work done, and close */
    pthread_mutex_unlock(&offload->mutex);
}

static const struct error *full(struct call *call)
{
    return error_retry(refuse(call, STATUS_RESOURCE_EXHAUSTED, "OVERLOADED",
                              "too many passwords are being checked at once"),
                       1000);
}

const struct error *crypto_offload_check(struct call *call)
{
    struct offload *offload = call->house->offload;

    pthread_mutex_lock(&offload->mutex);
    bool room = offload->waiting < offload->waiting_max;
    pthread_mutex_unlock(&offload->mutex);
    return room ? NULL : full(call);
}

const struct error *crypto_offload(struct call *call, void (*run)(void *arg), void *arg)
{
    if (!admit(call->house->offload))
        return full(call);

    struct work work = {.offload = call->house->offload, .call = call, .run = run, .arg = arg};
    fiber_park(enqueue, &work);
    if (work.late)
        return refuse(call, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                      "the deadline passed before the work began");
    return NULL;
}
