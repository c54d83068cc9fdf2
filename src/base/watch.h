/*
 * Watching: one question to the database, asked by a fiber again and again while the house is open.
 *
 *   watch_open   watch_ask_now …   watch_start ──► asks, rests, asks, rests …   watch_close
 *
 * An outage is said in the log once, at its first failure, until the question works again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/call.h"
#include "base/error.h"
#include "base/house.h"

struct watch;

struct watch_question {
    const struct house *house;
    const char *caller; /* "system/telemetry" */
    const char *method; /* "telemetry/look" */
    int64_t every_us;   /* between an answer and the next question */
    int64_t limit_us;   /* of one question */
    size_t arena_size;  /* of its call, which is emptied after each */

    /* In a fiber; never twice at a time. */
    const struct error *(*ask)(void *owner, struct call *call);
    void *owner;

    const char *trouble_event;    /* the warning's name, "telemetry.cannot_ask" */
    const char *trouble_message;  /* NULL: the error's own */
    void (*trouble)(void *owner); /* NULL, or called in the fiber when an outage begins */
};

/* Nothing is asked yet.  What the question points to is the caller's until watch_close. */
struct watch *watch_open(const struct watch_question *question);

/*
 * Asks once, before watch_start, and blocks the plain thread until it is answered; for start-up
 * code, as fiber_run is.  False: it failed.
 */
bool watch_ask_now(struct watch *watch) MUST_CHECK;

/*
 * Starts the fiber.  It asks at once, or `every_us` later when watch_ask_now has asked; aborts when
 * as many fibers live as may.
 */
void watch_start(struct watch *watch);

/* The fiber ends after the question under way, or some milliseconds.  Returns at once. */
void watch_stop(struct watch *watch);

/* Stops, waits for the fiber and frees; before lanes and fibers are closed.  NULL is allowed. */
void watch_close(struct watch *watch);
