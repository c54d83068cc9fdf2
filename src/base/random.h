/*
 * Randomness is passed in.  The system source aborts when the kernel gives none: continuing with
 * predictable tokens would be worse.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    void (*fill)(const struct random *random, void *bytes, size_t size);
};

/* getrandom(2).  Safe from any thread. */
const struct random *random_system(void);

void random_fill(const struct random *random, void *bytes, size_t size);

/* Uniform in [0, bound), bound > 0; without modulo bias. */
uint64_t random_below(const struct random *random, uint64_t bound);
