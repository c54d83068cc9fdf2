/*
 * The house as seen from outside, over plain HTTP on its own socket (settings.metrics_listen):
 *
 *   /metrics   every room's measures, in the exposition format of Prometheus 0.0.4
 *   /calls     the calls that run now, as JSON
 *   /healthz   200 while calls are served, else 503
 *
 * Nothing that is asked here waits for the database: what only it knows is asked for in the
 * background (telemetry/facts.c), and the page has what was answered last, with its age.
 */
#pragma once

#include "base/house.h"
#include "base/measure.h"
#include "pg/pg.h"

#define TELEMETRY_PROBLEM_SIZE 512

struct telemetry_options {
    const struct house *house;
    const char *const *obligation_kinds; /* known by name; what is none of them is "other" */
    size_t obligation_kind_count;

    /* On the listener's thread, between telemetry_start and telemetry_close. */
    void *owner;
    void (*measure)(void *owner, struct measures *out);              /* every room */
    const char *(*describe_calls)(void *owner, struct arena *arena); /* a JSON text */
    bool (*is_serving)(void *owner);
};

struct telemetry;

/*
 * Takes the address; nobody is answered yet.  `*opened` is NULL when metrics_listen is "off".
 * False and one line in `problem`: the address cannot be had.
 */
bool telemetry_open(const struct telemetry_options *options, struct telemetry **opened,
                    char problem[TELEMETRY_PROBLEM_SIZE]);

/* Answers, and begins to ask the database.  False: no thread.  All take NULL for "off". */
bool telemetry_start(struct telemetry *telemetry);

/* The port of the listener; 0: a unix socket, or "off". */
int telemetry_port(const struct telemetry *telemetry);

/* Asks the database no more; returns at once. */
void telemetry_rest(struct telemetry *telemetry);

/* Before the pool of fibers and the lanes are closed. */
void telemetry_close(struct telemetry *telemetry);

extern pg_statement_list telemetry_statements;
