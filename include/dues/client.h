/*
 * libdues: the C client of a dues server, over gRPC with mutual TLS.
 *
 *   struct dues_client_options options = {
 *       .target = "127.0.0.1:8443",
 *       .ca_file = "certs/ca.pem",
 *       .certificate_file = "certs/service-billing.pem",
 *       .key_file = "certs/service-billing.key",
 *   };
 *   char problem[DUES_PROBLEM_SIZE];
 *   struct dues_client *client = dues_client_open(&options, problem);
 *
 *   struct dues_answer *answer;
 *   dues_call(client, &dues__payment__v1__payment_service__descriptor, "GetPayment", &request.base,
 *             NULL, &answer);
 *   if (answer->status == DUES_OK)
 *       use((const Dues__Payment__V1__Payment *)answer->reply);
 *   dues_answer_free(answer);
 *
 * Messages and service descriptors are those that protobuf-c generates from the .proto files.
 * Everything here may be used from any number of threads at the same time.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* gRPC's status codes. */
enum dues_status {
    DUES_OK = 0,
    DUES_CANCELLED = 1,
    DUES_UNKNOWN = 2,
    DUES_INVALID_ARGUMENT = 3,
    DUES_DEADLINE_EXCEEDED = 4,
    DUES_NOT_FOUND = 5,
    DUES_ALREADY_EXISTS = 6,
    DUES_PERMISSION_DENIED = 7,
    DUES_RESOURCE_EXHAUSTED = 8,
    DUES_FAILED_PRECONDITION = 9,
    DUES_ABORTED = 10,
    DUES_OUT_OF_RANGE = 11,
    DUES_UNIMPLEMENTED = 12,
    DUES_INTERNAL = 13,
    DUES_UNAVAILABLE = 14,
    DUES_DATA_LOSS = 15,
    DUES_UNAUTHENTICATED = 16,
};

/* "NOT_FOUND" for 5; "UNKNOWN" for what is no status code. */
const char *dues_status_name(int status);

#define DUES_PROBLEM_SIZE        256
#define DUES_DEADLINE_MS_DEFAULT 10000
#define DUES_ATTEMPTS_DEFAULT    4

struct dues_client;

/* Strings are copied; zero means the default. */
struct dues_client_options {
    const char *target; /* required: "host:port" */

    /* Who signs the server's certificate, and who we are: PEM files, or PEM texts in their place.
     */
    const char *ca_file;
    const char *certificate_file;
    const char *key_file;
    const char *ca_pem;
    const char *certificate_pem; /* leaf first, then the chain */
    const char *key_pem;

    const char *server_name; /* the name in the server's certificate, when `target` has another */
    int64_t deadline_ms;     /* of calls that do not say; DUES_DEADLINE_MS_DEFAULT */
    int32_t connections;     /* TCP connections the calls are spread over, 1 to 64; 1 */
};

/*
 * Reads the files and prepares the connections, which are made by the first calls.  NULL and one
 * line in `problem` when a file cannot be read or is not PEM.
 */
struct dues_client *dues_client_open(const struct dues_client_options *options,
                                     char problem[DUES_PROBLEM_SIZE]);

/* Only when no call is running any more.  NULL is allowed. */
void dues_client_close(struct dues_client *client);

struct dues_metadata {
    const char *key;   /* lower case */
    const char *value; /* printable ASCII */
};

/* All may be zero. */
struct dues_call_options {
    int64_t deadline_ms; /* for all attempts together; the client's */
    const char *token;   /* access token: goes out as `authorization: Bearer <token>` */
    const struct dues_metadata *metadata; /* more request metadata */
    size_t metadata_count;
    int32_t attempts_max; /* DUES_ATTEMPTS_DEFAULT; 1: never send it again */
    bool wait_for_ready;  /* wait for a connection until the deadline instead of failing at once */
};

struct dues_field_error {
    const char *field;       /* "payment.amount.minor_units" */
    const char *description; /* what is wrong and what would be right */
};

/* What came back.  Owns all it points to; strings are never NULL. */
struct dues_answer {
    int status; /* enum dues_status */

    /* DUES_OK */
    const ProtobufCMessage *reply; /* of the method's output type; NULL from dues_call_bytes */
    const uint8_t *reply_bytes;    /* exactly as received */
    size_t reply_size;
    bool replayed; /* the request_id was known: this is the first answer again */

    /* Otherwise.  `reason` and `domain` are "" when the server did not say. */
    const char *message;                  /* for developers, not for customers */
    const char *reason;                   /* a value of dues.type.v1.Reason without its prefix */
    const char *domain;                   /* "dues" */
    const struct dues_metadata *metadata; /* the dynamic values of the message */
    size_t metadata_count;
    const struct dues_field_error *fields; /* which fields were wrong */
    size_t field_count;
    int64_t retry_after_ms; /* the server's wish; 0 when it has none */

    /* Always */
    const char *request_trace; /* the server's id of the call, for its log; "" when none came */
    int32_t attempts;          /* how often the request was sent, at least 1 */
    const struct dues_metadata *trailers; /* trailing metadata as received, text keys only */
    size_t trailer_count;
};

/*
 * Calls `method` ("CreatePayment") of the service and blocks until the answer or the deadline.
 * Returns the status, and always an answer, to be freed by dues_answer_free.
 *
 * The request is sent again, within the deadline and with growing random pauses, only where that is
 * safe: it carries a `request_id` or the method is a read (Get…, List…, Check…); and only after
 * UNAVAILABLE, or ABORTED with a wish when to come back.
 */
int dues_call(struct dues_client *client, const ProtobufCServiceDescriptor *service,
              const char *method, const ProtobufCMessage *request,
              const struct dues_call_options *options, struct dues_answer **answer);

/*
 * Sends bytes to a path ("/dues.payment.v1.PaymentService/GetPayment") and hands back bytes; for
 * methods known only at run time.  Sent once: what a repeat would do is not known here.
 */
int dues_call_bytes(struct dues_client *client, const char *path, const void *request, size_t size,
                    const struct dues_call_options *options, struct dues_answer **answer);

/* NULL is allowed. */
void dues_answer_free(struct dues_answer *answer);

/*
 * A server stream that goes on by itself: WatchEvents, WatchPayments.
 *
 *   struct dues_stream *stream =
 *       dues_stream_open(client, &dues__payment__v1__payment_service__descriptor, "WatchEvents",
 *                        &request.base, NULL);
 *   const ProtobufCMessage *message;
 *   while ((message = dues_stream_next(stream, -1)) != NULL)
 *       use((const Dues__Payment__V1__WatchEventsResponse *)message);
 *   complain(dues_stream_end(stream)->message);
 *   dues_stream_close(stream);
 *
 * Request and messages have a field `cursor`.  After UNAVAILABLE and RESOURCE_EXHAUSTED (the server
 * stops, the connection is lost, we were slow) the stream is opened again after the last cursor,
 * with growing random pauses and without end: nothing is lost and nothing comes twice.  Keep
 * dues_stream_cursor with what you have done about the messages to go on after a crash of your own.
 *
 * One stream serves one thread at a time, and several streams share a connection, which carries 100
 * calls at a time: who watches many customers has `connections` for them.
 */
struct dues_stream;

/*
 * Of the options, `deadline_ms` 0 is none, and `attempts_max` 1 never opens it again.  Never NULL;
 * what is wrong with it, dues_stream_next finds.  The options' texts are copied.
 */
struct dues_stream *dues_stream_open(struct dues_client *client,
                                     const ProtobufCServiceDescriptor *service, const char *method,
                                     const ProtobufCMessage *request,
                                     const struct dues_call_options *options);

/*
 * The next message, good until the next call; `wait_ms` negative waits for ever.  NULL: none came
 * in time, or there will be none.
 */
const ProtobufCMessage *dues_stream_next(struct dues_stream *stream, int64_t wait_ms);

/* Why there will be none: OK when the server had no more; NULL while there may be. */
const struct dues_answer *dues_stream_end(const struct dues_stream *stream);

/*
 * Does it stand on a connection now?  False also while the first is made.  For who asks between
 * waits of dues_stream_next and would tell people that the server is away.
 */
bool dues_stream_is_connected(const struct dues_stream *stream);

/* Behind the last message that dues_stream_next gave, or what the request had; "" is the start. */
const char *dues_stream_cursor(const struct dues_stream *stream);

/* NULL is allowed. */
void dues_stream_close(struct dues_stream *stream);

/*
 * The service for the stubs that protobuf-c generates:
 *
 *   ProtobufCService *payments =
 *       dues_client_service(client, &dues__payment__v1__payment_service__descriptor, NULL);
 *   dues__payment__v1__payment_service__create_payment(payments, &request, on_payment, data);
 *   protobuf_c_service_destroy(payments);
 *
 * The call blocks; the closure runs before it returns, with NULL when the call failed.  What came
 * back in full is dues_service_answer, until the next call through this service or its end.  One
 * such service serves one thread at a time; make as many as needed, they cost little.
 */
ProtobufCService *dues_client_service(struct dues_client *client,
                                      const ProtobufCServiceDescriptor *descriptor,
                                      const struct dues_call_options *options);
const struct dues_answer *dues_service_answer(const ProtobufCService *service);

#ifdef __cplusplus
}
#endif
