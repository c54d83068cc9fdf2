/*
 * The kernel's randomness, and what is made of it.  There is no generator of our own: getrandom(2)
 * is fast enough, and a copy of a process (fork, snapshot) cannot repeat its numbers.
 */

#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/bug.h"

static void system_fill(const struct random *random, void *bytes, size_t size)
{
    unsigned char *next = bytes;

    (void)random;
    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            bug("random: getrandom failed");
        next += got;
        size -= (size_t)got;
    }
}

const struct random *random_system(void)
{
    static const struct random system = {system_fill};

    return &system;
}

void random_fill(const struct random *random, void *bytes, size_t size)
{
    random->fill(random, bytes, size);
}

uint64_t random_below(const struct random *random, uint64_t bound)
{
    if (bound == 0)
        bug("random_below: bound is 0");

    /* The highest multiple of `bound` is cut off at 2^64, so that every remainder is as likely. */
    uint64_t excess = (UINT64_MAX % bound + 1) % bound;
    uint64_t value;
    do {
        random_fill(random, &value, sizeof value);
    } while (value > UINT64_MAX - excess);
    return value % bound;
}
