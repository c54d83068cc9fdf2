/*
 * A watch has one fiber at a time: the one of watch_ask_now, then the one that goes on until it is
 * told to stop.  So what is asked for needs no lock; the mutex is for starting and stopping only.
 */

#include "base/watch.h"

#include <pthread.h>

#include "base/arena.h"
#include "base/bug.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/time.h"

/* A sleeping fiber cannot be woken, so it rests in slices: whoever closes waits for one. */
#define SLICE_US (25 * US_PER_MS)

struct watch {
    struct watch_question question;
    pthread_mutex_t mutex; /* guards the next two */
    pthread_cond_t changed;
    bool stopping;
    bool lives; /* the fiber of watch_start */

    /* The asking fiber's own: */
    struct arena *arena;
    bool has_asked;
    bool in_trouble;
};

static void note(struct watch *watch, const struct error *error)
{
    const struct watch_question *question = &watch->question;
    bool begins = error != NULL && !watch->in_trouble;

    watch->in_trouble = error != NULL;
    if (!begins)
        return;
    if (question->trouble != NULL)
        question->trouble(question->owner);
    const char *message =
        question->trouble_message != NULL ? question->trouble_message : error->message;
    log_write(question->house->log, LOG_WARNING, question->trouble_event,
              LOG_FIELDS(LOG_TEXT("reason", error->reason), LOG_TEXT("message", message),
                         LOG_TEXT("cause", error->cause)));
}

static void ask(void *arg)
{
    struct watch *watch = arg;
    const struct watch_question *question = &watch->question;
    struct call call = call_of_house(question->house, watch->arena, question->caller,
                                     question->method, question->limit_us);

    note(watch, question->ask(question->owner, &call));
    watch->has_asked = true;
    arena_reset(watch->arena);
}

static bool is_stopping(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    bool stopping = watch->stopping;
    pthread_mutex_unlock(&watch->mutex);
    return stopping;
}

static void rest(struct watch *watch)
{
    int64_t left_us = watch->question.every_us;

    while (left_us > 0 && !is_stopping(watch)) {
        fiber_sleep(left_us < SLICE_US ? left_us : SLICE_US);
        left_us -= SLICE_US;
    }
}

static void ask_again_and_again(void *arg)
{
    struct watch *watch = arg;

    if (watch->has_asked)
        rest(watch);
    while (!is_stopping(watch)) {
        ask(watch);
        rest(watch);
    }
    pthread_mutex_lock(&watch->mutex);
    watch->lives = false;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->mutex);
}

struct watch *watch_open(const struct watch_question *question)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        bug("no memory for %s", question->method);
    watch->question = *question;
    watch->arena = arena_new(question->arena_size);
    pthread_mutex_init(&watch->mutex, NULL);
    pthread_cond_init(&watch->changed, NULL);
    return watch;
}

bool watch_ask_now(struct watch *watch)
{
    fiber_run(watch->question.house->fibers, ask, watch);
    return !watch->in_trouble;
}

void watch_start(struct watch *watch)
{
    watch->lives = true; /* before the fiber, which may have ended when fiber_start returns */
    if (!fiber_start(watch->question.house->fibers, ask_again_and_again, watch))
        bug("no fiber for %s", watch->question.method);
}

void watch_stop(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->stopping = true;
    pthread_mutex_unlock(&watch->mutex);
}

void watch_close(struct watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->mutex);
    watch->stopping = true;
    while (watch->lives)
        pthread_cond_wait(&watch->changed, &watch->mutex);
    pthread_mutex_unlock(&watch->mutex);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->mutex);
    arena_free(watch->arena);
    free(watch);
}
