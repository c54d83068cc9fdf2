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

/* NULL: nothing is wrong any more. */
static const char *reason(const char *address)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    AUTO(release_addresses) struct addrinfo *addresses = NULL;
    char host[HOST_SIZE];
    const char *port;

    if (!split(address, host, &port))
        return "that is not an address and a port";
    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return "that is no address, and no name of one";
    switch (try_to_listen(addresses)) {
    case 0:
        return NULL;
    case EADDRINUSE:
        return "the port is taken";
    case EADDRNOTAVAIL:
        return "the address is not one of this machine";
    case EACCES:
        return "this user may not take the port";
    default:
        return "gRPC refuses the address";
    }
}

bool rpc_listen_check(const char *address, char problem[RPC_PROBLEM_SIZE])
{
    const char *why = reason(address);

    if (why != NULL)
        snprintf(problem, RPC_PROBLEM_SIZE, "could not listen on %s: %s", address, why);
    return why == NULL;
}

void rpc_listen_problem(const char *address, char problem[RPC_PROBLEM_SIZE])
{
    if (rpc_listen_check(address, problem))
        snprintf(problem, RPC_PROBLEM_SIZE, "could not listen on %s: gRPC refuses the address",
                 address);
}
