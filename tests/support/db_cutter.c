/*
 * A thread that accepts, and one for each connection, which copies both ways.
 */
#include "support/db_cutter.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bug.h"

#define SOCKET_NAME     ".s.PGSQL.5432"
#define MESSAGE_MAX     (1024 * 1024)
#define CONNECTIONS_MAX 512

struct db_cutter {
    char directory[CUTTER_DIRECTORY_SIZE];
    char server[108];
    int listener;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards the rest */
    int64_t left;          /* messages until the cut; 0: none */
    bool only_commits;     /* count those about COMMIT, of one side */
    bool from_server;      /* which side, then */
    struct cut cut;
    size_t connection_count;
    pthread_t connections[CONNECTIONS_MAX];
};

/* One direction of a connection. */
struct flow {
    int from;
    int to;
    bool from_server;
    bool is_typed; /* the client's first message has no type */
    size_t have;
    uint8_t bytes[MESSAGE_MAX];
};

struct connection {
    struct db_cutter *cutter;
    struct flow flows[2];
};

static int unix_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((size_t)snprintf(address->sun_path, sizeof address->sun_path, "%s", path) >=
        sizeof address->sun_path)
        bug("path of a socket is too long");
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        bug("no socket");
    return made;
}

/* Of the message at `at`; 0: it is not whole. */
static size_t message_size(const struct flow *flow, size_t at)
{
    size_t head = flow->is_typed ? 1 : 0;
    const uint8_t *length = flow->bytes + at + head;

    if (flow->have < at + head + 4)
        return 0;
    size_t size = head + ((size_t)length[0] << 24 | (size_t)length[1] << 16 |
                          (size_t)length[2] << 8 | length[3]);
    if (size > MESSAGE_MAX)
        bug("a message of %zu bytes", size);
    return flow->have < at + size ? 0 : size;
}

static bool pass_on(const struct flow *flow, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t now = send(flow->to, flow->bytes + sent, size - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

/* Asks for it, by the name of the prepared statement, or answers it. */
static bool is_about_commit(const uint8_t *message, size_t size)
{
    return memmem(message, size, "pg_commit", 9) != NULL ||
           memmem(message, size, "COMMIT", 6) != NULL;
}

/* True: this message shall not pass. */
static bool must_cut(struct db_cutter *cutter, const struct flow *flow, size_t at, size_t size)
{
    bool about_commit = is_about_commit(flow->bytes + at, size);

    pthread_mutex_lock(&cutter->mutex);
    bool counts =
        !cutter->only_commits || (about_commit && flow->from_server == cutter->from_server);
    bool cuts = counts && cutter->left == 1;
    if (counts && cutter->left > 0)
        cutter->left--;
    if (cuts)
        cutter->cut = (struct cut){
            .happened = true,
            .from_server = flow->from_server,
            .type = flow->is_typed ? flow->bytes[at] : 0,
            .is_about_commit = about_commit,
        };
    pthread_mutex_unlock(&cutter->mutex);
    return cuts;
}

/* Passes on whole messages.  False: the connection is over. */
static bool flow_on(struct db_cutter *cutter, struct flow *flow)
{
    ssize_t got = recv(flow->from, flow->bytes + flow->have, MESSAGE_MAX - flow->have, 0);
    size_t at = 0;
    size_t size;
    bool cuts = false;

    if (got <= 0)
        return false;
    flow->have += (size_t)got;
    while (!cuts && (size = message_size(flow, at)) > 0) {
        cuts = must_cut(cutter, flow, at, size);
        if (!cuts)
            at += size;
        flow->is_typed = true;
    }
    if (!pass_on(flow, at) || cuts)
        return false;
    flow->have -= at;
    memmove(flow->bytes, flow->bytes + at, flow->have);
    return true;
}

static void *run_connection(void *arg)
{
    struct connection *connection = arg;
    struct flow *flows = connection->flows;
    bool goes_on = true;

    while (goes_on) {
        struct pollfd ready[2] = {{.fd = flows[0].from, .events = POLLIN},
                                  {.fd = flows[1].from, .events = POLLIN}};
        if (poll(ready, 2, -1) < 0)
            bug("poll failed");
        for (int i = 0; i < 2 && goes_on; i++) {
            if (ready[i].revents != 0)
                goes_on = flow_on(connection->cutter, &flows[i]);
        }
    }
    close(flows[0].from);
    close(flows[0].to);
    free(connection);
    return NULL;
}

static void start_connection(struct db_cutter *cutter, int client)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct sockaddr_un address;
    int server = unix_socket(cutter->server, &address);

    if (connection == NULL)
        bug("no memory for a connection");
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0) {
        close(server);
        close(client);
        free(connection);
        return;
    }
    connection->cutter = cutter;
    connection->flows[0].from = connection->flows[1].to = client;
    connection->flows[1].from = connection->flows[0].to = server;
    connection->flows[1].from_server = connection->flows[1].is_typed = true;
    pthread_mutex_lock(&cutter->mutex);
    if (cutter->connection_count == CONNECTIONS_MAX)
        bug("more than %d connections", CONNECTIONS_MAX);
    if (pthread_create(&cutter->connections[cutter->connection_count++], NULL, run_connection,
                       connection) != 0)
        bug("no thread for a connection");
    pthread_mutex_unlock(&cutter->mutex);
}

static void *run_listener(void *arg)
{
    struct db_cutter *cutter = arg;
    int client;

    while ((client = accept4(cutter->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        start_connection(cutter, client);
    return NULL;
}

struct db_cutter *db_cutter_open(const char *socket)
{
    struct db_cutter *cutter = calloc(1, sizeof *cutter);
    struct sockaddr_un address;
    char path[sizeof address.sun_path];

    if (cutter == NULL)
        bug("no memory for the cutter");
    pthread_mutex_init(&cutter->mutex, NULL);
    snprintf(cutter->server, sizeof cutter->server, "%s/" SOCKET_NAME, socket);
    snprintf(cutter->directory, sizeof cutter->directory, "/tmp/dues-cutter-XXXXXX");
    if (mkdtemp(cutter->directory) == NULL || chmod(cutter->directory, 0755) != 0)
        bug("no directory for the cutter");
    snprintf(path, sizeof path, "%s/" SOCKET_NAME, cutter->directory);
    cutter->listener = unix_socket(path, &address);
    if (bind(cutter->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(cutter->listener, 64) != 0 ||
        pthread_create(&cutter->thread, NULL, run_listener, cutter) != 0)
        bug("the cutter cannot listen");
    return cutter;
}

void db_cutter_close(struct db_cutter *cutter)
{
    char path[CUTTER_DIRECTORY_SIZE + sizeof SOCKET_NAME];

    shutdown(cutter->listener, SHUT_RDWR);
    pthread_join(cutter->thread, NULL);
    close(cutter->listener);
    /* The house is closed, so its connections are. */
    for (size_t i = 0; i < cutter->connection_count; i++)
        pthread_join(cutter->connections[i], NULL);
    snprintf(path, sizeof path, "%s/" SOCKET_NAME, cutter->directory);
    unlink(path);
    rmdir(cutter->directory);
    pthread_mutex_destroy(&cutter->mutex);
    free(cutter);
}

const char *db_cutter_directory(const struct db_cutter *cutter)
{
    return cutter->directory;
}

static void arm(struct db_cutter *cutter, int64_t nth, bool only_commits, bool from_server)
{
    pthread_mutex_lock(&cutter->mutex);
    cutter->left = nth;
    cutter->only_commits = only_commits;
    cutter->from_server = from_server;
    cutter->cut = (struct cut){.happened = false};
    pthread_mutex_unlock(&cutter->mutex);
}

void db_cutter_arm(struct db_cutter *cutter, int64_t nth)
{
    arm(cutter, nth, false, false);
}

void db_cutter_arm_commit(struct db_cutter *cutter, int64_t nth, bool from_server)
{
    arm(cutter, nth, true, from_server);
}

struct cut db_cutter_disarm(struct db_cutter *cutter)
{
    pthread_mutex_lock(&cutter->mutex);
    struct cut cut = cutter->cut;
    cutter->left = 0;
    pthread_mutex_unlock(&cutter->mutex);
    return cut;
}
