/*
 * What a lane counts about itself.  Its thread writes, anybody reads.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/histogram.h"

/* Batches by how many ops they had: 1, 2 to 7, 8 to 31, more. */
#define BATCH_SIZES 4

enum op_outcome {
    OP_ANSWERED,    /* rows, or none */
    OP_REFUSED,     /* PostgreSQL raised an error */
    OP_UNAVAILABLE, /* no connection, or not known whether it was committed */
    OP_OUTCOMES,
};

struct lane_counts {
    atomic_uint_least64_t batches[BATCH_SIZES];
    atomic_uint_least64_t statements; /* sent: a set of look-ups is one */
    atomic_uint_least64_t ops[OP_OUTCOMES];
    atomic_uint_least64_t runs_again; /* ops that had to be run once more */
    atomic_uint_least64_t connects;
    struct histogram queue_delay; /* from the queue into a batch */
    struct histogram round_trip;  /* of a batch; of a write batch: until the commit is known */
};

static inline void counter_add(atomic_uint_least64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}
