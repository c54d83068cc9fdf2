/*
 * One HTTP/2 connection with mutual TLS, as a client has it, without a library for HTTP/2: gRPC's
 * own client takes about as much processor time for a call as the server that it shall measure.
 * It sends what gRPC sends, answers SETTINGS and PING, and leaves out what no call here needs
 * (large requests, CONTINUATION, push).
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_state {
    WIRE_CLOSED,
    WIRE_CONNECTING, /* TCP, TLS, and the server's SETTINGS */
    WIRE_UP,
    WIRE_LEAVING, /* the server said GOAWAY: nothing new is begun */
};

struct wire_bytes {
    uint8_t *bytes;
    size_t size;
    size_t room;
};

struct wire;

/* What a connection tells its owner.  A stream is told `end` once, or `lost` with all others. */
struct wire_owner {
    void (*headers)(struct wire *wire, uint32_t stream, const uint8_t *block, size_t size,
                    bool end);
    void (*data)(struct wire *wire, uint32_t stream, const uint8_t *bytes, size_t size, bool end);
    void (*reset)(struct wire *wire, uint32_t stream);
    void (*up)(struct wire *wire);
    void (*lost)(struct wire *wire);
};

struct wire {
    const struct wire_owner *owner;
    enum wire_state state;
    int fd;
    int epoll;
    SSL *ssl;
    struct wire_bytes in;
    struct wire_bytes out;
    uint32_t epoll_events;
    bool preface_sent;
    bool was_up; /* also when it is lost now */
    uint32_t streams_max;
    int64_t send_window;
    uint64_t received; /* of the connection's window */
};

/* DIR/ca.pem, DIR/NAME.pem, DIR/NAME.key. */
SSL_CTX *wire_context(const char *directory, const char *name);

/* Begins to connect to "127.0.0.1:1234" or "[::1]:1234"; epoll's data.ptr will be `wire`. */
void wire_open(struct wire *wire, SSL_CTX *context, const char *target);

/* What epoll said. */
void wire_ready(struct wire *wire);

/* Sends what was put into `out`; call it once after a round of events. */
void wire_flush(struct wire *wire);

/* A call: HEADERS and one DATA that ends the stream.  True when the window had room for it. */
bool wire_request(struct wire *wire, uint32_t stream, const struct wire_bytes *block,
                  const uint8_t *message, size_t size);
void wire_cancel(struct wire *wire, uint32_t stream);
void wire_close(struct wire *wire);

void wire_append(struct wire_bytes *to, const void *bytes, size_t size);
