/*
 * accept4 and close of this process: exported from the executable (src/CMakeLists.txt), they are
 * what libgrpc finds under these names.  Only listeners of the guarded ports are looked after;
 * libmicrohttpd accepts as ever.
 */

#include "edge/accept_guard.h"

#include <fcntl.h>
#include <netinet/in.h>

#include "base/bug.h"
#include "base/time.h"
#include "edge/interpose.h"

#define LISTENERS_MAX 16

/* As the C library declares them, but for its names in C. */
int interposed_accept4(int listener, struct sockaddr *address, socklen_t *length,
                       int flags) __asm__("accept4");
int interposed_close(int descriptor) __asm__("close");

static struct accept_guard guard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .spare = -1};

/* 0: free.  Ports, not descriptors: the same number may be another file later. */
static atomic_int ports[LISTENERS_MAX];
static atomic_int port_count;

typedef int accept4_function(int listener, struct sockaddr *address, socklen_t *length, int flags);
typedef int close_function(int descriptor);

static int real_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    static _Atomic(accept4_function *) real;
    accept4_function *known = atomic_load_explicit(&real, memory_order_relaxed);

    if (known == NULL) {
        void *found = interpose_next("accept4");
        memcpy(&known, &found, sizeof known);
        atomic_store_explicit(&real, known, memory_order_relaxed);
    }
    return known(listener, address, length, flags);
}

static int real_close(int descriptor)
{
    static _Atomic(close_function *) real;
    close_function *known = atomic_load_explicit(&real, memory_order_relaxed);

    if (known == NULL) {
        void *found = interpose_next("close");
        memcpy(&known, &found, sizeof known);
        atomic_store_explicit(&real, known, memory_order_relaxed);
    }
    return known(descriptor);
}

/* The machine's: descriptors outlive the server, and what it was given. */
static int64_t machine_now_us(void)
{
    return clock_monotonic_us(clock_system());
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* 0: it has none. */
static int port_of(int listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } address = {.storage = {0}};
    socklen_t length = sizeof address;

    if (getsockname(listener, &address.any, &length) != 0)
        return 0;
    if (address.any.sa_family == AF_INET)
        return ntohs(address.v4.sin_port);
    return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

static bool is_guarded(int listener)
{
    if (atomic_load(&port_count) == 0)
        return false;
    int port = port_of(listener);
    for (int i = 0; port != 0 && i < LISTENERS_MAX; i++) {
        if (atomic_load(&ports[i]) == port)
            return true;
    }
    return false;
}

int interposed_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    static const struct accept_calls calls = {real_accept4, real_close, open_spare, machine_now_us};

    if (!is_guarded(listener))
        return real_accept4(listener, address, length, flags);
    return accept_guard_run(&guard, &calls, listener, address, length, flags);
}

int interposed_close(int descriptor)
{
    accept_guard_leave(&guard, descriptor);
    return real_close(descriptor);
}

void accept_guard_open(struct accept_limits limits, uint64_t seed, int port)
{
    int place = 0;

    pthread_mutex_lock(&guard.mutex);
    guard.limits = limits;
    if (guard.sources.connections == 0)
        guard.sources.seed = seed;
    if (guard.spare < 0)
        guard.spare = open_spare();
    while (place < LISTENERS_MAX && atomic_load(&ports[place]) != 0)
        place++;
    if (place == LISTENERS_MAX)
        bug("edge: more than %d listeners", LISTENERS_MAX);
    atomic_store(&ports[place], port);
    atomic_fetch_add(&port_count, 1);
    pthread_mutex_unlock(&guard.mutex);
}

void accept_guard_close(int port)
{
    pthread_mutex_lock(&guard.mutex);
    for (int i = 0; i < LISTENERS_MAX; i++) {
        if (atomic_load(&ports[i]) != port)
            continue;
        atomic_store(&ports[i], 0);
        if (atomic_fetch_sub(&port_count, 1) == 1) {
            real_close(guard.spare);
            guard.spare = -1;
        }
        break;
    }
    pthread_mutex_unlock(&guard.mutex);
}

const struct accept_guard *accept_guard_of_process(void)
{
    return &guard;
}
