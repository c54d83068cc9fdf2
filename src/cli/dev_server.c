/*
 * The server of `dues dev`: its address, its configuration, the schema, and when it is ready.
 */
#include "cli/dev.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "base/text.h"
#include "cli/connection.h"

#define MASTER_KEY_SIZE 32

/* "127.0.0.1:8443" or "[::1]:8443" into its two halves. */
static bool split_address(struct dev *dev, const char **port)
{
    const char *colon = strrchr(dev->listen, ':');
    if (colon == NULL || colon[1] == '\0' || colon == dev->listen)
        return false;
    *port = colon + 1;
    bool is_bracketed = dev->listen[0] == '[' && colon[-1] == ']';
    const char *host = is_bracketed ? dev->listen + 1 : dev->listen;
    size_t length = (size_t)(colon - host) - (is_bracketed ? 1 : 0);
    dev->host = arena_strndup(dev->arena, host, length);
    /* "::1:0" could be an address without a port. */
    if (is_bracketed != (strchr(dev->host, ':') != NULL))
        return false;
    return strspn(*port, "0123456789") == strlen(*port) && strlen(*port) <= 5 &&
           strtol(*port, NULL, 10) <= UINT16_MAX;
}

/* The port that is really bound: the kernel chooses one for 0. */
static int bound_port(int listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(listener, &address.any, &size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static const char *try_to_bind(struct dev *dev, const struct addrinfo *found)
{
    const int on = 1;
    int listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return arena_printf(dev->arena, "could not make a socket: %s", strerror(errno));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const char *problem = NULL;
    if (bind(listener, found->ai_addr, found->ai_addrlen) != 0)
        problem =
            errno == EADDRINUSE
                ? arena_printf(dev->arena, "%s is in use: choose another with --listen",
                               dev->listen)
                : arena_printf(dev->arena, "cannot listen on %s: %s", dev->listen, strerror(errno));
    int port = bound_port(listener);
    close(listener);
    dev->address = found->ai_family == AF_INET6
                       ? arena_printf(dev->arena, "[%s]:%d", dev->host, port)
                       : arena_printf(dev->arena, "%s:%d", dev->host, port);
    return problem;
}

/* The address that --listen means; to be freed. */
static struct addrinfo *resolve(struct dev *dev)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *port = NULL;
    if (!split_address(dev, &port) || getaddrinfo(dev->host, port, &hints, &found) != 0)
        return NULL;
    return found;
}

/* Reachable from this machine alone: the certificates and keys are made for trying out. */
static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

const char *dev_address_parse(struct dev *dev)
{
    struct addrinfo *found = resolve(dev);
    if (found == NULL)
        return arena_printf(dev->arena,
                            "--listen needs ADDRESS:PORT such as %s or [::1]:8443, not \"%s\"",
                            DEV_LISTEN_DEFAULT, dev->listen);
    bool is_ours = is_loopback(found->ai_addr);
    freeaddrinfo(found);
    if (!is_ours)
        return arena_printf(dev->arena,
                            "--listen takes a loopback address only, such as %s, not \"%s\": "
                            "`dues dev` is for trying out",
                            DEV_LISTEN_DEFAULT, dev->listen);
    return NULL;
}

const char *dev_address_check(struct dev *dev)
{
    struct addrinfo *found = resolve(dev);
    if (found == NULL)
        return arena_printf(dev->arena, "cannot listen on %s", dev->listen);
    const char *problem = try_to_bind(dev, found);
    freeaddrinfo(found);
    return problem;
}

static const char *make_master_key(struct dev *dev)
{
    uint8_t key[MASTER_KEY_SIZE];
    char text[2 * MASTER_KEY_SIZE + 2];
    if (access(dev_path(dev, "master.key"), F_OK) == 0)
        return NULL;
    random_fill(random_system(), key, sizeof(key));
    hex_encode(key, sizeof(key), text);
    text[2 * MASTER_KEY_SIZE] = '\n';
    text[2 * MASTER_KEY_SIZE + 1] = '\0';
    const char *problem = dev_write(dev, "master.key", text, 0600);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(text, sizeof(text));
    return problem;
}

/* A value of a libpq connection string: quoted, with \ before ' and \. */
static const char *quoted(struct dev *dev, const char *text)
{
    char *result = arena_alloc(dev->arena, 2 * strlen(text) + 3);
    size_t size = 0;
    result[size++] = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            result[size++] = '\\';
        result[size++] = *text;
    }
    result[size] = '\'';
    return result;
}

const char *dev_metrics_path(struct dev *dev)
{
    return arena_printf(dev->arena, "%s/metrics", dev->socket_directory);
}

const char *dev_server_configure(struct dev *dev)
{
    const char *certs = dev_path(dev, STATE_CERTIFICATES);
    const char *socket_directory = quoted(dev, dev->socket_directory);
    const char *problem = make_master_key(dev);
    if (problem != NULL)
        return problem;
    return dev_write(dev, "duesd.conf",
                     arena_printf(dev->arena,
                                  "# Written by `dues dev` at every start.\n"
                                  "listen = %s\n"
                                  "trust_domain = dues.local\n"
                                  "tls_certificate = %s/server.pem\n"
                                  "tls_key = %s/server.key\n"
                                  "tls_client_ca = %s/ca.pem\n"
                                  "database = host=%s port=5432 dbname=dues user=dues_service\n"
                                  "database_owner = host=%s port=5432 dbname=dues user=dues_owner\n"
                                  "master_key_file = %s/master.key\n"
                                  "sandbox = on\n"
                                  "sandbox_journal = %s/gateway.journal\n"
                                  "# A year of a test clock may take a while.\n"
                                  "deadline_max_ms = 300000\n"
                                  "# People try things out faster than phones call.\n"
                                  "rate_device = 500\n"
                                  "rate_operator = 1000\n"
                                  "metrics_listen = unix:%s\n"
                                  "scopes.service = *\n"
                                  "scopes.operator = *\n",
                                  dev->address, certs, certs, certs, socket_directory,
                                  socket_directory, dev->directory, dev->directory,
                                  dev_metrics_path(dev)),
                     0644);
}

static const char *wait_until_ready(struct dev *dev)
{
    const char *const argv[] = {dev->self,       "wait",      "--state-dir",
                                dev->directory,  "--target",  dev->address,
                                "--server-name", "localhost", NULL};
    const struct child child = {.argv = argv, .input = -1, .output = -1, .death_signal = SIGKILL};
    const char *problem = dev_spawn(dev, &child, &dev->helper);
    while (problem == NULL && !dev->helper.ended) {
        dev_pump(dev, -1);
        if (dev->stopping)
            problem = "interrupted";
        else if (dev->server.ended)
            problem = arena_printf(dev->arena, "duesd ended with %s before it answered",
                                   dev_end(dev, &dev->server));
        else if (dev->postgres.ended)
            problem =
                arena_printf(dev->arena, "PostgreSQL ended with %s", dev_end(dev, &dev->postgres));
    }
    dev_stop(dev, &dev->helper, SIGTERM, SIGKILL, 2000);
    if (problem == NULL && dev->helper.status != 0)
        problem = "duesd did not become ready";
    return problem;
}

const char *dev_server_start(struct dev *dev)
{
    const char *conf = dev_path(dev, "duesd.conf");
    const char *const migrate[] = {dev->duesd, "migrate", "--config", conf, "--sandbox-catalogue",
                                   NULL};
    const char *const serve[] = {dev->duesd, "serve", "--config", conf, NULL};
    const struct child migration = {
        .argv = migrate, .input = -1, .output = -1, .death_signal = SIGTERM};
    const struct child server = {.argv = serve, .input = -1, .output = -1, .death_signal = SIGTERM};
    const char *problem = dev_run(dev, &migration, "duesd migrate");
    if (problem == NULL)
        problem = dev_spawn(dev, &server, &dev->server);
    if (problem == NULL)
        problem = wait_until_ready(dev);
    if (problem == NULL)
        problem = dev_write(dev, STATE_READY, arena_printf(dev->arena, "%s\n", dev->address), 0644);
    return problem;
}
