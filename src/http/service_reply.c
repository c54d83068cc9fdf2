/*
 * How an answer leaves: whole through the library, or, for simulators of servers that fail, byte by
 * byte past it.  What is written past the library is the last of its connection.
 */

#include <gnutls/gnutls.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "http/service_internal.h"

#define WRITABLE_MS 1000

static enum MHD_Result send_whole(struct MHD_Connection *connection,
                                  const struct http_service_reply *reply)
{
    /* The library copies the body and does not write to it. */
    void *body = (void *)(uintptr_t)reply->body;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->size, body, MHD_RESPMEM_MUST_COPY);

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Cache-Control", "no-cache, no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->content_type != NULL)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned int)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* The same answer as text.  In the arena. */
static char *render(struct arena *arena, const struct http_service_reply *reply, size_t *size)
{
    const char *phrase = MHD_get_reason_phrase_for((unsigned int)reply->status);
    char *head = arena_printf(arena, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", (int)reply->status,
                              phrase == NULL ? "Unknown" : phrase,
                              reply->content_type == NULL ? "text/plain" : reply->content_type);

    for (size_t i = 0; i < reply->header_count; i++)
        head = arena_printf(arena, "%s%s: %s\r\n", head, reply->headers[i].name,
                            reply->headers[i].value);
    head = arena_printf(arena, "%sConnection: close\r\nContent-Length: %zu\r\n\r\n", head,
                        reply->size);
    size_t head_size = strlen(head);
    char *whole = arena_alloc(arena, head_size + reply->size + 1);
    memcpy(whole, head, head_size);
    if (reply->size > 0)
        memcpy(whole + head_size, reply->body, reply->size);
    *size = head_size + reply->size;
    return whole;
}

/* How many bytes went; 0 to try again, -1 when the connection is gone. */
static ssize_t write_some(struct MHD_Connection *connection, const char *bytes, size_t size)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (tls == NULL || tls->tls_session == NULL)
        return send(service_descriptor(connection), bytes, size, MSG_NOSIGNAL);
    ssize_t sent = gnutls_record_send(tls->tls_session, bytes, size);
    if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED)
        return 0;
    return sent < 0 ? -1 : sent;
}

static bool write_all(struct MHD_Connection *connection, const char *bytes, size_t size)
{
    struct pollfd socket = {.fd = service_descriptor(connection), .events = POLLOUT};

    while (size > 0) {
        if (poll(&socket, 1, WRITABLE_MS) <= 0)
            return false;
        ssize_t sent = write_some(connection, bytes, size);
        if (sent < 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* RST at once.  What is in the receiver's buffer can still be read there. */
static void reset_connection(struct MHD_Connection *connection)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int descriptor = service_descriptor(connection);

    if (connect(descriptor, &nobody, sizeof nobody) != 0)
        shutdown(descriptor, SHUT_RDWR);
}

static void drip(struct service_exchange *exchange, const char *bytes, size_t size,
                 int64_t pause_us)
{
    const struct http_service_request request = {.connection = exchange};
    int64_t pause_ms = (pause_us + US_PER_MS - 1) / US_PER_MS;

    for (size_t i = 0; i < size; i++) {
        if (!write_all(exchange->connection, bytes + i, 1) ||
            !http_service_wait(&request, pause_ms))
            return;
    }
}

enum MHD_Result service_reply_send(struct service_exchange *exchange,
                                   const struct http_service_reply *reply)
{
    size_t size = 0;

    if (reply->ending == HTTP_WHOLE)
        return send_whole(exchange->connection, reply);
    if (reply->ending != HTTP_HUNG_UP) {
        const char *bytes = render(exchange->arena, reply, &size);
        if (reply->ending == HTTP_DRIPPED)
            drip(exchange, bytes, size, reply->pause_us);
        else
            (void)write_all(exchange->connection, bytes,
                            reply->cut_at < size ? reply->cut_at : size);
    }
    if (reply->ending != HTTP_DRIPPED)
        reset_connection(exchange->connection);
    return MHD_NO;
}
