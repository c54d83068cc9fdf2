/*
 * The listener over libmicrohttpd.
 *
 * The library's own thread knows only how long a connection was idle: a byte now and then keeps it
 * for ever.  So the loop is ours: it lets the library work when there is something to do, and shuts
 * down what is older than its limit.  Every connection carries one request.
 */

#include "http/listener.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "http/socket.h"

/* What a page may take: far above what the house has to say. */
#define REPLY_SIZE_MAX ((size_t)16 * 1024 * 1024)

/* How late an overdue connection may be noticed, and how long the library rests with none: it takes
 * up listening again only when it is called after a full house has emptied. */
#define LOOK_MS 250
#define REST_MS 1000

struct connection {
    int descriptor; /* -1: free */
    int64_t until_us;
};

struct http_listener {
    struct http_listener_options options;
    struct http_socket socket;
    struct MHD_Daemon *daemon;
    int library_events; /* the library's epoll descriptor */
    int stop_event;
    pthread_t thread;
    bool runs;
    struct connection connections[HTTP_CONNECTIONS_MAX]; /* of the thread alone */
};

/* The library says when a connection begins and ends.  A slot is free for each: it accepts no more
 * than there are. */
static void note_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                            enum MHD_ConnectionNotificationCode what)
{
    struct http_listener *listener = arg;
    struct connection *slot = *socket_context;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (slot != NULL)
            slot->descriptor = -1;
        return;
    }
    for (slot = listener->connections; slot->descriptor >= 0; slot++) {
        if (slot == &listener->connections[HTTP_CONNECTIONS_MAX - 1])
            return;
    }
    slot->descriptor =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    slot->until_us =
        clock_monotonic_us(clock_system()) + listener->options.time_limit_ms * US_PER_MS;
    *socket_context = slot;
}

static void shut_down_overdue(struct http_listener *listener)
{
    int64_t now_us = clock_monotonic_us(clock_system());

    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct connection *slot = &listener->connections[i];
        if (slot->descriptor < 0 || now_us < slot->until_us)
            continue;
        /* The library finds it at its end, and closes it. */
        shutdown(slot->descriptor, SHUT_RDWR);
        slot->until_us = INT64_MAX;
    }
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct http_reply *reply)
{
    /* The library copies the body and does not write to it. */
    void *body = (void *)(uintptr_t)reply->body;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->size, body, MHD_RESPMEM_MUST_COPY);

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Connection", "close");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->content_type != NULL)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned int)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse_request(struct MHD_Connection *connection, int32_t status,
                                      const char *line)
{
    const struct http_reply reply = {
        .status = status, .content_type = "text/plain", .body = line, .size = strlen(line)};

    return send_reply(connection, &reply);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    return (length != NULL && !text_equal(length, "0")) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **request_context)
{
    const struct http_listener *listener = arg;
    struct http_reply reply = {.status = MHD_HTTP_NOT_FOUND};

    (void)version;
    (void)data;
    (void)data_size;
    (void)request_context;
    /* Before a body is read: what is refused is not waited for. */
    if (!text_equal(method, "GET") && !text_equal(method, "HEAD"))
        return refuse_request(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (has_body(connection))
        return refuse_request(connection, MHD_HTTP_CONTENT_TOO_LARGE, "no body is expected\n");
    AUTO(arena_auto_free) struct arena *arena = arena_new(REPLY_SIZE_MAX);
    const struct http_request request = {.path = url, .arena = arena};
    listener->options.handle(listener->options.owner, &request, &reply);
    /* To HEAD the library sends all but the body. */
    return send_reply(connection, &reply);
}

static int wait_ms(struct http_listener *listener)
{
    MHD_UNSIGNED_LONG_LONG wanted;
    int wait = REST_MS;

    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        if (listener->connections[i].descriptor >= 0)
            wait = LOOK_MS;
    }
    if (MHD_get_timeout(listener->daemon, &wanted) == MHD_YES &&
        wanted < (MHD_UNSIGNED_LONG_LONG)wait)
        wait = (int)wanted;
    return wait;
}

static void *serve(void *arg)
{
    struct http_listener *listener = arg;
    struct pollfd events[] = {
        {.fd = listener->stop_event, .events = POLLIN},
        {.fd = listener->library_events, .events = POLLIN},
    };

    for (;;) {
        (void)poll(events, ARRAY_LENGTH(events), wait_ms(listener));
        if (events[0].revents != 0)
            return NULL;
        shut_down_overdue(listener);
        MHD_run(listener->daemon);
    }
}

static struct MHD_Daemon *start_daemon(struct http_listener *listener)
{
    const struct http_listener_options *options = &listener->options;

    return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, listener,
                            MHD_OPTION_LISTEN_SOCKET, listener->socket.descriptor,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned int)options->connections_max,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->head_size_max,
                            MHD_OPTION_NOTIFY_CONNECTION, note_connection, listener,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

struct http_listener *http_listener_open(const struct http_listener_options *options,
                                         char problem[HTTP_PROBLEM_SIZE])
{
    struct http_listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL)
        bug("no memory for a listener");
    if (options->connections_max < 1 || options->connections_max > HTTP_CONNECTIONS_MAX)
        bug("a listener of %d connections", (int)options->connections_max);
    listener->options = *options;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        listener->connections[i].descriptor = -1;
    listener->stop_event = -1;
    if (http_socket_open(options->listen, &listener->socket, problem))
        return listener;
    http_listener_close(listener);
    return NULL;
}

bool http_listener_start(struct http_listener *listener)
{
    listener->daemon = start_daemon(listener);
    listener->stop_event = eventfd(0, EFD_CLOEXEC);
    if (listener->daemon == NULL || listener->stop_event < 0)
        return false;
    listener->library_events =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    listener->runs = pthread_create(&listener->thread, NULL, serve, listener) == 0;
    return listener->runs;
}

int http_listener_port(const struct http_listener *listener)
{
    return listener->socket.port;
}

void http_listener_close(struct http_listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->runs) {
        eventfd_write(listener->stop_event, 1);
        pthread_join(listener->thread, NULL);
    }
    if (listener->daemon != NULL) {
        MHD_stop_daemon(listener->daemon);
        listener->socket.descriptor = -1; /* the library has closed it */
    }
    if (listener->stop_event >= 0)
        close(listener->stop_event);
    http_socket_close(&listener->socket);
    free(listener);
}
