/*
 * What commands that call the server share: one call and its complaint, and the texts
 * of requests.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/connection.h"
#include "dues/client.h"

/*
 * A client of the connection, whose missing parts are taken from the state directory.  NULL after a
 * complaint.
 */
struct dues_client *ask_open(struct connection *connection, struct arena *arena);

/* The answer, to be freed; NULL after a complaint, with the exit status it calls for. */
struct dues_answer *ask(struct dues_client *client, const ProtobufCServiceDescriptor *service,
                        const char *method, const ProtobufCMessage *request, int *exit_status);

/* The same of PaymentService. */
struct dues_answer *ask_payments(struct dues_client *client, const char *method,
                                 const ProtobufCMessage *request, int *exit_status);

/* The text of an option as a whole number of 1 and more. */
bool read_count(const char *text, int64_t *count);

/* "customers/ID", of that or of the ID alone. */
const char *customer_name(struct arena *arena, const char *text);

/* protobuf-c's strings are not const, though it leaves a request's alone. */
char *request_text(const char *text);
