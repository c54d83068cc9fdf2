/*
 * Calls that must not be done twice: the request's id is said before anything is sent, so that
 * whoever loses the answer can send the very same request again.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "cli/command.h"

/* What an earlier try printed, or a new one, in the arena. */
const char *once_request_id(struct arena *arena, const char *given);

/*
 * Asks PaymentService; `request` has the id.  `tell` prints the answer and gives the exit status.
 * An answer that was lost is said to be open, with the way to find out.
 */
int once_ask(struct wish *wish, const char *method, const ProtobufCMessage *request,
             const char *request_id, int (*tell)(void *wish, const ProtobufCMessage *reply));
