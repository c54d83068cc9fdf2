/*
 * What the files of the simulator share.
 */
#pragma once

#include <pthread.h>

#include "simulator/simulator.h"
#include "simulator/tasks.h"
#include "simulator/webhook.h"

#define WEBHOOK_TEXT_SIZE 512

struct simulator {
    struct simulator_options options;
    struct store *store;
    struct http_service *service;
    struct webhooks *webhooks;
    pthread_mutex_t lock; /* of all below, and of the store's steps */
    struct tasks tasks;
    struct faults faults;
    int64_t call_count;
    int64_t clock_offset_us;
    json_t *in_flight;   /* key → how many answers are on their way */
    json_t *undelivered; /* ids of events: kept while the journal is read */
    char webhook_url[WEBHOOK_TEXT_SIZE];
    char webhook_secret[WEBHOOK_TEXT_SIZE];
    char rolled_key[WEBHOOK_TEXT_SIZE]; /* "": the key was not rolled */
    bool has_first_key_ended;
};

/* Microseconds of the simulated clock. */
int64_t simulator_now_us(const struct simulator *simulator);

/* Every face; NULL terminated. */
extern const struct face *const simulator_faces[];
const struct face *face_by_name(const char *name);

/* Runs the tasks whose time has come. */
void simulator_run_tasks(struct simulator *simulator);

/* The handler of the HTTP service. */
void simulator_handle(void *owner, const struct http_service_request *request,
                      struct http_service_reply *reply);

/* The paths under /_simulator/ that are nobody's face. */
void control_handle(struct simulator *simulator, const struct http_service_request *request,
                    struct http_service_reply *reply);

/* Where the plan loses them: nobody sends them, after a restart either. */
void simulator_lose_events(struct tx *tx, const struct fault_plan *plan);

/* Puts the events of a step into the queue of webhooks. */
void simulator_queue_events(struct simulator *simulator, const struct face *face,
                            const json_t *events, const struct fault_plan *plan);
