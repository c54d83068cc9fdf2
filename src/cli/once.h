/*
 * Calls that must not be done twice: the request's id is said before anything is sent, so that
 * whoever loses the answer can send the very same request again.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "cli/command.h"

/* What an earlier try printed, or a new one, in the arena. */
const char *once_request_id(struct arena *arena, const char *given);

/* What the same command again must have, so that it is the same request. */
struct once {
    const char *request_id;
    const char *etag; /* NULL: the request has none */
};

/*
 * Asks PaymentService; `request` has what `once` says.  `tell` prints the answer and gives the exit
 * status. An answer that was lost is said to be open, with the way to find out.
 */
int once_ask(struct wish *wish, const char *method, const ProtobufCMessage *request,
             const struct once *once, int (*tell)(void *wish, const ProtobufCMessage *reply));
