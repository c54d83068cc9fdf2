/*
 * The edge: two guards between the network and gRPC, because Debian 12's libgrpc 1.51.1 can be
 * stopped by whoever connects too often, and kept busy by whoever has a certificate.
 *
 *   connections   how many in all and from one source; one too many is closed at once, and so is
 * one for which no descriptor is left, after which gRPC alone would never accept again
 *                 (accept_guard.h)
 *   frames        what one connection may send; beyond it the connection ends (frame_guard.h)
 *
 * Both take the place of a function that libgrpc calls (accept4, close, SSL_read, SSL_write), by
 * being exported from the executable.  With a libgrpc that binds them otherwise they would do
 * nothing, silently: hence the self-test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/measure.h"
#include "base/settings.h"
#include "base/time.h"

#define EDGE_PROBLEM_SIZE 256

/*
 * Guards the listeners at `settings->listen` from now on; `port` is the one that was bound.  What
 * is interposed is the process's, so are counters and limits: a process has one server.  Tests that
 * have several share the limits of the one opened last.
 */
void edge_open(const struct settings *settings, int port);
void edge_close(const struct settings *settings, int port);

/*
 * Nothing more is read from the connection of `peer`, as gRPC names it ("ipv4:127.0.0.1:40113"), so
 * that it ends; what was written to it arrives.
 */
void edge_cut(const char *peer);

void edge_measure(struct measures *out);

/* A client certificate that the server accepts, and its key; both PEM. */
struct edge_identity {
    const char *certificate_pem;
    const char *key_pem;
};

/*
 * Connects to `address` ("127.0.0.1:8443"; its port is replaced by `port`) as a client that breaks
 * the rules, and watches the guards catch it.  False and one line in `problem`: they do not, or
 * the server does not answer.  Blocks; the server serves already.
 */
bool edge_self_test(const char *address, int port, struct edge_identity identity,
                    char problem[EDGE_PROBLEM_SIZE]);
