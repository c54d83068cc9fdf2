/*
 * One thread that takes one connection after another.
 */
#include "support/rpc_receiver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "support/patience.h"

#define REQUEST_SIZE_MAX 16384

struct receiver {
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the rest */
    bool stops;
    char answer[256];
    struct received list[RECEIVED_MAX];
    size_t count;
    size_t connections;
};

static void copy_header(const char *head, const char *name, char *out, size_t size)
{
    const char *line = head;

    out[0] = '\0';
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        size_t length = strlen(name);
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *value = line + length + 1 + strspn(line + length + 1, " ");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\r"), value);
        return;
    }
}

/* True when a whole request is there. */
static bool is_whole(const char *text, const char **body)
{
    char length[24];
    const char *end = strstr(text, "\r\n\r\n");

    if (end == NULL)
        return false;
    copy_header(text, "content-length", length, sizeof(length));
    *body = end + 4;
    return strlen(*body) >= (size_t)strtol(length, NULL, 10);
}

static void note(struct receiver *receiver, const char *text, const char *body)
{
    pthread_mutex_lock(&receiver->mutex);
    if (receiver->count == RECEIVED_MAX)
        bug("the receiver has no room for more");
    struct received *received = &receiver->list[receiver->count++];
    copy_header(text, "webhook-id", received->id, sizeof(received->id));
    copy_header(text, "webhook-timestamp", received->timestamp, sizeof(received->timestamp));
    copy_header(text, "webhook-signature", received->signature, sizeof(received->signature));
    copy_header(text, "webhook-sequence", received->sequence, sizeof(received->sequence));
    snprintf(received->body, sizeof(received->body), "%s", body);
    pthread_mutex_unlock(&receiver->mutex);
}

static void serve(struct receiver *receiver, int connection)
{
    static char text[REQUEST_SIZE_MAX];
    char reply[512];
    const char *body;
    size_t size = 0;

    text[0] = '\0';
    while (!is_whole(text, &body)) {
        ssize_t got = read(connection, text + size, sizeof(text) - 1 - size);
        if (got <= 0)
            return;
        size += (size_t)got;
        text[size] = '\0';
    }
    note(receiver, text, body);
    pthread_mutex_lock(&receiver->mutex);
    int length = snprintf(reply, sizeof(reply),
                          "HTTP/1.1 %s\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                          receiver->answer);
    pthread_mutex_unlock(&receiver->mutex);
    if (write(connection, reply, (size_t)length) != length)
        return;
}

static bool stops(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    bool stops = receiver->stops;
    pthread_mutex_unlock(&receiver->mutex);
    return stops;
}

static void *run(void *arg)
{
    struct receiver *receiver = arg;

    while (!stops(receiver)) {
        struct pollfd ready = {.fd = receiver->listener, .events = POLLIN};
        if (poll(&ready, 1, 50) != 1)
            continue;
        int connection = accept(receiver->listener, NULL, NULL);
        if (connection < 0)
            continue;
        pthread_mutex_lock(&receiver->mutex);
        receiver->connections++;
        pthread_mutex_unlock(&receiver->mutex);
        serve(receiver, connection);
        close(connection);
    }
    return NULL;
}

struct receiver *receiver_new(void)
{
    struct receiver *receiver = calloc(1, sizeof(*receiver));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    if (receiver == NULL)
        bug("no memory for a receiver");
    receiver->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receiver->listener < 0 ||
        bind(receiver->listener, (const struct sockaddr *)&address, size) != 0 ||
        listen(receiver->listener, 64) != 0 ||
        getsockname(receiver->listener, (struct sockaddr *)&address, &size) != 0)
        bug("no socket for a receiver");
    receiver->port = ntohs(address.sin_port);
    pthread_mutex_init(&receiver->mutex, NULL);
    receiver_answer(receiver, "200 OK");
    if (pthread_create(&receiver->thread, NULL, run, receiver) != 0)
        bug("no thread for a receiver");
    return receiver;
}

void receiver_free(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    receiver->stops = true;
    pthread_mutex_unlock(&receiver->mutex);
    pthread_join(receiver->thread, NULL);
    close(receiver->listener);
    pthread_mutex_destroy(&receiver->mutex);
    free(receiver);
}

int receiver_port(const struct receiver *receiver)
{
    return receiver->port;
}

void receiver_answer(struct receiver *receiver, const char *status_and_headers)
{
    pthread_mutex_lock(&receiver->mutex);
    snprintf(receiver->answer, sizeof(receiver->answer), "%s", status_and_headers);
    pthread_mutex_unlock(&receiver->mutex);
}

size_t receiver_count(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    size_t count = receiver->count;
    pthread_mutex_unlock(&receiver->mutex);
    return count;
}

size_t receiver_connections(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    size_t count = receiver->connections;
    pthread_mutex_unlock(&receiver->mutex);
    return count;
}

bool receiver_wait(struct receiver *receiver, size_t count)
{
    AWAIT(receiver_count(receiver) >= count);
    return receiver_count(receiver) >= count;
}

struct received receiver_get(struct receiver *receiver, size_t index)
{
    pthread_mutex_lock(&receiver->mutex);
    if (index >= receiver->count)
        bug("the receiver did not get so much");
    struct received received = receiver->list[index];
    pthread_mutex_unlock(&receiver->mutex);
    return received;
}
