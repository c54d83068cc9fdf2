/*
 * An HTTPS server for tests that answers as badly as it is told to: one thread a connection, with
 * an authority of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum https_handshake {
    HTTPS_GREETS,
    HTTPS_RESETS_HELLO, /* the connection is accepted and reset */
    HTTPS_IGNORES_HELLO,
    HTTPS_SPEAKS_TLS_1_1,
    HTTPS_SPEAKS_CLEAR_TEXT,
};

enum https_certificate {
    HTTPS_GOOD, /* for localhost and 127.0.0.1 */
    HTTPS_OTHER_NAME,
    HTTPS_EXPIRED,
    HTTPS_UNKNOWN_AUTHORITY, /* not the one in the CA file */
};

enum https_end {
    HTTPS_KEEP,  /* reads the next request */
    HTTPS_CLOSE, /* as TLS wants it */
    HTTPS_CUT,   /* without a word of TLS */
    HTTPS_RESET, /* RST */
    HTTPS_HANG,  /* says nothing more until the other side goes */
};

struct https_seen {
    int connection; /* from 1 */
    int request;    /* from 1, of all connections */
    const char *method;
    const char *target;
    const char *head; /* with its request line */
    const char *body;
    size_t body_size;
};

struct https_act {
    char answer[64 * 1024]; /* bytes as they go out */
    size_t size;
    int64_t pause_us; /* before each byte; 0: all at once */
    int64_t delay_us; /* before the first */
    enum https_end end;
};

struct https_options {
    void (*handle)(void *owner, const struct https_seen *seen, struct https_act *act);
    void *owner;
    enum https_handshake handshake;
    enum https_certificate certificate;
};

struct https_server;

struct https_server *https_server_open(const struct https_options *options);
void https_server_close(struct https_server *server);

int https_server_port(const struct https_server *server);
const char *https_server_ca_file(const struct https_server *server);

/* So far. */
int https_server_connections(const struct https_server *server);
int https_server_requests(const struct https_server *server); /* whole ones */
long https_server_bytes(const struct https_server *server);   /* under TLS, of requests */

/* Fills `act` with a whole answer that has a Content-Length. */
void https_answer(struct https_act *act, int status, const char *headers, const char *body);
