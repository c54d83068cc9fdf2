/*
 * A server stream and its successors: each is one call, opened after the cursor of the last message
 * that the caller has taken.
 *
 * A stream has a completion queue of its own.  One receive is under way while somebody waits, or
 * was left under way when he gave up waiting.
 */
#include "internal.h"

#include <grpc/byte_buffer.h>
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>
#include <sys/random.h>

#define PATH_SIZE_MAX 256
#define CURSOR_FIELD  "cursor"

/* One call, and what gRPC fills in. */
struct leg {
    grpc_call *call; /* NULL: not open */
    grpc_channel *channel;
    struct sent_metadata sent;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_byte_buffer *request;
    grpc_byte_buffer *received;
    grpc_status_code status;
    grpc_slice message;
    bool receives;
    char started, ended, came; /* tags */
};

struct dues_stream {
    struct dues_client *client;
    grpc_completion_queue *queue;
    struct leg leg;
    char path[PATH_SIZE_MAX];
    const ProtobufCMessageDescriptor *output;
    ProtobufCMessage *request; /* a copy */
    struct dues_call_options options;
    struct answer *texts; /* memory of the options' */
    gpr_timespec deadline;
    int32_t failures;     /* legs in a row without a message */
    gpr_timespec open_at; /* not before */
    struct answer *last;  /* the message that was given out */
    char *cursor;
    struct answer *end;
};

/* The `cursor` of a message; NULL when it has no such field. */
static char **cursor_slot(ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, CURSOR_FIELD);

    if (field == NULL || field->type != PROTOBUF_C_TYPE_STRING ||
        field->label == PROTOBUF_C_LABEL_REPEATED)
        return NULL;
    return (char **)(void *)((char *)message + field->offset);
}

static ProtobufCMessage *copy_message(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = gpr_zalloc(size + 1);
    protobuf_c_message_pack(message, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    gpr_free(bytes);
    if (copy == NULL)
        abort();
    return copy;
}

/* A text of the answer that nobody gave: why there is no call. */
static struct answer *mistake(int status, const char *message)
{
    struct answer *answer = answer_new();
    answer->public.status = status;
    answer->public.message = message;
    return answer;
}

static void keep_options(struct dues_stream *stream, const struct dues_call_options *options)
{
    if (options == NULL)
        return;
    stream->options = *options;
    if (options->token != NULL)
        stream->options.token = answer_text(stream->texts, options->token, strlen(options->token));
    struct dues_metadata *pairs =
        answer_alloc(stream->texts, (options->metadata_count + 1) * sizeof(*pairs));
    for (size_t i = 0; i < options->metadata_count; i++) {
        const struct dues_metadata *pair = &options->metadata[i];
        pairs[i].key = answer_text(stream->texts, pair->key, strlen(pair->key));
        pairs[i].value = answer_text(stream->texts, pair->value, strlen(pair->value));
    }
    stream->options.metadata = pairs;
}

struct dues_stream *dues_stream_open(struct dues_client *client,
                                     const ProtobufCServiceDescriptor *service, const char *method,
                                     const ProtobufCMessage *request,
                                     const struct dues_call_options *options)
{
    struct dues_stream *stream = gpr_zalloc(sizeof(*stream));
    const ProtobufCMethodDescriptor *row =
        protobuf_c_service_descriptor_get_method_by_name(service, method);

    stream->client = client;
    stream->queue = client_queue_take(client);
    stream->texts = answer_new();
    keep_options(stream, options);
    snprintf(stream->path, sizeof(stream->path), "/%s/%s", service->name, method);
    stream->request = copy_message(request);
    stream->open_at = gpr_now(GPR_CLOCK_MONOTONIC);
    stream->deadline =
        stream->options.deadline_ms > 0
            ? gpr_time_add(stream->open_at,
                           gpr_time_from_millis(stream->options.deadline_ms, GPR_TIMESPAN))
            : gpr_inf_future(GPR_CLOCK_MONOTONIC);
    char **cursor = cursor_slot(stream->request);
    stream->cursor = gpr_strdup(cursor == NULL || *cursor == NULL ? "" : *cursor);
    if (row == NULL)
        stream->end = mistake(DUES_UNIMPLEMENTED, "the service has no such method");
    else if (row->input != request->descriptor)
        stream->end = mistake(DUES_INVALID_ARGUMENT, "the request is not of the method's type");
    else
        stream->output = row->output;
    return stream;
}

/* The request with where we stand in it. */
static grpc_byte_buffer *pack_request(struct dues_stream *stream)
{
    char **slot = cursor_slot(stream->request);
    char *before = slot == NULL ? NULL : *slot;

    if (slot != NULL)
        *slot = stream->cursor;
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(stream->request));
    protobuf_c_message_pack(stream->request, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    if (slot != NULL)
        *slot = before;
    return buffer;
}

static void wait_for(struct dues_stream *stream, void *tag)
{
    (void)grpc_completion_queue_pluck(stream->queue, tag, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static bool leg_start(struct dues_stream *stream)
{
    struct leg *leg = &stream->leg;
    const grpc_op start[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .flags = stream->options.wait_for_ready || stream->options.attempts_max != 1
                      ? GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                            GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET
                      : 0,
         .data.send_initial_metadata = {.count = leg->sent.count, .metadata = leg->sent.list}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = leg->request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &leg->initial},
    };
    const grpc_op end = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                         .data.recv_status_on_client = {.trailing_metadata = &leg->trailing,
                                                        .status = &leg->status,
                                                        .status_details = &leg->message}};

    if (grpc_call_start_batch(leg->call, start, 4, &leg->started, NULL) != GRPC_CALL_OK)
        return false;
    if (grpc_call_start_batch(leg->call, &end, 1, &leg->ended, NULL) != GRPC_CALL_OK)
        abort(); /* the first of its kind on a call that has begun */
    return true;
}

static void leg_release(struct leg *leg)
{
    sent_metadata_release(&leg->sent);
    grpc_metadata_array_destroy(&leg->initial);
    grpc_metadata_array_destroy(&leg->trailing);
    grpc_byte_buffer_destroy(leg->request);
    if (leg->received != NULL)
        grpc_byte_buffer_destroy(leg->received);
    grpc_slice_unref(leg->message);
    grpc_call_unref(leg->call);
    leg->call = NULL;
}

static void leg_open(struct dues_stream *stream)
{
    struct dues_client *client = stream->client;
    struct leg *leg = &stream->leg;
    uint32_t turn = atomic_fetch_add(&client->next_channel, 1) % client->channel_count;
    grpc_slice path = grpc_slice_from_copied_string(stream->path);

    *leg = (struct leg){.message = grpc_empty_slice()};
    leg->channel = client->channels[turn];
    leg->call = grpc_channel_create_call(leg->channel, NULL, GRPC_PROPAGATE_DEFAULTS, stream->queue,
                                         path, NULL, stream->deadline, NULL);
    grpc_slice_unref(path);
    grpc_metadata_array_init(&leg->initial);
    grpc_metadata_array_init(&leg->trailing);
    sent_metadata_init(&leg->sent, &stream->options);
    leg->request = pack_request(stream);
    if (leg_start(stream))
        return;
    leg_release(leg);
    stream->end = mistake(DUES_INTERNAL, "the request metadata is not printable ASCII");
}

/* All that gRPC still owes us of the leg, which is over. */
static struct answer *leg_end(struct dues_stream *stream)
{
    struct leg *leg = &stream->leg;

    wait_for(stream, &leg->ended);
    wait_for(stream, &leg->started);
    if (leg->receives)
        wait_for(stream, &leg->came);
    struct answer *answer = answer_new();
    answer->public.status = (int)leg->status;
    answer->public.message =
        answer_text(answer, GRPC_SLICE_START_PTR(leg->message), GRPC_SLICE_LENGTH(leg->message));
    answer_read_headers(answer, leg->initial.metadata, leg->initial.count);
    answer_read_trailers(answer, leg->trailing.metadata, leg->trailing.count);
    leg_release(leg);
    return answer;
}

static bool may_go_on(const struct dues_stream *stream, const struct answer *answer)
{
    return stream->options.attempts_max != 1 && (answer->public.status == DUES_UNAVAILABLE ||
                                                 answer->public.status == DUES_RESOURCE_EXHAUSTED);
}

/* The leg is over: another one after a pause, or that was all. */
static void come_back_or_end(struct dues_stream *stream)
{
    struct answer *answer = leg_end(stream);
    uint64_t random = 0;

    stream->failures++;
    answer->public.attempts = stream->failures;
    if (!may_go_on(stream, answer)) {
        stream->end = answer;
        return;
    }
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint64_t)stream->failures;
    int64_t pause_ms = retry_pause_ms(stream->failures, answer->public.retry_after_ms, random);
    stream->open_at =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(pause_ms, GPR_TIMESPAN));
    dues_answer_free(&answer->public);
}

/* Gives the message out.  False when it is none of the method's. */
static bool take_message(struct dues_stream *stream)
{
    struct leg *leg = &stream->leg;
    struct answer *answer = answer_new();

    answer_read_bytes(answer, leg->received);
    grpc_byte_buffer_destroy(leg->received);
    leg->received = NULL;
    answer_read_reply(answer, stream->output);
    if (answer->public.reply == NULL) {
        grpc_call_cancel(leg->call, NULL);
        dues_answer_free(&leg_end(stream)->public);
        stream->end = answer;
        return false;
    }
    char **cursor = cursor_slot((ProtobufCMessage *)(uintptr_t)answer->public.reply);
    if (cursor != NULL && *cursor != NULL && (*cursor)[0] != '\0') {
        gpr_free(stream->cursor);
        stream->cursor = gpr_strdup(*cursor);
    }
    stream->failures = 0;
    stream->last = answer;
    return true;
}

/* False: nothing came before `until`. */
static bool receive(struct dues_stream *stream, gpr_timespec until)
{
    struct leg *leg = &stream->leg;
    const grpc_op op = {.op = GRPC_OP_RECV_MESSAGE,
                        .data.recv_message.recv_message = &leg->received};

    if (!leg->receives &&
        grpc_call_start_batch(leg->call, &op, 1, &leg->came, NULL) != GRPC_CALL_OK)
        abort(); /* one at a time, on a call that has begun */
    leg->receives = true;
    grpc_event event = grpc_completion_queue_pluck(stream->queue, &leg->came, until, NULL);
    if (event.type != GRPC_OP_COMPLETE)
        return false;
    leg->receives = false;
    return true;
}

const ProtobufCMessage *dues_stream_next(struct dues_stream *stream, int64_t wait_ms)
{
    gpr_timespec until = wait_ms < 0 ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                     : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                                    gpr_time_from_millis(wait_ms, GPR_TIMESPAN));

    dues_answer_free((struct dues_answer *)stream->last);
    stream->last = NULL;
    while (stream->end == NULL) {
        if (stream->leg.call == NULL) {
            if (gpr_time_cmp(stream->open_at, until) > 0) {
                gpr_sleep_until(until);
                return NULL;
            }
            gpr_sleep_until(stream->open_at);
            leg_open(stream);
            continue;
        }
        if (!receive(stream, until))
            return NULL;
        if (stream->leg.received == NULL)
            come_back_or_end(stream);
        else if (take_message(stream))
            return stream->last->public.reply;
    }
    return NULL;
}

const struct dues_answer *dues_stream_end(const struct dues_stream *stream)
{
    return stream->end == NULL ? NULL : &stream->end->public;
}

bool dues_stream_is_connected(const struct dues_stream *stream)
{
    return stream->leg.call != NULL &&
           grpc_channel_check_connectivity_state(stream->leg.channel, 0) == GRPC_CHANNEL_READY;
}

const char *dues_stream_cursor(const struct dues_stream *stream)
{
    return stream->cursor;
}

void dues_stream_close(struct dues_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->leg.call != NULL) {
        grpc_call_cancel(stream->leg.call, NULL);
        dues_answer_free(&leg_end(stream)->public);
    }
    client_queue_give(stream->client, stream->queue);
    dues_answer_free((struct dues_answer *)stream->last);
    dues_answer_free((struct dues_answer *)stream->end);
    dues_answer_free((struct dues_answer *)stream->texts);
    protobuf_c_message_free_unpacked(stream->request, NULL);
    gpr_free(stream->cursor);
    gpr_free(stream);
}
