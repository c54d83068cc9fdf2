/*
 * The simulator: faces of gateways over one store, with faults on order and webhooks.
 *
 * Everything that changes does so in a step of the store, under one lock; what waits (late answers,
 * webhooks) waits outside of it.  The simulated clock is the machine's plus what the control
 * endpoint added, so that seven days can pass in a test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "base/time.h"
#include "simulator/face.h"

#define SIMULATOR_PROBLEM_SIZE 256

struct simulator_options {
    const char *listen;          /* "127.0.0.1:0" */
    const char *certificate_pem; /* NULL: without TLS */
    const char *key_pem;
    const char *journal; /* path */
    const char *secret_key;
    const char *webhook_url;    /* "": none until the control endpoint names one */
    const char *webhook_secret; /* "" when there is no URL */
    const char *webhook_ca;     /* path; NULL: the machine's */
    int64_t settle_ms;          /* how long the bank takes: refunds that pend, disputes */
    int32_t random_percent;
    uint64_t random_seed;
    const struct clock *clock;
    const struct random *random;
};

struct simulator *simulator_open(const struct simulator_options *options,
                                 char problem[SIMULATOR_PROBLEM_SIZE]);
bool simulator_start(struct simulator *simulator, char problem[SIMULATOR_PROBLEM_SIZE]);
int simulator_port(const struct simulator *simulator);

/* To be called every now and then: what the simulated bank does later is done. */
void simulator_tick(struct simulator *simulator);
void simulator_close(struct simulator *simulator);

/* For the faces, under the lock. */

const struct simulator_options *simulator_options(const struct simulator *simulator);

/* A caller's secret key: the one of the options or the one it was rolled to, while they count. */
#define SIMULATOR_KEYS 2
const char *simulator_key(const struct simulator *simulator, size_t index);

/* `prefix` and `length` letters and digits. */
char *simulator_id(const struct simulator *simulator, struct arena *arena, const char *prefix,
                   size_t length);

/* A task of the face: {"kind": …, "target": …} when the simulated clock is at `due_us`. */
void simulator_add_task(struct simulator *simulator, struct tx *tx, const char *face,
                        int64_t due_us, const char *kind, const char *target);

/* An answer is being made for this key: a second request with it is refused. */
bool simulator_is_in_flight(const struct simulator *simulator, const char *key);

/* Somebody receives webhooks. */
bool simulator_has_webhook(const struct simulator *simulator);
