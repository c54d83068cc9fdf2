/*
 * Bytes in and out: TCP, TLS, frames.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complain.h"

#define FRAME_HEAD      9
#define FRAME_MAX       16384
#define READ_SIZE       16384
#define WINDOW_MAX      0x7fffffff
#define WINDOW_DEFAULT  65535
#define WINDOW_REFRESH  (1U << 30)
#define CANCEL          8
#define STREAMS_DEFAULT 100

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_PRIORITY = 2,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PUSH_PROMISE = 5,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9,
};

enum frame_flag {
    FLAG_END_STREAM = 0x1, /* of SETTINGS and PING: ACK */
    FLAG_END_HEADERS = 0x4,
    FLAG_PADDED = 0x8,
    FLAG_PRIORITY = 0x20,
};

enum setting {
    SETTING_HEADER_TABLE_SIZE = 1,
    SETTING_MAX_CONCURRENT_STREAMS = 3,
    SETTING_INITIAL_WINDOW_SIZE = 4,
};

SSL_CTX *wire_context(const char *directory, const char *name)
{
    static const unsigned char protocols[] = {2, 'h', '2'};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char ca[1024];
    char certificate[1024];
    char key[1024];

    snprintf(ca, sizeof(ca), "%s/ca.pem", directory);
    snprintf(certificate, sizeof(certificate), "%s/%s.pem", directory, name);
    snprintf(key, sizeof(key), "%s/%s.key", directory, name);
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_load_verify_file(context, ca) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols)) != 0)
        give_up("could not use the certificate ", certificate);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(context, 1); /* many records with one read */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

void wire_append(struct wire_bytes *to, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    if (to->size + size > to->room) {
        to->room = 2 * (to->size + size);
        to->bytes = realloc(to->bytes, to->room);
        if (to->bytes == NULL)
            give_up("out of memory", "");
    }
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void append_u32(struct wire_bytes *to, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                             (uint8_t)value};
    wire_append(to, bytes, sizeof(bytes));
}

static uint32_t u32_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           (uint32_t)bytes[3];
}

static void append_head(struct wire *wire, size_t size, enum frame_type type, int flags,
                        uint32_t stream)
{
    const uint8_t head[] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size,
                            (uint8_t)type, (uint8_t)flags};

    wire_append(&wire->out, head, sizeof(head));
    append_u32(&wire->out, stream);
}

static void append_setting(struct wire *wire, enum setting setting, uint32_t value)
{
    const uint8_t id[] = {0, (uint8_t)setting};

    wire_append(&wire->out, id, sizeof(id));
    append_u32(&wire->out, value);
}

/* Without a table for headers the server's are always spelled out, and need no memory to read. */
static void append_preface(struct wire *wire)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    wire_append(&wire->out, preface, sizeof(preface) - 1);
    append_head(wire, 12, FRAME_SETTINGS, 0, 0);
    append_setting(wire, SETTING_HEADER_TABLE_SIZE, 0);
    append_setting(wire, SETTING_INITIAL_WINDOW_SIZE, WINDOW_MAX);
    append_head(wire, 4, FRAME_WINDOW_UPDATE, 0, 0);
    append_u32(&wire->out, WINDOW_MAX - WINDOW_DEFAULT);
    wire->preface_sent = true;
}

static void lose(struct wire *wire)
{
    if (wire->state == WIRE_CLOSED)
        return;
    wire_close(wire);
    wire->owner->lost(wire);
}

static int connect_to(const char *target)
{
    char host[256];
    const char *colon = strrchr(target, ':');
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int on = 1;

    if (colon == NULL || (size_t)(colon - target) >= sizeof(host))
        give_up("not an address with a port: ", target);
    const char *begin = *target == '[' ? target + 1 : target;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - begin - (*target == '[')), begin);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        give_up("could not resolve ", target);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        give_up("no more sockets: ", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void listen_for(struct wire *wire, uint32_t events)
{
    if (wire->epoll_events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = wire};
    epoll_ctl(wire->epoll, wire->epoll_events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, wire->fd,
              &event);
    wire->epoll_events = events;
}

void wire_open(struct wire *wire, SSL_CTX *context, const char *target)
{
    static char server_name[] = "localhost"; /* a macro of OpenSSL takes its const */

    wire->fd = connect_to(target);
    wire->state = WIRE_CONNECTING;
    wire->epoll_events = 0;
    wire->preface_sent = wire->was_up = false;
    wire->streams_max = STREAMS_DEFAULT;
    wire->send_window = WINDOW_DEFAULT;
    wire->received = 0;
    wire->in.size = wire->out.size = 0;
    wire->ssl = SSL_new(context);
    if (wire->fd < 0) {
        lose(wire);
        return;
    }
    if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->fd) != 1 ||
        SSL_set_tlsext_host_name(wire->ssl, server_name) != 1 ||
        SSL_set1_host(wire->ssl, server_name) != 1)
        give_up("could not begin TLS", "");
    SSL_set_connect_state(wire->ssl);
    listen_for(wire, EPOLLIN | EPOLLOUT);
}

void wire_close(struct wire *wire)
{
    wire->state = WIRE_CLOSED;
    SSL_free(wire->ssl);
    wire->ssl = NULL;
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
    free(wire->in.bytes);
    free(wire->out.bytes);
    wire->in = wire->out = (struct wire_bytes){0};
}

static void take_settings(struct wire *wire, const uint8_t *payload, size_t size)
{
    for (size_t i = 0; i + 6 <= size; i += 6) {
        if (payload[i] == 0 && payload[i + 1] == SETTING_MAX_CONCURRENT_STREAMS)
            wire->streams_max = u32_at(payload + i + 2);
    }
    append_head(wire, 0, FRAME_SETTINGS, FLAG_END_STREAM, 0);
    if (wire->state == WIRE_CONNECTING) {
        wire->state = WIRE_UP;
        wire->was_up = true;
        wire->owner->up(wire);
    }
}

static void take_headers(struct wire *wire, uint32_t stream, int flags, const uint8_t *payload,
                         size_t size)
{
    size_t before = 0;
    size_t after = 0;

    if ((flags & FLAG_PADDED) != 0) {
        before = 1;
        after = payload[0];
    }
    if ((flags & FLAG_PRIORITY) != 0)
        before += 5;
    if (before + after > size)
        return;
    wire->owner->headers(wire, stream, payload + before, size - before - after,
                         (flags & FLAG_END_STREAM) != 0);
}

static void take_data(struct wire *wire, uint32_t stream, int flags, const uint8_t *payload,
                      size_t size)
{
    wire->received += size;
    if (wire->received >= WINDOW_REFRESH) {
        append_head(wire, 4, FRAME_WINDOW_UPDATE, 0, 0);
        append_u32(&wire->out, (uint32_t)wire->received);
        wire->received = 0;
    }
    wire->owner->data(wire, stream, payload, size, (flags & FLAG_END_STREAM) != 0);
}

static void take_frame(struct wire *wire, enum frame_type type, int flags, uint32_t stream,
                       const uint8_t *payload, size_t size)
{
    switch (type) {
    case FRAME_DATA:
        take_data(wire, stream, flags, payload, size);
        break;
    case FRAME_HEADERS:
        take_headers(wire, stream, flags, payload, size);
        break;
    case FRAME_RST_STREAM:
        wire->owner->reset(wire, stream);
        break;
    case FRAME_SETTINGS:
        if ((flags & FLAG_END_STREAM) == 0)
            take_settings(wire, payload, size);
        break;
    case FRAME_PING:
        if ((flags & FLAG_END_STREAM) == 0 && size == 8) {
            append_head(wire, 8, FRAME_PING, FLAG_END_STREAM, 0);
            wire_append(&wire->out, payload, 8);
        }
        break;
    case FRAME_GOAWAY:
        wire->state = WIRE_LEAVING;
        break;
    case FRAME_WINDOW_UPDATE:
        if (stream == 0 && size == 4)
            wire->send_window += u32_at(payload) & WINDOW_MAX;
        break;
    case FRAME_PRIORITY:
    case FRAME_PUSH_PROMISE:
    case FRAME_CONTINUATION:
        break;
    }
}

static void take_frames(struct wire *wire)
{
    size_t at = 0;

    while (wire->state != WIRE_CLOSED && wire->in.size - at >= FRAME_HEAD) {
        const uint8_t *head = wire->in.bytes + at;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (size > FRAME_MAX) {
            lose(wire);
            return;
        }
        if (wire->in.size - at < FRAME_HEAD + size)
            break;
        take_frame(wire, (enum frame_type)head[3], head[4], u32_at(head + 5) & WINDOW_MAX,
                   head + FRAME_HEAD, size);
        at += FRAME_HEAD + size;
    }
    if (wire->state == WIRE_CLOSED)
        return;
    memmove(wire->in.bytes, wire->in.bytes + at, wire->in.size - at);
    wire->in.size -= at;
}

static bool shake_hands(struct wire *wire)
{
    if (SSL_is_init_finished(wire->ssl))
        return true;
    ERR_clear_error();
    int result = SSL_do_handshake(wire->ssl);
    if (result == 1)
        return true;
    int error = SSL_get_error(wire->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        listen_for(wire, EPOLLIN);
    else if (error == SSL_ERROR_WANT_WRITE)
        listen_for(wire, EPOLLIN | EPOLLOUT);
    else
        lose(wire);
    return false;
}

void wire_ready(struct wire *wire)
{
    uint8_t buffer[READ_SIZE];

    if (wire->state == WIRE_CLOSED || !shake_hands(wire))
        return;
    if (!wire->preface_sent)
        append_preface(wire);
    for (;;) {
        ERR_clear_error();
        int size = SSL_read(wire->ssl, buffer, sizeof(buffer));
        if (size <= 0) {
            int error = SSL_get_error(wire->ssl, size);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                lose(wire);
            break;
        }
        wire_append(&wire->in, buffer, (size_t)size);
        take_frames(wire);
        if (wire->state == WIRE_CLOSED)
            return;
        /* All that was read from the socket is used up: epoll tells of more. */
        if (!SSL_has_pending(wire->ssl))
            break;
    }
    if (wire->state != WIRE_CLOSED)
        wire_flush(wire);
}

void wire_flush(struct wire *wire)
{
    size_t sent = 0;

    if (wire->state == WIRE_CLOSED || !wire->preface_sent)
        return;
    while (sent < wire->out.size) {
        ERR_clear_error();
        int size = SSL_write(wire->ssl, wire->out.bytes + sent, (int)(wire->out.size - sent));
        if (size <= 0) {
            int error = SSL_get_error(wire->ssl, size);
            if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
                break;
            lose(wire);
            return;
        }
        sent += (size_t)size;
    }
    if (sent > 0)
        memmove(wire->out.bytes, wire->out.bytes + sent, wire->out.size - sent);
    wire->out.size -= sent;
    listen_for(wire, wire->out.size > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

bool wire_request(struct wire *wire, uint32_t stream, const struct wire_bytes *block,
                  const uint8_t *message, size_t size)
{
    const uint8_t plain = 0;
    size_t data = size + 5;

    if (data > FRAME_MAX)
        give_up("a request is too large", "");
    if (wire->send_window < (int64_t)data)
        return false;
    wire->send_window -= (int64_t)data;
    append_head(wire, block->size, FRAME_HEADERS, FLAG_END_HEADERS, stream);
    wire_append(&wire->out, block->bytes, block->size);
    append_head(wire, data, FRAME_DATA, FLAG_END_STREAM, stream);
    wire_append(&wire->out, &plain, 1);
    append_u32(&wire->out, (uint32_t)size);
    wire_append(&wire->out, message, size);
    return true;
}

void wire_cancel(struct wire *wire, uint32_t stream)
{
    append_head(wire, 4, FRAME_RST_STREAM, 0, stream);
    append_u32(&wire->out, CANCEL);
}
