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

#include "base/address.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/connection.h"

#define MASTER_KEY_SIZE 32

const char *dev_take_port(struct dev *dev, const struct addrinfo *where, int *port)
{
    const int on = 1;
    int place = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (place < 0 || setsockopt(place, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return arena_printf(dev->arena, "could not make a socket: %s", strerror(errno));
    if (bind(place, where->ai_addr, where->ai_addrlen) == 0) {
        *port = address_bound_port(place);
        return NULL;
    }
    int reason = errno;
    close(place);
    return reason == EADDRINUSE
               ? arena_printf(dev->arena, "%s is in use: choose another with --listen", dev->listen)
               : arena_printf(dev->arena, "cannot listen on %s: %s", dev->listen, strerror(reason));
}

/* What --listen means, without asking anybody; to be released. */
static struct addrinfo *find(struct dev *dev, struct address *wanted)
{
    if (!address_parse(dev->listen, wanted) || wanted->path != NULL || wanted->is_name)
        return NULL;
    dev->host = arena_printf(dev->arena, "%s", wanted->host);
    return address_find(wanted, wanted->port);
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
    struct address wanted;
    AUTO(address_list_release) struct addrinfo *found = find(dev, &wanted);
    if (found == NULL)
        return arena_printf(dev->arena,
                            "--listen needs ADDRESS:PORT such as %s or [::1]:8443, not \"%s\"",
                            DEV_LISTEN_DEFAULT, dev->listen);
    if (!is_loopback(found->ai_addr))
        return arena_printf(dev->arena,
                            "--listen takes a loopback address only, such as %s, not \"%s\": "
                            "`dues dev` is for trying out",
                            DEV_LISTEN_DEFAULT, dev->listen);
    return NULL;
}

const char *dev_address_check(struct dev *dev)
{
    struct address wanted;
    AUTO(address_list_release) struct addrinfo *found = find(dev, &wanted);
    if (found == NULL)
        return arena_printf(dev->arena, "cannot listen on %s", dev->listen);
    char bound[ADDRESS_TEXT_SIZE];
    int port = 0;
    const char *problem = dev_take_port(dev, found, &port);
    if (problem != NULL)
        return problem;
    address_format(&wanted, port, bound);
    dev->address = arena_printf(dev->arena, "%s", bound);
    return NULL;
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
                                  "scopes.operator = *\n"
                                  "%s",
                                  dev->address, certs, certs, certs, socket_directory,
                                  socket_directory, dev->directory, dev->directory,
                                  dev_metrics_path(dev), dev_simulator_settings(dev)),
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
        problem = dev_simulator_key(dev);
    if (problem == NULL)
        problem = dev_spawn(dev, &server, &dev->server);
    if (problem == NULL)
        problem = wait_until_ready(dev);
    if (problem == NULL)
        problem = dev_write(dev, STATE_READY, arena_printf(dev->arena, "%s\n", dev->address), 0644);
    return problem;
}
