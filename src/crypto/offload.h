/*
 * A small bounded pool of threads for work that would hold a lane or the poller too long: password
 * hashing.  A full queue is RESOURCE_EXHAUSTED with RetryInfo, never a longer queue.
 */
#pragma once

#include "base/call.h"

struct offload;

/* `thread_count` 0: half of the processors. */
struct offload *offload_open(int32_t thread_count, int32_t queue_max);
void offload_close(struct offload *offload);

/* RESOURCE_EXHAUSTED when work given now would be refused: before other work is done for it. */
const struct error *crypto_offload_check(struct call *call) MUST_CHECK;

/* Parks the fiber while a thread of the pool runs `run(arg)`, at the lowest priority. */
const struct error *crypto_offload(struct call *call, void (*run)(void *arg), void *arg) MUST_CHECK;
