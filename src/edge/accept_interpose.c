/*
 * accept4 and close of this process: exported from the executable (src/CMakeLists.txt), they are
 * what libgrpc finds under these names.  Only listeners of the guarded addresses are looked after;
 * libmicrohttpd accepts as ever, also at the same port of another address.
 */

#include "edge/accept_guard.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "edge/interpose.h"

#define LISTENERS_MAX 16
/* A name may stand for several addresses. */
#define PLACES_MAX 8

/* As the C library declares them, but for its names in C. */
int interposed_accept4(int listener, struct sockaddr *address, socklen_t *length,
                       int flags) __asm__("accept4");
int interposed_close(int descriptor) __asm__("close");

static struct accept_guard guard = {.mutex = PTHREAD_MUTEX_INITIALIZER, .spare = -1};

/* Places, not descriptors: the same number may be another file later. */
struct guarded {
    char listen[ADDRESS_TEXT_SIZE];
    int port; /* 0: free */
    size_t count;
    struct address_place places[PLACES_MAX];
};

static struct guarded listeners[LISTENERS_MAX]; /* under the guard's mutex */
static atomic_int listener_count;

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

static bool is_at(const struct guarded *guarded, const struct address_place *place)
{
    for (size_t i = 0; i < guarded->count; i++) {
        if (address_place_equal(&guarded->places[i], place))
            return true;
    }
    return false;
}

static bool is_guarded(int listener)
{
    struct address_place place;
    bool found = false;

    if (atomic_load(&listener_count) == 0 || !address_place_of_socket(listener, &place))
        return false;
    pthread_mutex_lock(&guard.mutex);
    for (int i = 0; i < LISTENERS_MAX && !found; i++)
        found = is_at(&listeners[i], &place);
    pthread_mutex_unlock(&guard.mutex);
    return found;
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

/* All that gRPC has bound for the name: it takes each address, and the wildcards as one. */
static struct guarded look_up(const char *listen, int port)
{
    struct guarded guarded = {.port = port};
    struct address address;
    AUTO(address_list_release) struct addrinfo *found = NULL;

    snprintf(guarded.listen, sizeof guarded.listen, "%s", listen);
    if (!address_parse(listen, &address) || address.path != NULL)
        bug("edge: \"%s\" is no address of a listener", listen);
    found = address_find(&address, port);
    for (const struct addrinfo *one = found; one != NULL && guarded.count < PLACES_MAX;
         one = one->ai_next) {
        if (address_place_of(one->ai_addr, &guarded.places[guarded.count]))
            guarded.count++;
    }
    return guarded;
}

void accept_guard_open(struct accept_limits limits, uint64_t seed, const char *listen, int port)
{
    struct guarded guarded = look_up(listen, port);
    int place = 0;

    pthread_mutex_lock(&guard.mutex);
    guard.limits = limits;
    if (guard.sources.connections == 0)
        guard.sources.seed = seed;
    if (guard.spare < 0)
        guard.spare = open_spare();
    while (place < LISTENERS_MAX && listeners[place].port != 0)
        place++;
    if (place == LISTENERS_MAX)
        bug("edge: more than %d listeners", LISTENERS_MAX);
    listeners[place] = guarded;
    atomic_fetch_add(&listener_count, 1);
    pthread_mutex_unlock(&guard.mutex);
}

void accept_guard_close(const char *listen, int port)
{
    pthread_mutex_lock(&guard.mutex);
    for (int i = 0; i < LISTENERS_MAX; i++) {
        if (listeners[i].port != port || !text_equal(listeners[i].listen, listen))
            continue;
        listeners[i] = (struct guarded){.port = 0};
        if (atomic_fetch_sub(&listener_count, 1) == 1) {
            real_close(guard.spare);
            guard.spare = -1;
        }
        break;
    }
    pthread_mutex_unlock(&guard.mutex);
}

struct accept_guard *accept_guard_of_process(void)
{
    return &guard;
}
