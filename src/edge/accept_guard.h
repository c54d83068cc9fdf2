/*
 * Lets connections in at the listeners of our server: counted, in all and by source, and never so
 * that gRPC's listener stops.
 *
 * libgrpc 1.51.1 knows EAGAIN and ECONNABORTED of accept4; after any other error, EMFILE for one,
 * it never accepts again (CVE-2023-4785).  So nothing else reaches it from here.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/bucket.h"
#include "edge/sources.h"

/* A connection with a larger descriptor is not let in. */
#define ACCEPT_DESCRIPTORS_MAX (256 * 1024)

/* Closed at once in one go: more than a backlog holds, so what is left then has come meanwhile and
 * wakes the listener again. */
#define ACCEPT_SHED_MAX 8192

/* The world: the functions that the interposed ones hide. */
struct accept_calls {
    int (*accept)(int listener, struct sockaddr *address, socklen_t *length, int flags);
    int (*close)(int descriptor);
    int (*open_spare)(void); /* -1: none left */
    int64_t (*now_us)(void); /* monotonic */
};

struct accept_limits {
    uint32_t total_max; /* 0: no limit */
    uint32_t source_max;
    struct bucket_rate rate; /* new ones: a handshake costs the server milliseconds */
};

enum accept_cause {
    ACCEPT_SHED_TOTAL,
    ACCEPT_SHED_SOURCE,
    ACCEPT_SHED_RATE,
    ACCEPT_SHED_DESCRIPTORS,
    ACCEPT_CAUSES,
};

struct accept_guard {
    pthread_mutex_t mutex;
    struct accept_limits limits;
    struct sources sources;
    struct bucket arrivals;
    int spare; /* given up when no descriptor is left, to accept with it; -1: none */
    atomic_uint_least32_t owners[ACCEPT_DESCRIPTORS_MAX]; /* by descriptor: place + 1 in sources */
    atomic_uint_least64_t admitted;
    atomic_uint_least64_t left;
    atomic_uint_least64_t cut;
    atomic_uint_least64_t shed[ACCEPT_CAUSES];
};

/* accept4 for a guarded listener: a connection that was let in, or -1 and errno: EAGAIN,
 * ECONNABORTED, or that there is no such listener. */
int accept_guard_run(struct accept_guard *guard, const struct accept_calls *calls, int listener,
                     struct sockaddr *address, socklen_t *length, int flags);

/* The descriptor is about to be closed.  Cheap for those that are not ours. */
void accept_guard_leave(struct accept_guard *guard, int descriptor);

struct address_place;

/* Nothing more is read from the connection of this peer; what was written to it arrives.  False:
 * there is none. */
bool accept_guard_cut(struct accept_guard *guard, const struct address_place *peer);

/* The guard behind the interposed functions, and the listeners that it guards: at what `listen`
 * ("127.0.0.1:0") stands for, with this port.  `seed`: see struct sources. */
void accept_guard_open(struct accept_limits limits, uint64_t seed, const char *listen, int port);
void accept_guard_close(const char *listen, int port);
struct accept_guard *accept_guard_of_process(void);
