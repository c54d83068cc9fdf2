/*
 * The decisions of the accept guard; interpose.c puts them where libgrpc calls accept4 and close.
 *
 * A connection is known to be over when its descriptor is closed, and that is seen by interposing
 * close(2): exact at once also for a peer that never says a word, and one relaxed load for every
 * other descriptor of the process.  The other ways were worse.  The end of the TLS session does not
 * come for who never began one, and comparing inodes by fstat(2) near the cap gives an attacker who
 * sits at the cap a walk over all descriptors for each connection.  A close that nobody saw
 * (close_range, dup2 over it) heals by itself: when the kernel gives the number out again, the
 * old connection is over.
 */

#include "edge/accept_guard.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"

static void count(atomic_uint_least64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The mutex is held. */
static void forget(struct accept_guard *guard, int descriptor)
{
    uint32_t owner = atomic_exchange(&guard->owners[descriptor], 0);

    if (owner == 0)
        return;
    sources_leave(&guard->sources, owner - 1);
    count(&guard->left);
}

void accept_guard_leave(struct accept_guard *guard, int descriptor)
{
    if (descriptor < 0 || descriptor >= ACCEPT_DESCRIPTORS_MAX ||
        atomic_load_explicit(&guard->owners[descriptor], memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&guard->mutex);
    forget(guard, descriptor);
    pthread_mutex_unlock(&guard->mutex);
}

static bool is_from(int descriptor, const struct address_place *peer)
{
    struct address_place place;

    return address_place_of_far_end(descriptor, &place) && address_place_equal(&place, peer);
}

static bool is_of(const struct accept_guard *guard, int descriptor,
                  const struct address_place *peer)
{
    return atomic_load_explicit(&guard->owners[descriptor], memory_order_relaxed) != 0 &&
           is_from(descriptor, peer);
}

/* While the mutex is held, none of ours is closed, so no number becomes another file's. */
static bool cut(struct accept_guard *guard, int descriptor, const struct address_place *peer)
{
    pthread_mutex_lock(&guard->mutex);
    bool is_it = is_of(guard, descriptor, peer);
    if (is_it)
        (void)shutdown(descriptor, SHUT_RD); /* it fails for one that is cut already */
    pthread_mutex_unlock(&guard->mutex);
    return is_it;
}

/* It is looked for without the mutex, so that nobody who connects waits for a walk over all
 * descriptors, and looked at again with it. */
bool accept_guard_cut(struct accept_guard *guard, const struct address_place *peer)
{
    bool found = false;

    for (int i = 0; i < ACCEPT_DESCRIPTORS_MAX && !found; i++)
        found = is_of(guard, i, peer) && cut(guard, i, peer);
    if (found)
        count(&guard->cut);
    return found;
}

/* The mutex is held.  False: not let in, and why. */
static bool enter(struct accept_guard *guard, int descriptor, const struct sockaddr_storage *peer,
                  int64_t now_us, enum accept_cause *cause)
{
    uint32_t place = 0;

    *cause = ACCEPT_SHED_DESCRIPTORS;
    if (descriptor >= ACCEPT_DESCRIPTORS_MAX)
        return false;
    forget(guard, descriptor);
    enum admission admission =
        sources_enter(&guard->sources, source_key(peer), guard->limits.total_max,
                      guard->limits.source_max, &place);
    *cause = admission == SHED_SOURCE ? ACCEPT_SHED_SOURCE : ACCEPT_SHED_TOTAL;
    if (admission != ADMITTED)
        return false;
    /* Last, so that a source beyond its share uses up nothing of the others'. */
    *cause = ACCEPT_SHED_RATE;
    if (!bucket_take(&guard->arrivals, guard->limits.rate, 1, now_us)) {
        sources_leave(&guard->sources, place);
        return false;
    }
    atomic_store(&guard->owners[descriptor], place + 1);
    count(&guard->admitted);
    return true;
}

/* With a reset: nothing of it lingers in the kernel, or waits for a peer that takes its time. */
static void drop(const struct accept_calls *calls, int descriptor)
{
    const struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    calls->close(descriptor);
}

static bool admit(struct accept_guard *guard, const struct accept_calls *calls, int descriptor,
                  const struct sockaddr_storage *peer)
{
    int64_t now_us = calls->now_us();
    enum accept_cause cause;

    pthread_mutex_lock(&guard->mutex);
    bool entered = enter(guard, descriptor, peer, now_us, &cause);
    if (guard->spare < 0)
        guard->spare = calls->open_spare();
    pthread_mutex_unlock(&guard->mutex);
    if (entered)
        return true;
    count(&guard->shed[cause]);
    drop(calls, descriptor);
    return false;
}

/* Closes one that waits, with the descriptor kept for that.  False and errno: nobody waits, or not
 * even this could be had. */
static bool sacrifice(struct accept_guard *guard, const struct accept_calls *calls, int listener)
{
    pthread_mutex_lock(&guard->mutex);
    if (guard->spare >= 0)
        calls->close(guard->spare);
    int descriptor = calls->accept(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int error = errno;
    if (descriptor >= 0)
        drop(calls, descriptor);
    guard->spare = calls->open_spare();
    pthread_mutex_unlock(&guard->mutex);
    if (descriptor >= 0)
        count(&guard->shed[ACCEPT_SHED_DESCRIPTORS]);
    errno = error == EAGAIN ? EAGAIN : ECONNABORTED;
    return descriptor >= 0;
}

enum failure { NOBODY_WAITS, LISTENER_GONE, NO_DESCRIPTOR, ONE_CONNECTION };

static enum failure failure_of(int error)
{
    switch (error) {
    case EAGAIN:
        return NOBODY_WAITS;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        return LISTENER_GONE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return NO_DESCRIPTOR;
    default: /* accept(2): what went wrong with the connection comes out here, too */
        return ONE_CONNECTION;
    }
}

static void tell_peer(const struct sockaddr_storage *peer, socklen_t peer_length,
                      struct sockaddr *address, socklen_t *length)
{
    if (address == NULL || length == NULL)
        return;
    memcpy(address, peer, *length < peer_length ? *length : peer_length);
    *length = peer_length;
}

/*
 * The listener's epoll is edge-triggered: whoever stays in the backlog is seen again only with the
 * next to come, so it is emptied as far as it goes.
 */
int accept_guard_run(struct accept_guard *guard, const struct accept_calls *calls, int listener,
                     struct sockaddr *address, socklen_t *length, int flags)
{
    for (int tries = 0; tries < ACCEPT_SHED_MAX; tries++) {
        struct sockaddr_storage peer = {0};
        socklen_t peer_length = sizeof peer;
        int descriptor = calls->accept(listener, (struct sockaddr *)&peer, &peer_length, flags);

        if (descriptor >= 0) {
            if (!admit(guard, calls, descriptor, &peer))
                continue;
            tell_peer(&peer, peer_length, address, length);
            return descriptor;
        }
        enum failure failure = failure_of(errno);
        if (failure == NOBODY_WAITS || failure == LISTENER_GONE)
            return -1;
        if (failure == NO_DESCRIPTOR && !sacrifice(guard, calls, listener))
            return -1;
    }
    errno = ECONNABORTED;
    return -1;
}
