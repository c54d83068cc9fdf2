/*
 * Why a listener could not be had.  gRPC says only that, so the same is tried again by hand.
 */

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attributes.h"
#include "rpc/internal.h"

#define HOST_SIZE 256

static void release_addresses(struct addrinfo **addresses)
{
    if (*addresses != NULL)
        freeaddrinfo(*addresses);
}

static void close_socket(const int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
}

/* "127.0.0.1:8443" or "[::1]:8443".  False: it is neither. */
static bool split(const char *address, char host[HOST_SIZE], const char **port)
{
    const char *colon = strrchr(address, ':');
    bool bracketed = address[0] == '[';

    if (colon == NULL || colon - address < (bracketed ? 3 : 1) || (bracketed && colon[-1] != ']') ||
        colon - address >= HOST_SIZE)
        return false;
    snprintf(host, HOST_SIZE, "%.*s", (int)(colon - address) - (bracketed ? 2 : 0),
             address + (bracketed ? 1 : 0));
    *port = colon + 1;
    return true;
}

/* 0: nothing is wrong any more. */
static int try_to_listen(const struct addrinfo *address)
{
    const int on = 1;
    AUTO(close_socket)
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
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    AUTO(release_addresses) struct addrinfo *addresses = NULL;
    char host[HOST_SIZE];
    const char *port;

    *why = "that is not an address and a port";
    if (!split(address, host, &port))
        return RPC_LISTEN_IMPOSSIBLE;
    *why = "that is no address, and no name of one";
    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return RPC_LISTEN_IMPOSSIBLE;
    switch (try_to_listen(addresses)) {
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
