/*
 * A small HTTP/1.1 server: one socket, one thread, one handler.  It is made for pages that machines
 * read (/metrics) and is careful with whoever connects: few connections, each with one request and
 * a limited life, a limited request, GET and HEAD only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define HTTP_PROBLEM_SIZE 256

struct http_request {
    const char *path;    /* "/metrics": percent-decoded, without the query */
    struct arena *arena; /* lives until the answer was made: for the body */
};

struct http_reply {
    int32_t status;
    const char *content_type;
    const void *body;
    size_t size;
};

/* On the listener's thread, one request after another.  `reply` is 404 without a body. */
typedef void http_handler(void *owner, const struct http_request *request,
                          struct http_reply *reply);

struct http_listener_options {
    const char *listen; /* "127.0.0.1:9464", "[::1]:0", "unix:/run/dues/metrics" */
    http_handler *handle;
    void *owner;
    int32_t connections_max; /* 1 to HTTP_CONNECTIONS_MAX; more wait to be accepted */
    int64_t time_limit_ms;   /* from accept to the last byte of the answer */
    size_t head_size_max;    /* request line and headers; more is refused with 4xx */
};

#define HTTP_CONNECTIONS_MAX 64

struct http_listener;

/*
 * Binds and listens; nobody is answered before http_listener_start.  NULL and one line in `problem`
 * when the address cannot be had.  A unix socket is made with mode 0660; one that nobody listens on
 * any more is replaced.
 */
struct http_listener *http_listener_open(const struct http_listener_options *options,
                                         char problem[HTTP_PROBLEM_SIZE]);

/* False: no thread or no memory. */
bool http_listener_start(struct http_listener *listener);

/* The port that it listens on: the kernel's choice for port 0; 0 for a unix socket. */
int http_listener_port(const struct http_listener *listener);

/* Ends the thread and what it was answering.  NULL is allowed. */
void http_listener_close(struct http_listener *listener);
