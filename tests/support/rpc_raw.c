/*
 * Batches on a completion queue of the stream's own, waited for one by one.  A receive that did not
 * come in time stays pending and is what the next receive waits for.
 */
#include "support/rpc_raw.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>

#include "base/bug.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define STEP_MS 5000

struct rpc_raw {
    grpc_channel *channel;
};

struct rpc_raw_stream {
    grpc_call *call;
    grpc_completion_queue *queue;
    grpc_metadata_array headers;
    grpc_metadata_array trailers;
    grpc_status_code status;
    grpc_slice message;
    grpc_byte_buffer *received;
    bool receiving;
    struct rpc_raw_end *end;                       /* NULL: nobody wants to know */
    char start, status_done, send, close, receive; /* tags */
};

struct rpc_raw *rpc_raw_open(const char *target, const char *ca_pem, struct test_pair pair)
{
    struct rpc_raw *raw = calloc(1, sizeof *raw);
    grpc_ssl_pem_key_cert_pair key_pair = {pair.key_pem, pair.certificate_pem};
    static char own_connection[] = "grpc.use_local_subchannel_pool";
    static char growing_window[] = "grpc.http2.bdp_probe";
    grpc_arg list[] = {
        {.type = GRPC_ARG_INTEGER, .key = own_connection, .value.integer = 1},
        {.type = GRPC_ARG_INTEGER, .key = growing_window, .value.integer = 0},
    };
    grpc_channel_args args = {2, list};

    grpc_init();
    grpc_channel_credentials *credentials =
        grpc_ssl_credentials_create_ex(ca_pem, &key_pair, NULL, NULL);
    raw->channel = grpc_channel_create(target, credentials, &args);
    grpc_channel_credentials_release(credentials);
    return raw;
}

void rpc_raw_close(struct rpc_raw *raw)
{
    grpc_channel_destroy(raw->channel);
    free(raw);
    grpc_shutdown_blocking();
}

static gpr_timespec after_ms(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

static bool wait_for(struct rpc_raw_stream *stream, void *tag, int64_t ms)
{
    grpc_event event = grpc_completion_queue_pluck(stream->queue, tag, after_ms(ms), NULL);

    return event.type == GRPC_OP_COMPLETE && event.success != 0;
}

static void begin(struct rpc_raw_stream *stream, const grpc_op *ops, size_t count, void *tag)
{
    if (grpc_call_start_batch(stream->call, ops, count, tag, NULL) != GRPC_CALL_OK)
        bug("raw stream: batch refused");
}

struct rpc_raw_stream *rpc_raw_start(struct rpc_raw *raw, const char *path)
{
    struct rpc_raw_stream *stream = calloc(1, sizeof *stream);
    grpc_slice method = grpc_slice_from_copied_string(path);

    grpc_metadata_array_init(&stream->headers);
    grpc_metadata_array_init(&stream->trailers);
    stream->queue = grpc_completion_queue_create_for_pluck(NULL);
    stream->call =
        grpc_channel_create_call(raw->channel, NULL, GRPC_PROPAGATE_DEFAULTS, stream->queue, method,
                                 NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_slice_unref(method);
    const grpc_op start[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA, .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &stream->headers},
    };
    const grpc_op status = {
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {.trailing_metadata = &stream->trailers,
                                       .status = &stream->status,
                                       .status_details = &stream->message},
    };
    begin(stream, start, 2, &stream->start);
    begin(stream, &status, 1, &stream->status_done);
    return stream;
}

bool rpc_raw_send(struct rpc_raw_stream *stream, const void *bytes, size_t size)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(bytes, size);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    const grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer};

    begin(stream, &op, 1, &stream->send);
    bool worked = wait_for(stream, &stream->send, STEP_MS);
    grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(slice);
    return worked;
}

bool rpc_raw_half_close(struct rpc_raw_stream *stream)
{
    const grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

    begin(stream, &op, 1, &stream->close);
    return wait_for(stream, &stream->close, STEP_MS);
}

uint8_t *rpc_raw_receive(struct rpc_raw_stream *stream, int64_t wait_ms, size_t *size)
{
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
                        .data.recv_message.recv_message = &stream->received};
    grpc_byte_buffer_reader reader;

    if (!stream->receiving)
        begin(stream, &op, 1, &stream->receive);
    stream->receiving = true;
    grpc_event event =
        grpc_completion_queue_pluck(stream->queue, &stream->receive, after_ms(wait_ms), NULL);
    if (event.type == GRPC_QUEUE_TIMEOUT)
        return NULL;
    stream->receiving = false;
    if (stream->received == NULL || !grpc_byte_buffer_reader_init(&reader, stream->received))
        return NULL;
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    *size = GRPC_SLICE_LENGTH(slice);
    uint8_t *bytes = malloc(*size + 1);
    memcpy(bytes, GRPC_SLICE_START_PTR(slice), *size);
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(stream->received);
    stream->received = NULL;
    return bytes;
}

void rpc_raw_cancel(struct rpc_raw_stream *stream)
{
    grpc_call_cancel(stream->call, NULL);
}

static void read_info(const Google__Protobuf__Any *any, struct rpc_raw_end *end)
{
    Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);

    snprintf(end->reason, sizeof end->reason, "%s", info->reason);
    for (size_t i = 0; i < info->n_metadata; i++) {
        if (strcmp(info->metadata[i]->key, "cursor") == 0)
            snprintf(end->cursor, sizeof end->cursor, "%s", info->metadata[i]->value);
    }
    google__rpc__error_info__free_unpacked(info, NULL);
}

static void read_details(grpc_slice value, struct rpc_raw_end *end)
{
    Google__Rpc__Status *status =
        google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(value), GRPC_SLICE_START_PTR(value));

    for (size_t i = 0; i < status->n_details; i++) {
        if (strcmp(status->details[i]->type_url, "type.googleapis.com/google.rpc.ErrorInfo") == 0)
            read_info(status->details[i], end);
    }
    google__rpc__status__free_unpacked(status, NULL);
}

struct rpc_raw_end rpc_raw_finish_with_reason(struct rpc_raw_stream *stream)
{
    struct rpc_raw_end end = {.reason = ""};

    stream->end = &end;
    end.status = rpc_raw_finish(stream);
    return end;
}

int rpc_raw_finish(struct rpc_raw_stream *stream)
{
    bool ended = wait_for(stream, &stream->status_done, STEP_MS);
    int status = ended ? (int)stream->status : -1;

    if (!ended) {
        grpc_call_cancel(stream->call, NULL);
        wait_for(stream, &stream->status_done, STEP_MS);
    }
    wait_for(stream, &stream->start, STEP_MS);
    if (stream->receiving)
        grpc_completion_queue_pluck(stream->queue, &stream->receive, after_ms(STEP_MS), NULL);
    if (stream->received != NULL)
        grpc_byte_buffer_destroy(stream->received);
    for (size_t i = 0; stream->end != NULL && i < stream->trailers.count; i++) {
        if (grpc_slice_str_cmp(stream->trailers.metadata[i].key, "grpc-status-details-bin") == 0)
            read_details(stream->trailers.metadata[i].value, stream->end);
    }
    grpc_slice_unref(stream->message);
    grpc_metadata_array_destroy(&stream->headers);
    grpc_metadata_array_destroy(&stream->trailers);
    grpc_call_unref(stream->call);
    grpc_completion_queue_shutdown(stream->queue);
    grpc_completion_queue_destroy(stream->queue);
    free(stream);
    return status;
}
