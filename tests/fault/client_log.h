/*
 * What a client of the fault test knows for certain: a file of JSON lines, each on the disk before
 * the next thing happens.  An intent is written before the request leaves and an answer after it
 * came, so that a checker can hold the server to what it has acknowledged.
 */
#pragma once

#include "operation.h"

struct client_log;

/* Appends to `path`; exits when it cannot be written: a test without its log proves nothing. */
struct client_log *client_log_open(const char *path);
void client_log_close(struct client_log *log);

/* Safe from several threads. */
void client_log_intent(struct client_log *log, const struct operation *operation);
void client_log_answer(struct client_log *log, const struct operation *operation,
                       const struct outcome *outcome);
