/*
 * sendmsg of this process: exported from the executable (src/CMakeLists.txt), it is what libgrpc
 * finds under this name.  gRPC writes each answer by itself, and each write wakes its client, which
 * costs as much as all the rest of a short call.  So in a burst (base/burst.h) the kernel is told
 * that more follows (MSG_MORE, tcp(7)), and what it holds back leaves at the burst's end, at once
 * for each connection.
 *
 * A connection that is closed before sends what it holds as it closes; its number may by then be
 * another socket, whose data leave at once anyway: gRPC sets TCP_NODELAY on all of its own.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/burst.h"
#include "edge/interpose.h"

/* As the C library declares it, but for its name in C. */
ssize_t interposed_sendmsg(int descriptor, const struct msghdr *message,
                           int flags) __asm__("sendmsg");

typedef ssize_t sendmsg_function(int descriptor, const struct msghdr *message, int flags);

static ssize_t real_sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    static _Atomic(sendmsg_function *) real;
    sendmsg_function *known = atomic_load_explicit(&real, memory_order_relaxed);

    if (known == NULL) {
        void *found = interpose_next("sendmsg");
        memcpy(&known, &found, sizeof known);
        atomic_store_explicit(&real, known, memory_order_relaxed);
    }
    return known(descriptor, message, flags);
}

/* Setting it sends what is held back, also when it is set already (tcp(7)). */
static void let_go(void *arg)
{
    const int yes = 1;

    (void)setsockopt((int)(intptr_t)arg, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

ssize_t interposed_sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    if (burst_defer(let_go, (void *)(intptr_t)descriptor))
        flags |= MSG_MORE;
    return real_sendmsg(descriptor, message, flags);
}
