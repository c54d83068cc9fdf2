/*
 * A worker: one thread, its connections, and the calls in flight over them.
 *
 * In the closed loop each answer starts the next call.  At a fixed rate a call starts when its time
 * has come, whatever became of those before; its latency counts from the time at which it should
 * have been sent, so a stalled server cannot make the client ask less and so look better
 * (coordinated omission).
 */
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "load.h"

#define EVENTS              64
#define LATE_US             1000
#define PACE_US             100 /* calls due within this time start together */
#define SWEEP_US            250000
#define IDLE_US             100000
#define CONNECT_STEP_US     10000
#define CONNECT_PATIENCE_US 30000000

static void sweep(struct worker *worker, int64_t now)
{
    for (size_t i = 0; i < worker->line_count; i++) {
        line_drop_overdue(&worker->lines[i], now);
        line_keep_open(&worker->lines[i], now);
    }
}

static void flush(struct worker *worker)
{
    for (size_t i = 0; i < worker->line_count; i++) {
        if (worker->lines[i].wire.out.size > 0)
            wire_flush(&worker->lines[i].wire);
    }
}

static void wait_until(struct worker *worker, int64_t until_us)
{
    struct epoll_event events[EVENTS];
    int64_t wait_us = until_us - now_us();

    if (wait_us < 0)
        wait_us = 0;
    const struct timespec timeout = {.tv_sec = wait_us / 1000000,
                                     .tv_nsec = wait_us % 1000000 * 1000};
    int count = epoll_pwait2(worker->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++)
        wire_ready(events[i].data.ptr);
}

/* Keeps `wanted` calls in flight on each connection. */
static void fill(struct worker *worker, int64_t now)
{
    for (size_t i = 0; i < worker->line_count; i++) {
        struct line *line = &worker->lines[i];
        while (line->active < line->wanted && worker->begun < worker->quota &&
               line_has_room(line)) {
            worker->begun++;
            line_begin(line, now);
        }
    }
}

static void closed_loop(struct worker *worker)
{
    int64_t swept_us = 0;

    for (;;) {
        int64_t now = now_us();
        if (now - swept_us > SWEEP_US) {
            swept_us = now;
            sweep(worker, now);
        }
        if (now < worker->count_until_us && worker->begun < worker->quota)
            fill(worker, now);
        else if (worker->active == 0)
            return;
        flush(worker);
        wait_until(worker, now + IDLE_US);
    }
}

/* The line whose turn it is, or the next that has room. */
static struct line *line_for(struct worker *worker, size_t turn)
{
    for (size_t i = 0; i < worker->line_count; i++) {
        struct line *line = &worker->lines[(turn + i) % worker->line_count];
        if (line_has_room(line))
            return line;
    }
    return NULL;
}

static int64_t due_us(const struct worker *worker, int64_t from_us, size_t n)
{
    const struct plan *plan = worker->plan;

    return from_us + (int64_t)(n * plan->threads * 1000000 / plan->rate);
}

static void send_due(struct worker *worker, int64_t from_us)
{
    for (;;) {
        int64_t now = now_us();
        int64_t due = due_us(worker, from_us, worker->begun);
        struct line *line =
            due > now || due >= worker->count_until_us ? NULL : line_for(worker, worker->begun);
        if (line == NULL)
            return;
        worker->begun++;
        worker->tally.late += due >= worker->count_from_us && now - due > LATE_US;
        line_begin(line, due);
    }
}

static void fixed_rate(struct worker *worker)
{
    int64_t from_us = now_us();
    int64_t swept_us = 0;

    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    for (;;) {
        int64_t now = now_us();
        if (now - swept_us > SWEEP_US) {
            swept_us = now;
            sweep(worker, now);
        }
        if (now < worker->count_until_us)
            send_due(worker, from_us);
        else if (worker->active == 0)
            break;
        flush(worker);
        int64_t next_us = due_us(worker, from_us, worker->begun);
        /* When there is no room on the connections, an answer wakes us. */
        bool waits = now >= worker->count_until_us || next_us <= now;
        wait_until(worker, waits                     ? now + IDLE_US
                           : next_us > now + PACE_US ? next_us
                                                     : now + PACE_US);
    }
    while (due_us(worker, from_us, worker->begun) < worker->count_until_us) {
        worker->tally.unsent += due_us(worker, from_us, worker->begun) >= worker->count_from_us;
        worker->begun++;
    }
}

void worker_connect(struct worker *worker)
{
    int64_t patience_us = now_us() + CONNECT_PATIENCE_US;

    for (;;) {
        size_t up = 0;
        int64_t now = now_us();
        for (size_t i = 0; i < worker->line_count; i++) {
            line_keep_open(&worker->lines[i], now);
            up += worker->lines[i].wire.state == WIRE_UP;
        }
        if (up == worker->line_count)
            return;
        if (now > patience_us)
            give_up("could not connect to ", worker->plan->target);
        wait_until(worker, now + CONNECT_STEP_US);
    }
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;

    if (worker->plan->rate > 0)
        fixed_rate(worker);
    else
        closed_loop(worker);
    return NULL;
}
