/*
 * A client that speaks TLS and HTTP/2 frame by frame, for what no library of gRPC would send.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/rpc_certificates.h"

enum http2_type {
    HTTP2_DATA,
    HTTP2_HEADERS,
    HTTP2_PRIORITY,
    HTTP2_RST_STREAM,
    HTTP2_SETTINGS,
    HTTP2_PUSH_PROMISE,
    HTTP2_PING,
    HTTP2_GOAWAY,
    HTTP2_WINDOW_UPDATE,
    HTTP2_CONTINUATION,
};

#define HTTP2_END_STREAM  0x1
#define HTTP2_ACK         0x1
#define HTTP2_END_HEADERS 0x4

struct http2;

/* "127.0.0.1:8443".  Handshake, preface and SETTINGS done; ends the program when the server does
 * not greet. */
struct http2 *http2_open(const char *target, struct test_pair pair);
void http2_close(struct http2 *http2);

/* False: the server has closed the connection. */
bool http2_send(struct http2 *http2, enum http2_type type, int flags, uint32_t stream,
                const void *payload, size_t size);

/* HEADERS of a gRPC call, whole; `path` up to 126 bytes. */
bool http2_call(struct http2 *http2, uint32_t stream, const char *path);

/* Reads on until the server has ended the stream; false: it has closed the connection. */
bool http2_wait(struct http2 *http2, uint32_t stream);

/* Reads on until the server has closed the connection; false when it has not within ten seconds. */
bool http2_is_cut(struct http2 *http2);

/* A TCP connection that says nothing, in one step or two.  -1: refused. */
int tcp_open(const char *target);
int tcp_socket(void);
bool tcp_connect(int descriptor, const char *target);

/* True when the other side has closed it, after at most ten seconds. */
bool tcp_is_closed(int descriptor);
