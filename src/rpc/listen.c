/*
 * Why a listener could not be had.  gRPC says only that, so the same is tried again by hand.
 */

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/address.h"
#include "rpc/internal.h"

/* 0: nothing is wrong any more. */
static int try_to_listen(const struct addrinfo *address)
{
    const int on = 1;
    AUTO(address_socket_release)
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return errno;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(descriptor, address->ai_addr, address->ai_addrlen) != 0)
        return errno;
    return listen(descriptor, 1) != 0 ? errno : 0;
}

/* `*why` is what keeps it, for people; NULL: nothing does. */
static enum rpc_listen try(const char *address, const char **why)
{
    AUTO(address_list_release) struct addrinfo *found = NULL;
    struct address parsed;

    *why = "that is not an address and a port";
    if (!address_parse(address, &parsed) || parsed.path != NULL)
        return RPC_LISTEN_IMPOSSIBLE;
    *why = "that is no address, and no name of one";
    found = address_find(&parsed, parsed.port);
    if (found == NULL)
        return RPC_LISTEN_IMPOSSIBLE;
    switch (try_to_listen(found)) {
    case 0:
        *why = NULL;
        return RPC_LISTEN_FREE;
    case EADDRINUSE:
        *why = "the port is taken";
        return RPC_LISTEN_TAKEN;
    case EADDRNOTAVAIL:
        *why = "the address is not one of this machine";
        return RPC_LISTEN_IMPOSSIBLE;
    case EACCES:
        *why = "this user may not take the port";
        return RPC_LISTEN_IMPOSSIBLE;
    default:
        *why = "gRPC refuses the address";
        return RPC_LISTEN_IMPOSSIBLE;
    }
}

enum rpc_listen rpc_listen_check(const char *address, char problem[RPC_PROBLEM_SIZE])
{
    const char *why;
    enum rpc_listen outcome = try(address, &why);

    if (outcome != RPC_LISTEN_FREE)
        snprintf(problem, RPC_PROBLEM_SIZE, "could not listen on %s: %s", address, why);
    return outcome;
}

void rpc_listen_problem(const char *address, char problem[RPC_PROBLEM_SIZE])
{
    if (rpc_listen_check(address, problem) == RPC_LISTEN_FREE)
        snprintf(problem, RPC_PROBLEM_SIZE, "could not listen on %s: gRPC refuses the address",
                 address);
}
