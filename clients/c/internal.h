/*
 * What the files of libdues share: the memory of an answer, and the steps between wire and answer.
 */
#pragma once

#include "dues/client.h"

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>

#define CONNECTIONS_MAX 64
/* Completion queues kept for the next calls; more callers at once make and destroy their own. */
#define IDLE_QUEUES_MAX 64

/* keeper.c: the thread that polls the channels between calls. */
struct keeper {
    grpc_completion_queue *queue;
    pthread_t thread;
    pthread_mutex_t mutex;
    bool stopping; /* guarded by mutex: no channel is touched any more */
};

void keeper_start(struct keeper *keeper, grpc_channel *const *channels, size_t count);
/* Before the channels are destroyed, which ends what the keeper waits for … */
void keeper_let_go(struct keeper *keeper);
/* … and after. */
void keeper_end(struct keeper *keeper);

struct dues_client {
    struct keeper keeper;
    grpc_channel *channels[CONNECTIONS_MAX];
    uint32_t channel_count;
    atomic_uint next_channel;
    int64_t deadline_ms;
    pthread_mutex_t mutex;
    grpc_completion_queue *idle[IDLE_QUEUES_MAX]; /* guarded by mutex */
    size_t idle_count;
};

/* A queue that nobody else uses until it is given back. */
grpc_completion_queue *client_queue_take(struct dues_client *client);
void client_queue_give(struct dues_client *client, grpc_completion_queue *queue);

/* metadata.c: what goes out with a call. */
#define METADATA_MAX 32

struct sent_metadata {
    grpc_metadata list[METADATA_MAX];
    size_t count;
};

void sent_metadata_init(struct sent_metadata *sent, const struct dues_call_options *options);
void sent_metadata_release(struct sent_metadata *sent);

/* An answer and the blocks behind it.  `answer` comes first: dues_answer_free finds its owner. */
struct answer {
    struct dues_answer public;
    struct block *blocks;
    int64_t pause_ms_min; /* RetryInfo was there, also when it said 0 */
    bool retry_wished;
};

struct answer *answer_new(void);
void *answer_alloc(struct answer *answer, size_t size);
char *answer_text(struct answer *answer, const void *bytes, size_t size);

/* Reads google.rpc.Status, as the trailer grpc-status-details-bin holds it.  Bad bytes: nothing. */
void answer_read_details(struct answer *answer, const void *bytes, size_t size);

/* Trailing metadata: the details, the replay mark, and everything readable for the caller. */
void answer_read_trailers(struct answer *answer, const grpc_metadata *list, size_t count);

/* The bytes of a message as the answer's reply. */
void answer_read_bytes(struct answer *answer, grpc_byte_buffer *buffer);

/* What came before the message: the server's id of the call. */
void answer_read_headers(struct answer *answer, const grpc_metadata *list, size_t count);

/* Unpacks the reply; INTERNAL when the bytes are not such a message. */
void answer_read_reply(struct answer *answer, const ProtobufCMessageDescriptor *output);

/* True when sending the request twice does no more than sending it once. */
bool request_is_repeatable(const char *method, const ProtobufCMessage *request);

/*
 * How long to wait before attempt `attempts` + 1: anywhere between 0 and a bound that doubles
 * (full jitter), never less than the server wishes.
 */
int64_t retry_pause_ms(int32_t attempts, int64_t wished_ms, uint64_t random);
