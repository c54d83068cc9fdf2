/*
 * Opens what a listener listens on.
 *
 * A unix socket outlives the process that was killed, as a file.  Whether somebody listens behind
 * it is found out by connecting; only then is it taken away.  Nobody can connect before it has its
 * mode: that needs listen(2), which comes last.
 */

#include "http/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"

#define BACKLOG     64
#define SOCKET_MODE 0660
#define NOT_OURS    "that is no address and port of this machine"

_Static_assert(sizeof(((struct sockaddr_un *)NULL)->sun_path) == HTTP_SOCKET_PATH_SIZE,
               "the size of sun_path");

static bool cannot(const char *name, const char *why, char problem[HTTP_PROBLEM_SIZE])
{
    snprintf(problem, HTTP_PROBLEM_SIZE, "could not listen on %s: %s", name, why);
    return false;
}

static const char *reason(int error)
{
    if (error == EADDRINUSE)
        return "the address is taken";
    if (error == EADDRNOTAVAIL)
        return "the address is not one of this machine";
    return strerror(error);
}

/* Close-on-exec, and never waited for. */
static int make_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool give_up(struct http_socket *opened, const char *name, int error,
                    char problem[HTTP_PROBLEM_SIZE])
{
    if (opened->descriptor >= 0)
        close(opened->descriptor);
    opened->descriptor = -1;
    return cannot(name, reason(error), problem);
}

/* True: the path is free.  False and errno: it is not, and stays. */
static bool make_way(const struct sockaddr_un *address)
{
    struct stat found;

    if (lstat(address->sun_path, &found) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(found.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int probe = make_socket(AF_UNIX);
    if (probe < 0)
        return false;
    bool is_stale =
        connect(probe, (const struct sockaddr *)(const void *)address, sizeof(*address)) != 0 &&
        errno == ECONNREFUSED;
    close(probe);
    errno = EADDRINUSE;
    return is_stale && unlink(address->sun_path) == 0;
}

static bool open_unix(const char *name, const char *path, struct http_socket *opened,
                      char problem[HTTP_PROBLEM_SIZE])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        char why[64];
        snprintf(why, sizeof(why), "a socket's path has at most %zu characters",
                 sizeof(address.sun_path) - 1);
        return cannot(name, why, problem);
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (!make_way(&address))
        return cannot(name, errno == EEXIST ? "there is a file that is no socket" : reason(errno),
                      problem);
    opened->descriptor = make_socket(AF_UNIX);
    if (opened->descriptor < 0 ||
        bind(opened->descriptor, (const struct sockaddr *)(const void *)&address,
             sizeof(address)) != 0)
        return give_up(opened, name, errno, problem);
    if (chmod(path, SOCKET_MODE) != 0 || listen(opened->descriptor, BACKLOG) != 0) {
        int error = errno;
        unlink(path);
        return give_up(opened, name, error, problem);
    }
    memcpy(opened->path, address.sun_path, sizeof(opened->path));
    return true;
}

static bool open_port(const char *name, const struct address *wanted, struct http_socket *opened,
                      char problem[HTTP_PROBLEM_SIZE])
{
    const int on = 1;
    AUTO(address_list_release) struct addrinfo *found = address_find(wanted, wanted->port);

    if (found == NULL)
        return cannot(name, NOT_OURS, problem);
    opened->descriptor = make_socket(found->ai_family);
    if (opened->descriptor < 0)
        return give_up(opened, name, errno, problem);
    (void)setsockopt(opened->descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (found->ai_family == AF_INET6)
        (void)setsockopt(opened->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(opened->descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(opened->descriptor, BACKLOG) != 0)
        return give_up(opened, name, errno, problem);
    opened->port = address_bound_port(opened->descriptor);
    return true;
}

bool http_socket_open(const char *name, struct http_socket *opened, char problem[HTTP_PROBLEM_SIZE])
{
    struct address wanted;

    *opened = (struct http_socket){.descriptor = -1};
    if (!address_parse(name, &wanted))
        return cannot(name, NOT_OURS, problem);
    if (wanted.path != NULL)
        return open_unix(name, wanted.path, opened, problem);
    return open_port(name, &wanted, opened, problem);
}

void http_socket_close(struct http_socket *opened)
{
    if (opened->path[0] != '\0')
        unlink(opened->path);
    if (opened->descriptor >= 0)
        close(opened->descriptor);
    *opened = (struct http_socket){.descriptor = -1};
}
