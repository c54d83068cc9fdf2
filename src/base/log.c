/*
 * The queue of the log and the thread that empties it.
 *
 * There are two buffers: everybody appends to one, the thread writes out the other and then takes
 * them in turn.  Waking a thread costs more than a line, so while there is something to write the
 * thread looks by itself every millisecond, and sleeps only after a while without.
 *
 * A write(2) is no longer than a pipe takes whole, or it is a single line: so lines of several
 * processes on one pipe do not mix.  Whatever is wrong with the descriptor, the caller goes on.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log_line.h"

/* How long the thread waits before it looks again, and how often it does before it sleeps. */
#define NAP_US   US_PER_MS
#define NAPS_MAX 20

/*
 * Of a value so much is kept: a little more than is shown, so that it is seen that it is cut and
 * that a card number is not halved before it is noticed.
 */
#define KEPT_SIZE_MAX (LOG_VALUE_LENGTH_MAX + 64)

/* An event in the queue, with its texts behind it. */
struct record {
    int64_t time_us;
    const char *name;
    size_t size; /* of all of it */
    size_t field_count;
    enum log_level level;
    struct log_field fields[];
};

#define RECORD_SIZE_MAX                                                                            \
    (sizeof(struct record) + LOG_FIELDS_MAX * (sizeof(struct log_field) + KEPT_SIZE_MAX) +         \
     alignof(struct record))

struct queue {
    size_t length;
    alignas(struct record) char bytes[LOG_QUEUE_SIZE];
};

struct log {
    int descriptor;
    enum log_level least;
    const struct clock *clock;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards what is below; never held across an await or a write */
    pthread_cond_t look;   /* the thread shall look at once */
    pthread_cond_t done;   /* it has written what it took */
    enum log_format format;
    bool is_asleep;
    bool hurry; /* somebody waits for `done` */
    bool stopping;
    int64_t queued_count; /* lines, ever */
    int64_t written_count;
    struct queue *filling;

    /* The thread's own: */
    struct queue *writing;
    struct log_line line;
    size_t ready; /* of: */
    char lines[PIPE_BUF];
};

static void send_bytes(const struct log *log, const char *bytes, size_t size)
{
    struct pollfd ready = {.fd = log->descriptor, .events = POLLOUT};

    /* More than one write only when the first was cut short by a signal or a full disk. */
    while (size > 0) {
        ssize_t sent = write(log->descriptor, bytes, size);
        if (sent < 0 && errno == EINTR)
            continue;
        /* Who shares standard error may have made it so; the queue is what has a limit. */
        if (sent < 0 && errno == EAGAIN && poll(&ready, 1, -1) >= 0)
            continue;
        if (sent <= 0)
            return;
        bytes += sent;
        size -= (size_t)sent;
    }
}

static void send_ready(struct log *log)
{
    send_bytes(log, log->lines, log->ready);
    log->ready = 0;
}

static void send_line(struct log *log)
{
    const struct log_line *line = &log->line;

    if (line->length > sizeof log->lines - log->ready)
        send_ready(log);
    if (line->length > sizeof log->lines) {
        send_bytes(log, line->text, line->length);
        return;
    }
    memcpy(log->lines + log->ready, line->text, line->length);
    log->ready += line->length;
}

static void send_queue(struct log *log, enum log_format format)
{
    struct queue *queue = log->writing;

    for (size_t at = 0; at < queue->length;) {
        const struct record *record = (const struct record *)(const void *)(queue->bytes + at);
        const struct log_event event = {record->time_us, record->level, record->name,
                                        record->fields, record->field_count};
        if (format == LOG_JSON)
            log_line_json(&log->line, &event);
        else
            log_line_plain(&log->line, &event);
        send_line(log);
        at += record->size;
    }
    send_ready(log);
    queue->length = 0;
}

/* The mutex is held. */
static void nap(struct log *log)
{
    int64_t until_us = clock_monotonic_us(clock_system()) + NAP_US;
    const struct timespec until = {.tv_sec = until_us / US_PER_SECOND,
                                   .tv_nsec = until_us % US_PER_SECOND * 1000};

    if (!log->hurry && !log->stopping)
        pthread_cond_timedwait(&log->look, &log->mutex, &until);
}

/* Returns with something to write, or at the end.  The mutex is held. */
static void await_lines(struct log *log)
{
    for (int naps = 0; naps < NAPS_MAX; naps++) {
        nap(log);
        if (log->filling->length > 0 || log->stopping)
            return;
    }
    log->is_asleep = true;
    while (log->filling->length == 0 && !log->stopping)
        pthread_cond_wait(&log->look, &log->mutex);
    log->is_asleep = false;
}

static void *keep_writing(void *arg)
{
    struct log *log = arg;

    pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&log->mutex);
    for (;;) {
        await_lines(log);
        if (log->filling->length == 0)
            break;
        struct queue *taken = log->filling;
        log->filling = log->writing;
        log->writing = taken;
        log->hurry = false;
        enum log_format format = log->format;
        int64_t count = log->queued_count;
        pthread_cond_broadcast(&log->done); /* there is room again */
        pthread_mutex_unlock(&log->mutex);
        send_queue(log, format);
        pthread_mutex_lock(&log->mutex);
        log->written_count = count;
        pthread_cond_broadcast(&log->done);
    }
    pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* Signals are for the process's main thread. */
static void start_thread(struct log *log)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&log->thread, NULL, keep_writing, log) != 0)
        bug("log: cannot start a thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct log *log_open(int descriptor, enum log_level least, const struct clock *clock)
{
    struct log *log = calloc(1, sizeof *log);
    pthread_condattr_t attributes;

    if (log == NULL)
        bug("log: out of memory");
    log->descriptor = descriptor;
    log->least = least;
    log->clock = clock;
    log->filling = calloc(1, sizeof *log->filling);
    log->writing = calloc(1, sizeof *log->writing);
    if (log->filling == NULL || log->writing == NULL)
        bug("log: out of memory");
    pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->look, &attributes);
    pthread_cond_init(&log->done, &attributes);
    pthread_condattr_destroy(&attributes);
    start_thread(log);
    return log;
}

void log_set_format(struct log *log, enum log_format format)
{
    pthread_mutex_lock(&log->mutex);
    log->format = format;
    pthread_mutex_unlock(&log->mutex);
}

/* The mutex is held before and after. */
static void await_write(struct log *log)
{
    log->hurry = true;
    pthread_cond_signal(&log->look);
    pthread_cond_wait(&log->done, &log->mutex);
}

void log_flush(struct log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->mutex);
    int64_t until = log->queued_count;
    while (log->written_count < until)
        await_write(log);
    pthread_mutex_unlock(&log->mutex);
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->mutex);
    log->stopping = true;
    pthread_cond_signal(&log->look);
    pthread_mutex_unlock(&log->mutex);
    pthread_join(log->thread, NULL);
    pthread_cond_destroy(&log->done);
    pthread_cond_destroy(&log->look);
    pthread_mutex_destroy(&log->mutex);
    free(log->filling);
    free(log->writing);
    free(log);
}

/* The mutex is held and there is room. */
static void queue_record(struct queue *queue, struct record record, const struct log_field *fields)
{
    char *start = queue->bytes + queue->length;
    struct record *kept = (struct record *)(void *)start;
    size_t count = record.field_count < LOG_FIELDS_MAX ? record.field_count : LOG_FIELDS_MAX;

    *kept = record;
    kept->field_count = 0;
    char *end = (char *)(kept->fields + count);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key == NULL)
            continue;
        struct log_field *field = &kept->fields[kept->field_count++];
        *field = fields[i];
        if (fields[i].text == NULL)
            continue;
        field->text = end;
        char *next = memccpy(end, fields[i].text, '\0', KEPT_SIZE_MAX);
        end = next != NULL ? next : end + KEPT_SIZE_MAX;
        end[-1] = '\0';
    }
    size_t size = (size_t)(end - start);
    kept->size =
        (size + alignof(struct record) - 1) / alignof(struct record) * alignof(struct record);
    queue->length += kept->size;
}

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t field_count)
{
    if (log == NULL || level < log->least)
        return;
    const struct record record = {
        .time_us = clock_wall_us(log->clock),
        .name = event,
        .level = level,
        .field_count = field_count,
    };

    pthread_mutex_lock(&log->mutex);
    while (log->filling->length + RECORD_SIZE_MAX > LOG_QUEUE_SIZE)
        await_write(log);
    queue_record(log->filling, record, fields);
    log->queued_count++;
    if (log->is_asleep)
        pthread_cond_signal(&log->look);
    pthread_mutex_unlock(&log->mutex);
}
