/*
 * One exchange with libcurl: its options, what the callbacks gather, and what it came to.  Within
 * http/ only.
 */
#pragma once

#include <curl/curl.h>

#include "http/client.h"

struct fiber;
struct http_client;

#define EXCHANGE_TALK_SIZE 2048

struct http_exchange {
    struct http_exchange *next; /* in the queue, or among the finished */
    struct http_client *client;
    struct fiber *fiber;
    const struct http_exchange_request *request;
    struct http_exchange_reply *reply;
    struct arena *arena;
    int64_t until_us; /* monotonic */

    CURL *curl; /* once begun */
    struct curl_slist *headers;
    struct http_field *reply_headers;
    size_t head_size;
    char *body;
    size_t body_size;
    size_t body_capacity;
    int32_t requests;  /* that libcurl was about to write */
    bool too_large;    /* head, number of headers or body */
    bool out_of_room;  /* of the arena */
    bool refused;      /* an address that is not public */
    bool is_delimited; /* the answer tells its own length */

    bool hears; /* libcurl's own words are kept in `talk` */
    size_t talk_size;
    char talk[EXCHANGE_TALK_SIZE];
};

/* Looks at the request without libcurl.  False: the reply says why. */
bool http_exchange_check(struct http_exchange *exchange);

/* Makes the handle, with `time_left_ms` to go.  False: the reply says why; nothing was begun. */
bool http_exchange_begin(struct http_exchange *exchange, int64_t time_left_ms);

/* After libcurl is done with it: fills the reply and frees the handle. */
void http_exchange_end(struct http_exchange *exchange, CURLcode code);

/* The reply of one that was never begun. */
void http_exchange_fail(struct http_exchange *exchange, enum http_result result,
                        const char *problem);
