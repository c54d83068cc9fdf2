/*
 * How often each caller may call: a token bucket for each identity, at the rate of its kind.
 *
 * An app's certificate is in every copy of the app, so one copy could use up what all of them have.
 * Such an identity has its bucket and, below it, one for each address it calls from.
 *
 * The table is of a fixed size.  Only a full bucket makes room for another identity, because to
 * forget it changes nothing: nobody gets a fresh burst by making the table forget him.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/call.h"
#include "base/settings.h"

/* A burst is what flows in within so many seconds. */
#define THROTTLE_BURST_SECONDS 2
/* What one address has of an app's rate. */
#define THROTTLE_SOURCE_SHARE 8

struct throttle;

/* What is used up: what the identity has, or of an app's what one address has. */
enum throttle_limit { THROTTLE_IDENTITY, THROTTLE_SOURCE };

struct throttle *throttle_open(const struct settings *settings, const struct random *random);
void throttle_close(struct throttle *throttle);

/*
 * Takes `cost` tokens of the caller.  0: they were there.  Otherwise none were taken, it is the
 * time in microseconds after which they will be, and `*limit` says what is used up.  Any thread.
 */
int64_t throttle_take(struct throttle *throttle, const struct caller *caller, int64_t cost,
                      int64_t now_us, enum throttle_limit *limit) MUST_CHECK;

/*
 * The part of a peer ("ipv4:192.0.2.1:4711", "ipv6:%5B2001:db8::1%5D:4711") that stays the same
 * however a caller chooses: the address, of IPv6 its first half, which is one customer of a
 * network.
 */
#define THROTTLE_SOURCE_SIZE 64
void throttle_source(const char *peer, char source[THROTTLE_SOURCE_SIZE]);
