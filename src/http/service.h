/*
 * An HTTP/1.1 server for requests that others send us: bodies up to a limit as raw bytes, headers,
 * TLS.  Each connection has a thread of its own, so a handler may wait (for the database, or
 * because it was told to be late) without holding up anybody else; how many there are is bounded.
 *
 * A connection that is slow in its handshake, in its request or in taking its answer is cut at the
 * time limit; the time that the handler takes is the handler's own.  TLS is 1.2 and 1.3, through
 * GnuTLS, which is what libmicrohttpd speaks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/listener.h"

#define HTTP_SERVICE_CONNECTIONS_MAX 1024
#define HTTP_SERVICE_HEADERS_MAX     16

/* So many sources are told apart by their rates; some others share one. */
#define HTTP_SERVICE_SOURCES 1024

struct http_service_request {
    const char *method;
    const char *path;  /* percent-decoded, without the query */
    const char *query; /* as sent, without the '?'; "" */
    const void *body;  /* as sent; a NUL follows that is not counted */
    size_t body_size;
    uint64_t source;     /* the address it comes from, told apart by nobody outside; 0: none */
    struct arena *arena; /* lives until the answer was sent */
    void *connection;    /* for the functions below */
};

struct http_header {
    const char *name;
    const char *value;
};

/* How the answer ends.  Servers say HTTP_WHOLE; the rest is for simulators of bad ones. */
enum http_ending {
    HTTP_WHOLE,
    HTTP_HUNG_UP, /* the connection is reset, without an answer */
    HTTP_CUT,     /* the connection is reset after `cut_at` bytes of the answer, head included */
    HTTP_DRIPPED, /* the answer goes out one byte at a time, `pause_us` after each */
};

struct http_service_reply {
    int32_t status;
    const char *content_type;
    const void *body; /* in the request's arena, or constant */
    size_t size;
    struct http_header headers[HTTP_SERVICE_HEADERS_MAX];
    size_t header_count;
    enum http_ending ending;
    size_t cut_at;
    int64_t pause_us;
};

/* On a thread of the connection; several run at the same time.  `reply` is 404 without a body. */
typedef void http_service_handler(void *owner, const struct http_service_request *request,
                                  struct http_service_reply *reply);

struct http_service_options {
    const char *listen;          /* as http_listener_options.listen */
    const char *certificate_pem; /* the chain; NULL: without TLS */
    const char *key_pem;
    /* The same in files, read at the start and by http_service_reload; NULL: as above. */
    const char *certificate_file;
    const char *key_file;
    http_service_handler *handle;
    void *owner;
    int32_t connections_max; /* 1 to HTTP_SERVICE_CONNECTIONS_MAX; more wait to be accepted */
    int64_t time_limit_ms;   /* of the handshake, of the request, of the answer: each */
    int64_t idle_limit_ms;   /* between two requests */
    int32_t connections_per_source_max; /* more are closed.  0: no limit of its own */
    int32_t connections_per_second;     /* new ones, of one source; more are closed.  0: any */
    size_t head_size_max;               /* request line and headers */
    size_t body_size_max;               /* more is refused with 413 */
};

struct http_service;

/* NULL and one line in `problem` when the address cannot be had. */
struct http_service *http_service_open(const struct http_service_options *options,
                                       char problem[HTTP_PROBLEM_SIZE]);

/* False and one line in `problem`: the certificate is of no use, no thread, no memory. */
bool http_service_start(struct http_service *service, char problem[HTTP_PROBLEM_SIZE]);

/*
 * Certificate and key from their files, for handshakes from now on; connections that stand and
 * requests that run do not notice.  False and one line in `problem`: the old ones stay.
 */
bool http_service_reload(struct http_service *service, char problem[HTTP_PROBLEM_SIZE]);

/* When the served certificate ends, wall time; 0 without TLS. */
int64_t http_service_certificate_end_us(struct http_service *service);

/* What became of connections and requests before any handler saw them. */
struct http_service_counts {
    int64_t connections; /* open now */
    int64_t shed;        /* closed as soon as they were accepted: too many a second */
    int64_t crowded;     /* the same: too many of one source */
    int64_t cut;         /* too slow */
    int64_t too_large;   /* requests with a body beyond the limit */
};
struct http_service_counts http_service_count(struct http_service *service);

/* 0 for a unix socket. */
int http_service_port(const struct http_service *service);

/* Ends every connection and waits for its thread: handlers that wait are woken.  NULL is allowed.
 */
void http_service_close(struct http_service *service);

/* The first header of this name, in any case of letters; NULL without one. */
const char *http_service_header(const struct http_service_request *request, const char *name);

/* For handlers that wait.  False at once when the client has left or the service ends. */
bool http_service_wait(const struct http_service_request *request, int64_t wait_ms);

/* Adds a header to the answer; both texts must live as long as the request's arena. */
void http_service_add_header(struct http_service_reply *reply, const char *name, const char *value);
