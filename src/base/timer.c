/*
 * The timer thread: a binary heap by due time, a condition variable that wakes it for the first.
 *
 * Deadlines of finished calls stay in the heap until they are due (they cannot be cancelled), so it
 * may hold a hundred thousand entries; it grows by doubling in mapped memory and is not shrunk.
 */

#include "base/timer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/bug.h"
#include "base/time.h"

#define CAPACITY_FIRST 1024

struct entry {
    int64_t due_us;    /* monotonic */
    uint64_t sequence; /* breaks ties */
    void (*work)(void *arg);
    void *arg;
};

struct timer {
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool stopping;
    uint64_t sequence;
    struct entry *heap;
    size_t count;
    size_t capacity;
};

static struct entry *map_entries(size_t capacity)
{
    void *memory = mmap(NULL, capacity * sizeof(struct entry), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        bug("timer: out of memory for %zu entries", capacity);
    return memory;
}

static void double_capacity(struct timer *timer)
{
    struct entry *heap = map_entries(2 * timer->capacity);

    memcpy(heap, timer->heap, timer->count * sizeof *heap);
    munmap(timer->heap, timer->capacity * sizeof *heap);
    timer->heap = heap;
    timer->capacity *= 2;
}

static bool is_earlier(const struct entry *a, const struct entry *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->sequence < b->sequence);
}

static void push(struct timer *timer, struct entry entry)
{
    if (timer->count == timer->capacity)
        double_capacity(timer);

    size_t hole = timer->count++;
    while (hole > 0 && is_earlier(&entry, &timer->heap[(hole - 1) / 2])) {
        timer->heap[hole] = timer->heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    timer->heap[hole] = entry;
}

static struct entry pop(struct timer *timer)
{
    struct entry first = timer->heap[0];
    struct entry moved = timer->heap[--timer->count];
    size_t hole = 0;

    for (;;) {
        size_t child = 2 * hole + 1;
        if (child + 1 < timer->count && is_earlier(&timer->heap[child + 1], &timer->heap[child]))
            child++;
        if (child >= timer->count || !is_earlier(&timer->heap[child], &moved))
            break;
        timer->heap[hole] = timer->heap[child];
        hole = child;
    }
    timer->heap[hole] = moved;
    return first;
}

static void wait_until(struct timer *timer, int64_t due_us)
{
    struct timespec due = {
        .tv_sec = due_us / US_PER_SECOND,
        .tv_nsec = due_us % US_PER_SECOND * 1000,
    };

    pthread_cond_timedwait(&timer->changed, &timer->lock, &due);
}

static void *run_timer(void *arg)
{
    struct timer *timer = arg;

    pthread_mutex_lock(&timer->lock);
    while (!timer->stopping) {
        if (timer->count == 0) {
            pthread_cond_wait(&timer->changed, &timer->lock);
            continue;
        }
        if (timer->heap[0].due_us > clock_monotonic_us(clock_system())) {
            wait_until(timer, timer->heap[0].due_us);
            continue;
        }
        struct entry due = pop(timer);
        pthread_mutex_unlock(&timer->lock);
        due.work(due.arg);
        pthread_mutex_lock(&timer->lock);
    }
    pthread_mutex_unlock(&timer->lock);
    return NULL;
}

struct timer *timer_open(void)
{
    struct timer *timer = calloc(1, sizeof *timer);
    pthread_condattr_t monotonic;

    if (timer == NULL)
        bug("timer: out of memory");
    timer->capacity = CAPACITY_FIRST;
    timer->heap = map_entries(timer->capacity);
    if (pthread_mutex_init(&timer->lock, NULL) != 0 || pthread_condattr_init(&monotonic) != 0 ||
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&timer->changed, &monotonic) != 0)
        bug("timer: cannot make its lock");
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&timer->thread, NULL, run_timer, timer) != 0)
        bug("timer: cannot start its thread");
    pthread_setname_np(timer->thread, "timer");
    return timer;
}

void timer_close(struct timer *timer)
{
    if (timer == NULL)
        return;
    pthread_mutex_lock(&timer->lock);
    timer->stopping = true;
    pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
    pthread_join(timer->thread, NULL);

    pthread_cond_destroy(&timer->changed);
    pthread_mutex_destroy(&timer->lock);
    munmap(timer->heap, timer->capacity * sizeof *timer->heap);
    free(timer);
}

void timer_add(struct timer *timer, int64_t delay_us, void (*work)(void *arg), void *arg)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    int64_t due_us;

    if (delay_us < 0)
        delay_us = 0;
    if (__builtin_add_overflow(now_us, delay_us, &due_us))
        due_us = INT64_MAX;

    pthread_mutex_lock(&timer->lock);
    uint64_t sequence = timer->sequence++;
    push(timer, (struct entry){due_us, sequence, work, arg});
    /* Only a new first changes how long the thread may sleep. */
    if (timer->heap[0].sequence == sequence)
        pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
}
