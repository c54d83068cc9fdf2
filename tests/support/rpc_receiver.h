/*
 * Somebody who receives webhooks: plain HTTP on 127.0.0.1, one request a connection, answered as
 * the test wants.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECEIVED_MAX      64
#define RECEIVED_SIZE_MAX 4096

struct received {
    char id[80];
    char timestamp[24];
    char signature[400];
    char sequence[24];
    char body[RECEIVED_SIZE_MAX];
};

struct receiver;

struct receiver *receiver_new(void);
void receiver_free(struct receiver *receiver);
int receiver_port(const struct receiver *receiver);

/* From now on: "200 OK", "500 Oops\r\nRetry-After: 7". */
void receiver_answer(struct receiver *receiver, const char *status_and_headers);

/* How many requests came; connections without one count too. */
size_t receiver_count(struct receiver *receiver);
size_t receiver_connections(struct receiver *receiver);
/* Waits until so many came; false: they do not within twenty seconds. */
bool receiver_wait(struct receiver *receiver, size_t count);
/* The n-th, from 0. */
struct received receiver_get(struct receiver *receiver, size_t index);
