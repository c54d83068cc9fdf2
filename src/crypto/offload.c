/*
 * Threads for work that takes long: password hashing.  The queue is bounded by count, so memory is
 * too; what does not fit is refused at once.
 *
 * The threads have the lowest priority: who guesses passwords may have what the processors have
 * left, not what payments need.  They do nothing but the work: the fiber goes on elsewhere, because
 * a lock that is held at low priority is a lock that all wait for.
 *
 * A piece of work lives on the stack of its fiber, which is parked for as long as the pool knows
 * it.
 */

#include "crypto/offload.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fiber.h"
#include "crypto/must.h"

struct work {
    struct offload *offload;
    struct call *call;
    struct fiber *fiber;
    void (*run)(void *arg);
    void *arg;
    bool late; /* its deadline passed in the queue: it was not run */
    struct work *next;
};

struct offload {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct work *first;
    struct work **last_next;
    int32_t waiting; /* counted from admission, so that a full queue is refused before parking */
    int32_t waiting_max;
    bool closing;
    int32_t thread_count;
    pthread_t threads[];
};

#define LOWEST_PRIORITY 19
#define THREADS_MAX     16

static void resume(void *fiber)
{
    fiber_resume(fiber);
}

/* Of this thread only, which is how Linux reads "process" here; that it fails is no harm. */
static void step_back(void)
{
    const struct sched_param none = {0};

    sched_setscheduler(0, SCHED_BATCH, &none);
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_PRIORITY);
}

static void *run_thread(void *arg)
{
    struct offload *offload = arg;

    step_back();
    pthread_mutex_lock(&offload->mutex);
    for (;;) {
        while (offload->first == NULL && !offload->closing)
            pthread_cond_wait(&offload->wake, &offload->mutex);
        struct work *work = offload->first;
        if (work == NULL)
            break;
        offload->first = work->next;
        if (offload->first == NULL)
            offload->last_next = &offload->first;
        offload->waiting--;
        pthread_mutex_unlock(&offload->mutex);

        /* Nobody waits for the answer any more: do not spend 50 ms on it. */
        work->late = call_time_left_us(work->call) == 0;
        if (!work->late)
            work->run(work->arg);
        fiber_after(work->call->house->fibers, 0, resume, work->fiber);

        pthread_mutex_lock(&offload->mutex);
    }
    pthread_mutex_unlock(&offload->mutex);
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

struct offload *offload_open(int32_t thread_count, int32_t queue_max)
{
    assert(thread_count >= 0 && queue_max > 0);

    if (thread_count == 0)
        thread_count = usual_thread_count();
    struct offload *offload =
        calloc(1, sizeof(*offload) + (size_t)thread_count * sizeof(offload->threads[0]));
    crypto_must(offload != NULL, "memory for the pool");
    offload->last_next = &offload->first;
    offload->waiting_max = queue_max;
    crypto_must(pthread_mutex_init(&offload->mutex, NULL) == 0 &&
                    pthread_cond_init(&offload->wake, NULL) == 0,
                "locks of the pool");
    for (int32_t i = 0; i < thread_count; i++)
        crypto_must(pthread_create(&offload->threads[i], NULL, run_thread, offload) == 0,
                    "thread of the pool");
    offload->thread_count = thread_count;
    return offload;
}

void offload_close(struct offload *offload)
{
    if (offload == NULL)
        return;
    pthread_mutex_lock(&offload->mutex);
    offload->closing = true;
    pthread_cond_broadcast(&offload->wake);
    pthread_mutex_unlock(&offload->mutex);
    for (int32_t i = 0; i < offload->thread_count; i++)
        pthread_join(offload->threads[i], NULL);
    pthread_cond_destroy(&offload->wake);
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

/* Runs after the fiber's stack was left, so a pool thread may resume it at once. */
static void enqueue(struct fiber *self, void *arg)
{
    struct work *work = arg;
    struct offload *offload = work->offload;

    work->fiber = self;
    pthread_mutex_lock(&offload->mutex);
    *offload->last_next = work;
    offload->last_next = &work->next;
    pthread_cond_signal(&offload->wake);
    pthread_mutex_unlock(&offload->mutex);
}

const struct error *crypto_offload(struct call *call, void (*run)(void *arg), void *arg)
{
    struct offload *offload = call->house->offload;
    if (!admit(offload))
        return error_retry(refuse(call, STATUS_RESOURCE_EXHAUSTED, "OVERLOADED",
                                  "too many passwords are being checked at once"),
                           1000);

    struct work work = {.offload = offload, .call = call, .run = run, .arg = arg};
    fiber_park(enqueue, &work);
    if (work.late)
        return refuse(call, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                      "the deadline passed before the work began");
    return NULL;
}
