/*
 * HTTPS to others: gateways and the receivers of webhooks.
 *
 *   fiber ──http_client_send──► queue ──► the client's thread (libcurl) ──► network
 *     ▲                                          │
 *     └────────────── resumed ───────────────────┘
 *
 * What matters about an exchange that fails is whether the request may have arrived.  HTTP_NOT_SENT
 * is certain: libcurl was about to write not even its first byte.  Everything else without a whole
 * answer is HTTP_UNKNOWN.
 *
 * A client is for one gateway and its key (or for everything public): connections and TLS sessions
 * are shared within a client only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct http_client;
struct log;

#define HTTP_CLIENT_PROBLEM_SIZE 256

/* An answer with more is not read further: HTTP_UNKNOWN. */
#define HTTP_REPLY_HEADERS_MAX   100
#define HTTP_REPLY_HEAD_SIZE_MAX ((size_t)32 * 1024)

struct http_client_options {
    const char *name;   /* of the thread and in the log, at most 15 characters: "stripe" */
    int32_t active_max; /* exchanges on the network at the same time, 1 to 1024 */
    int32_t queue_max;  /* that wait for one of those; more are HTTP_NOT_SENT */
    struct log *log;    /* libcurl's own words on each exchange, at debug; NULL: none */
};

/*
 * Starts the thread after a self-test: that redirects are not followed, nothing but HTTPS is spoken
 * and TLS not below 1.2, that the limits of an answer hold and nothing is added to what was asked.
 * NULL and one line in `problem` when it fails.
 */
struct http_client *http_client_open(const struct http_client_options *options,
                                     char problem[HTTP_CLIENT_PROBLEM_SIZE]);

/* When no fiber is in http_client_send any more.  NULL is allowed. */
void http_client_close(struct http_client *client);

struct http_exchange_request {
    const char *method;         /* "GET", "POST", "DELETE" */
    const char *url;            /* https://host[:port]/path, without user and password */
    const char *const *headers; /* "Name: value"; no control characters */
    size_t header_count;
    const void *body; /* NULL: none (for POST: an empty one) */
    size_t body_size;
    const char *ca_file; /* PEM; NULL or "": the system's authorities */
    int64_t connect_timeout_ms;
    int64_t time_limit_ms; /* of everything, waiting in the queue included */
    size_t reply_size_max; /* of the body */
    /*
     * The receiver recognises a repeated request (idempotency key, or nothing changes): connections
     * are kept and used again, and libcurl may send once more on a new one when a kept one has
     * died.  Otherwise each exchange has a connection of its own and at most one request leaves.
     */
    bool is_idempotent_send;
    /* Refuses addresses that are not of the public internet, by the address connected to. */
    bool public_only;
    /* Nothing but this machine itself, by 127.0.0.0/8 or ::1; then http:// is allowed, too. */
    bool loopback_only;
    /*
     * The status is all that matters: the exchange is over when it is known and the body is longer
     * than `reply_size_max` or was cut.
     */
    bool status_only;
};

enum http_result {
    HTTP_ANSWERED,  /* status, headers, and the whole body by its own length */
    HTTP_NOT_SENT,  /* certainly nothing left */
    HTTP_UNKNOWN,   /* it may have arrived */
    HTTP_FORBIDDEN, /* nothing left, nor will it: not HTTPS, not public, malformed */
};

struct http_field {
    const char *name;
    const char *value;
};

struct http_exchange_reply {
    enum http_result result;
    int32_t status;                   /* 0: none was heard */
    const struct http_field *headers; /* of the last answer, as they came */
    size_t header_count;
    const char *body; /* ends with NUL, which is not counted; may hold others */
    size_t body_size;
    int64_t request_size; /* bytes handed to TLS */
    const char *problem;  /* one line without secrets; "" when answered */
};

/* From a fiber, which is parked meanwhile.  The reply lives in the arena. */
void http_client_send(struct http_client *client, const struct http_exchange_request *request,
                      struct arena *arena, struct http_exchange_reply *reply);

/* The value of a header by its name, whatever its case; NULL when there is none. */
const char *http_reply_header(const struct http_exchange_reply *reply, const char *name);

/* "ANSWERED", … */
const char *http_result_name(enum http_result result);
