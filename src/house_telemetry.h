/*
 * What the house tells from outside: every room's measures, the calls that run, and whether it
 * serves.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/house.h"
#include "jobs/jobs.h"
#include "telemetry/telemetry.h"

struct ledger_sealer;
struct rpc_server;

#define HOUSE_JOB_KINDS_MAX 32

struct house_view {
    const struct house *house;
    struct rpc_server *server; /* set before telemetry_start */
    struct ledger_sealer *sealer;
    struct inbox *inbox;
    struct news_watch *news;
    atomic_bool is_stopping;
    const char *obligation_kinds[HOUSE_JOB_KINDS_MAX];
};

/* `view` outlives what is opened with the options. */
struct telemetry_options house_telemetry_options(struct house_view *view,
                                                 const struct job_kind *const *kinds,
                                                 size_t kind_count);
