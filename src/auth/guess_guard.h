/*
 * How fast the password of one e-mail address can be guessed, whoever guesses: a few wrong ones are
 * free, then each makes the next one wait twice as long.  Addresses are treated alike whether
 * anybody has them, so nothing is learnt from being kept waiting.
 *
 * This server's own, in memory: a restart forgets it, and so do 24 hours without a try.
 */
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/time.h"

#define GUESSES_FREE     5
#define GUESS_LONGEST_US (60 * US_PER_MINUTE)
#define GUESS_FORGET_US  (24 * 60 * US_PER_MINUTE)

struct guess_guard;
struct random;

struct guess_guard *guess_guard_open(const struct clock *clock, const struct random *random);
void guess_guard_close(struct guess_guard *guard);

/*
 * Before a password is looked at: 0, or how long to wait.  With 0 it counts as a wrong one until it
 * is told what came of it, so that many at the same time are no more than one after the other.
 * `device` is "" or the identity of a device, whose guesses are counted apart: no stranger keeps a
 * person's own device waiting.
 */
int64_t guess_guard_begin(struct guess_guard *guard, const char *email_key, const char *device)
    MUST_CHECK;

/* What came of it: once after each guess_guard_begin that answered 0. */
void guess_guard_wrong(struct guess_guard *guard, const char *email_key, const char *device);
void guess_guard_right(struct guess_guard *guard, const char *email_key, const char *device);
/* It was not found out, and is given back. */
void guess_guard_untold(struct guess_guard *guard, const char *email_key, const char *device);
