/*
 * Listening sockets by their name in the configuration.
 */
#pragma once

#include <stdbool.h>

#include "http/listener.h"

/* sun_path of unix(7). */
#define HTTP_SOCKET_PATH_SIZE 108

struct http_socket {
    int descriptor;                   /* -1: none */
    int port;                         /* 0: a unix socket */
    char path[HTTP_SOCKET_PATH_SIZE]; /* of a unix socket, else "" */
};

/* False and one line in `problem`: nothing was left behind. */
bool http_socket_open(const char *name, struct http_socket *opened,
                      char problem[HTTP_PROBLEM_SIZE]);

/* Closes it, and removes a unix socket's file. */
void http_socket_close(struct http_socket *opened);
