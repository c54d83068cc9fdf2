/*
 * What the files of rpc/ share.  Nothing outside this room includes it.
 *
 *   poller thread              fiber of the call                 any thread
 *   accepted ─► re-arm
 *              admit: who, how often, is there room
 *              wait for the message
 *   received ─► begin ───────► authorise, decode,
 *                              handler … parks …  ◄───────────── resumed by a lane, a timer
 *              expire? ──┐     … ends
 *                        └──── one of the two answers ─────────► grpc_call_start_batch
 *   answered ◄─────────────────────────────────────────────────
 *
 * A call lives until its fiber has ended (or it will have none) and its answer has come back: two
 * references.  A stream has a third, because it is told at once when its client leaves, and a
 * fourth while a message that its client does not read outlives its fiber.
 */
#pragma once

#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <protobuf-c/protobuf-c.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/fiber.h"
#include "base/house.h"
#include "base/method.h"
#include "base/stream.h"
#include "base/time.h"
#include "base/trace.h"
#include "rpc/admission.h"
#include "rpc/descriptor_index.h"
#include "rpc/rpc_measure.h"
#include "rpc/server.h"

/* What one call may hold, decoded request and reply included. */
#define CALL_ARENA_SIZE_MAX (4 * 1024 * 1024)
/* Arenas kept for the next calls. */
#define ARENAS_KEPT_MAX 64
/* What a request may grow to by decoding; the wire allows 64 KiB. */
#define DECODE_SIZE_MAX (1024 * 1024)
#define REPLY_SIZE_MAX  (1024 * 1024)
/* A client's deadline below this is taken as this: the handler needs a moment to record. */
#define DEADLINE_MS_MIN 50
/* The answer of a stream holds up a server that stops no longer than this. */
#define STOPPING_ANSWER_US US_PER_SECOND
/* A client's deadline of a stream above this is taken as this. */
#define STREAM_MS_MAX (366LL * 24 * 3600 * 1000)
/* Requests kept outstanding for each method; they are re-armed before anything else is done. */
#define ARMED_PER_METHOD 8
#define ARMED_UNKNOWN    16
/* Calls for whose traces the kernel is asked at once. */
#define TRACES_DRAWN 64
/* Streams of one app's certificate or one device: services and operators have a setting. */
#define STREAMS_OF_AN_APP_MAX 32
#define ROUTES_MAX            256
#define SERVICES_MAX          32

struct deny_list;
struct peers;
struct rpc_call;
struct rpc_credentials;

/* A tag of the completion queue. */
struct rpc_event {
    void (*happened)(struct rpc_call *call, bool success);
    struct rpc_call *call;
};

/* One method that is served: a row of a table, or a stream of our own. */
struct rpc_route {
    char *path; /* "/dues.payment.v1.PaymentService/CreatePayment" */
    const ProtobufCServiceDescriptor *service;
    const struct rpc_method *method;
    const ProtobufCMessageDescriptor *input;
    const ProtobufCMessageDescriptor *output;
    const ProtobufCFieldDescriptor *request_id;             /* NULL: has none */
    const ProtobufCFieldDescriptor *object;                 /* of the request, for the log */
    const ProtobufCFieldDescriptor *made;                   /* of the reply */
    const struct error *(*converse)(struct rpc_call *call); /* NULL: not a stream of our own */
    bool is_stream;                                         /* of our own, or of the row */
    void *registered;                                       /* gRPC's handle */
    struct rpc_durations *durations;
};

struct rpc_call {
    struct call call; /* first, so that a handler of rpc/ finds its way back */
    struct rpc_server *server;
    const struct rpc_route *route; /* NULL: a path that is not served */
    atomic_int references;
    atomic_bool answer_taken; /* the handler or the deadline: whoever sets it sends */
    atomic_bool client_gone;

    grpc_call *handle;
    grpc_metadata_array metadata;
    grpc_call_details details; /* of paths that are not served */
    gpr_timespec deadline;
    grpc_byte_buffer *payload;
    int cancelled;
    bool is_last_of_connection; /* which ends with it: the peer gets no other */
    int64_t accept_us;          /* monotonic */
    int64_t answer_by_us; /* monotonic; the handler may give itself longer, to record what it did */
    int64_t answered_us;  /* monotonic: when the poller saw that it was answered; 0: not yet */

    struct rpc_event accepted;
    struct rpc_event received; /* unary: its message is there, or will not come */
    struct rpc_event answered;
    struct rpc_event closed; /* streams */

    /* Streams only; touched by the poller thread alone, on which their fibers run. */
    struct rpc_event batch_done;
    int64_t batch_since_us; /* monotonic: reading or writing for so long; 0: it does neither */
    bool reads;             /* what it does since then */
    struct fiber *parked;
    bool has_stream_fiber;
    bool parked_for_tick;
    bool batch_worked;
    bool batch_left; /* its fiber went on without it */
    bool headers_sent;
    bool cut; /* cancelled by us */

    /* Streams of a row: see server_stream.c */
    struct stream stream;
    int64_t wait_until_us; /* monotonic */
    int64_t checked_us;    /* monotonic: when its caller was last looked at */
    int64_t sent;          /* messages */
    bool is_slow;
    atomic_bool waiting; /* whoever makes it false resumes the fiber */
    atomic_bool woken;

    struct rpc_call *previous; /* in server->living */
    struct rpc_call *next;
    bool waits; /* for its message: in server->waiting, below the mutex */
    struct rpc_call *waits_before;
    struct rpc_call *waits_after;
};

struct rpc_server {
    struct rpc_server_options options;
    const struct house *house;
    grpc_server *grpc;
    grpc_completion_queue *queue;
    grpc_channel *nowhere;   /* leads to no server */
    grpc_call *bell;         /* on it; a batch without ops is an event at once: wakes the poller */
    struct fiber_home *home; /* the poller's */
    struct deny_list *denied;
    struct peers *peers;
    struct rpc_credentials *credentials;
    struct descriptor_index *descriptors; /* NULL: reflection is off */
    int port;
    pthread_t poller;
    bool poller_runs;

    struct rpc_route *routes[ROUTES_MAX];
    size_t route_count;
    const char *services[SERVICES_MAX]; /* full names, as health and reflection tell them */
    size_t service_count;

    struct throttle *throttle;
    struct admission admission;
    struct rpc_counts counts;
    struct rpc_durations unknown;  /* of paths that are not served */
    atomic_int_least64_t refusals; /* at the door, in this second */
    int64_t refusals_second;       /* the poller's */

    atomic_bool draining;
    int stream_count;          /* that have a fiber; poller thread only */
    struct rpc_call **streams; /* room for the tick to list them; the same */
    size_t traces_left;        /* the same */
    uint8_t traces[TRACES_DRAWN]
                  [TRACE_RANDOM_SIZE]; /* randomness for the traces of calls to come */
    atomic_size_t running;             /* calls with a fiber */

    pthread_mutex_t mutex;          /* of everything below */
    pthread_cond_t quiet;           /* no calls are left, or the shutdown is done: look */
    struct rpc_call *living;        /* accepted and not freed */
    size_t call_count;              /* accepted and not freed */
    struct rpc_call *waiting_first; /* for their message, the oldest first */
    struct rpc_call *waiting_last;
    size_t waiting_count;
    bool shutdown_begun;
    bool shutdown_done;
    struct arena *arenas[ARENAS_KEPT_MAX];
    size_t arena_count;
};

/* tables.c */
bool rpc_routes_add_service(struct rpc_server *server, const struct rpc_service *service,
                            char problem[RPC_PROBLEM_SIZE]);
bool rpc_routes_add(struct rpc_server *server, const ProtobufCServiceDescriptor *service,
                    const struct rpc_method *method,
                    const struct error *(*converse)(struct rpc_call *call),
                    char problem[RPC_PROBLEM_SIZE]);
void rpc_routes_free(struct rpc_server *server);

/* poller.c */
void *rpc_poller_run(void *argument); /* the server */
/* Events that belong to no call. */
extern struct rpc_event rpc_shutdown_event;

/* calls.c */
bool rpc_call_is_stream(const struct rpc_call *call);
/* Monotonic: until when a stream of a row may last. */
int64_t rpc_stream_until_us(const struct rpc_call *call);
void rpc_call_arm(struct rpc_server *server, const struct rpc_route *route);
void rpc_call_unref(struct rpc_call *call);
/*
 * Answers those whose deadline has passed (their handlers go on), and cuts those whose client does
 * not take the answer.
 */
void rpc_calls_expire(struct rpc_server *server);

/* message.c: only on the poller thread */
/* Begins the call when its message has come. */
void rpc_message_await(struct rpc_call *call);
void rpc_message_received(struct rpc_call *call, bool success);
/* Takes it from the waiting; the server's mutex is held. */
void rpc_message_forget(struct rpc_call *call);

/* dispatch.c */
/* Who calls, may it call so often, and is there room; nothing here waits. */
const struct error *rpc_admit(struct rpc_call *rpc) MUST_CHECK;
/* Takes tokens of the caller's rate: for a call, for a large message, for a question in a stream.
 */
const struct error *rpc_take_rate(struct rpc_call *rpc, int64_t cost) MUST_CHECK;
/* Starts the fiber; false when there is no room for it: the other fibers are the obligations'. */
bool rpc_call_run(struct rpc_call *call) MUST_CHECK;
/* Without a fiber. */
void rpc_refuse(struct rpc_call *call, const struct error *error);
const struct error *rpc_overloaded(struct rpc_call *call, enum rpc_refusal why) MUST_CHECK;
const struct error *rpc_too_late(struct rpc_call *call, const char *cause) MUST_CHECK;
/* Tells the log and the counts how a call that was let in ended. */
void rpc_call_end(struct rpc_call *call, const struct error *error);

/* identity.c */
const struct error *rpc_identify(struct rpc_call *rpc) MUST_CHECK;
/* For what lasts: is the certificate still as good as it was? */
const struct error *rpc_identify_again(struct rpc_call *rpc) MUST_CHECK;
/* Network address, for the log only.  In the arena of the call, made when first asked for. */
const char *rpc_peer_address(struct rpc_call *rpc);
/* "spiffe://<domain>/<kind>/<name>"; `*name` points into `uri`. */
bool spiffe_parse(const char *uri, const char *trust_domain, enum caller_kind *kind,
                  const char **name);

/* authorise.c */
const struct error *rpc_authorise(struct rpc_call *rpc) MUST_CHECK;
/* For what lasts: is the caller still whom the row admits?  What it finds lives in `arena`. */
const struct error *rpc_authorise_again(struct rpc_call *rpc, struct arena *arena) MUST_CHECK;
bool scope_contains(const char *scopes, const char *wanted);
const char *caller_kind_name(enum caller_kind kind);

/* decode.c */
const struct error *rpc_decode(struct rpc_call *rpc, ProtobufCMessage **request) MUST_CHECK;
/* Checked and decoded in the arena.  `payload` may be NULL and stays the caller's. */
const struct error *rpc_decode_payload(struct call *call, const ProtobufCMessageDescriptor *type,
                                       grpc_byte_buffer *payload, bool refuse_unknown,
                                       ProtobufCMessage **message) MUST_CHECK;

/* object.c: what the log line says that the call is about */
const ProtobufCFieldDescriptor *rpc_object_field(const ProtobufCMessageDescriptor *message);
void rpc_object_tell(struct call *call, const ProtobufCFieldDescriptor *field,
                     const ProtobufCMessage *message);

/* library_locks.c: gRPC locks without looking for cycles.  False: the library has no such switch.
 */
bool rpc_library_locks_hurry(void);

/* listen.c: why nothing can listen on the address, in one line */
void rpc_listen_problem(const char *address, char problem[RPC_PROBLEM_SIZE]);

/* answer.c */
/* False: the deadline has answered already. */
bool rpc_answer_take(struct rpc_call *call);
void rpc_answer_reply(struct rpc_call *call, grpc_byte_buffer *reply);
/* NULL is OK: the end of a stream. */
void rpc_answer_error(struct rpc_call *call, const struct error *error, struct arena *arena);
/* NULL when the packed reply would be too large. */
grpc_byte_buffer *rpc_reply_pack(const struct call *call, const ProtobufCMessage *reply);
grpc_byte_buffer *rpc_buffer_pack(const ProtobufCMessage *message);

/* stream.c: only in fibers on the poller thread */
bool rpc_stream_send(struct rpc_call *call, const ProtobufCMessage *message);
/* `*message` is NULL when the client has no more, or is gone. */
const struct error *rpc_stream_receive(struct rpc_call *call, struct call *into,
                                       ProtobufCMessage **message) MUST_CHECK;
/* Parks until the next tick of the poller or until the client is gone. */
void rpc_stream_wait(struct rpc_call *call);
/* The fiber goes on at once, as if the message could not be sent; it is kept until it is sent. */
void rpc_stream_leave_batch(struct rpc_call *call);
void rpc_streams_tick(struct rpc_server *server);
/* All streams together, or this caller's. */
bool rpc_stream_is_one_too_many(const struct rpc_call *call);

/* server_stream.c: the streams of rows, also only there */
extern const struct stream_ways rpc_stream_ways;
/* Why it must not go on; NULL: it may. */
const struct error *rpc_server_stream_check(struct rpc_call *rpc) MUST_CHECK;
void rpc_server_stream_tick(struct rpc_call *call, bool draining, int64_t now_us);
/* The error as the client gets it: with the cursor, when there is one. */
const struct error *rpc_server_stream_error(struct rpc_call *call, const struct error *error);

/* health.c and reflection.c */
bool rpc_health_add(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE]);
bool rpc_reflection_add(struct rpc_server *server, char problem[RPC_PROBLEM_SIZE]);

/* call_log.c */
void rpc_call_log(struct rpc_call *rpc, const struct error *error);
/* Of a call that was refused at the door: the first of each second have a line of their own, */
void rpc_refusal_log(struct rpc_call *call, const struct error *error);
/* and the poller says each second how many more there were. */
void rpc_refusals_log(struct rpc_server *server, int64_t now_us);
