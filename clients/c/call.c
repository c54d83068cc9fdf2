/*
 * One call: send, wait, read the answer, and send again where that is safe.
 *
 * A request is repeatable when it carries a request_id (the server then does it once) or when it
 * only reads.  Everything else is sent once and its outcome reported as it is.
 */
#include "internal.h"

#include <grpc/byte_buffer.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <sys/random.h>

#define PATH_SIZE_MAX  256
#define PAUSE_MS_FIRST 50
#define PAUSE_MS_MAX   2000

/* What all attempts of one call have in common. */
struct request {
    struct dues_client *client;
    const char *path;
    const ProtobufCMessageDescriptor *output; /* NULL: the reply stays bytes */
    grpc_slice payload;
    const struct dues_call_options *options;
    gpr_timespec deadline;
    int32_t attempts_max;
};

/* What gRPC fills in during one attempt. */
struct attempt {
    grpc_call *call;
    struct sent_metadata sent;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_byte_buffer *request;
    grpc_byte_buffer *reply;
    grpc_status_code status;
    grpc_slice message;
};

static void attempt_init(struct attempt *attempt, const struct request *request,
                         grpc_completion_queue *queue)
{
    struct dues_client *client = request->client;
    uint32_t turn = atomic_fetch_add(&client->next_channel, 1) % client->channel_count;
    grpc_slice path = grpc_slice_from_copied_string(request->path);
    *attempt = (struct attempt){.message = grpc_empty_slice()};
    attempt->call = grpc_channel_create_call(client->channels[turn], NULL, GRPC_PROPAGATE_DEFAULTS,
                                             queue, path, NULL, request->deadline, NULL);
    grpc_slice_unref(path);
    grpc_metadata_array_init(&attempt->initial);
    grpc_metadata_array_init(&attempt->trailing);
    grpc_slice payload = request->payload;
    attempt->request = grpc_raw_byte_buffer_create(&payload, 1);
    sent_metadata_init(&attempt->sent, request->options);
}

static void attempt_release(struct attempt *attempt)
{
    sent_metadata_release(&attempt->sent);
    grpc_metadata_array_destroy(&attempt->initial);
    grpc_metadata_array_destroy(&attempt->trailing);
    grpc_byte_buffer_destroy(attempt->request);
    if (attempt->reply != NULL)
        grpc_byte_buffer_destroy(attempt->reply);
    grpc_slice_unref(attempt->message);
    grpc_call_unref(attempt->call);
}

static grpc_call_error attempt_start(struct attempt *attempt, const struct request *request)
{
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .flags = request->options->wait_for_ready
                      ? GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                            GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET
                      : 0,
         .data.send_initial_metadata = {.count = attempt->sent.count,
                                        .metadata = attempt->sent.list}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = attempt->request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &attempt->initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &attempt->reply},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &attempt->trailing,
                                        .status = &attempt->status,
                                        .status_details = &attempt->message}},
    };
    return grpc_call_start_batch(attempt->call, ops, 6, attempt, NULL);
}

static struct answer *attempt_answer(const struct attempt *attempt, const struct request *request)
{
    struct answer *answer = answer_new();
    answer->public.status = (int)attempt->status;
    answer->public.message = answer_text(answer, GRPC_SLICE_START_PTR(attempt->message),
                                         GRPC_SLICE_LENGTH(attempt->message));
    answer_read_headers(answer, attempt->initial.metadata, attempt->initial.count);
    answer_read_trailers(answer, attempt->trailing.metadata, attempt->trailing.count);
    if (answer->public.status != DUES_OK)
        return answer;
    if (attempt->reply == NULL) {
        answer->public.status = DUES_INTERNAL;
        answer->public.message = "the server answered OK without a message";
        return answer;
    }
    answer_read_bytes(answer, attempt->reply);
    if (request->output != NULL)
        answer_read_reply(answer, request->output);
    return answer;
}

static struct answer *send_once(const struct request *request)
{
    grpc_completion_queue *queue = client_queue_take(request->client);
    struct attempt attempt;
    attempt_init(&attempt, request, queue);
    struct answer *answer;
    grpc_call_error refused = attempt_start(&attempt, request);
    if (refused == GRPC_CALL_OK) {
        grpc_completion_queue_pluck(queue, &attempt, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        answer = attempt_answer(&attempt, request);
    } else {
        answer = answer_new();
        answer->public.status = DUES_INTERNAL;
        answer->public.message = refused == GRPC_CALL_ERROR_INVALID_METADATA
                                     ? "the request metadata is not printable ASCII"
                                     : "gRPC refused to start the call";
    }
    attempt_release(&attempt);
    client_queue_give(request->client, queue);
    return answer;
}

int64_t retry_pause_ms(int32_t attempts, int64_t wished_ms, uint64_t random)
{
    int64_t bound = PAUSE_MS_FIRST;
    for (int32_t i = 1; i < attempts && bound < PAUSE_MS_MAX; i++)
        bound *= 2;
    if (bound > PAUSE_MS_MAX)
        bound = PAUSE_MS_MAX;
    return wished_ms + (int64_t)(random % (uint64_t)(bound + 1));
}

static bool worth_repeating(const struct answer *answer)
{
    if (answer->public.status == DUES_UNAVAILABLE)
        return true;
    return answer->public.status == DUES_ABORTED && answer->retry_wished;
}

/* Sleeps before the next attempt; false when the deadline comes first. */
static bool pause_before_retry(const struct request *request, const struct answer *answer,
                               int32_t attempts)
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint64_t)attempts;
    int64_t pause_ms = retry_pause_ms(attempts, answer->public.retry_after_ms, random);
    gpr_timespec until =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(pause_ms, GPR_TIMESPAN));
    if (gpr_time_cmp(until, request->deadline) >= 0)
        return false;
    gpr_sleep_until(until);
    return true;
}

static int run(struct request *request, struct dues_answer **answer)
{
    int64_t deadline_ms = request->options->deadline_ms > 0 ? request->options->deadline_ms
                                                            : request->client->deadline_ms;
    request->deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(deadline_ms, GPR_TIMESPAN));
    struct answer *last = NULL;
    int32_t attempts = 0;
    do {
        dues_answer_free((struct dues_answer *)last);
        last = send_once(request);
        attempts++;
    } while (attempts < request->attempts_max && worth_repeating(last) &&
             pause_before_retry(request, last, attempts));
    grpc_slice_unref(request->payload);
    last->public.attempts = attempts;
    *answer = &last->public;
    return last->public.status;
}

bool request_is_repeatable(const char *method, const ProtobufCMessage *request)
{
    static const char *const reads[] = {"Get", "List", "Check"};
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        if (strncmp(method, reads[i], strlen(reads[i])) == 0)
            return true;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "request_id");
    if (field == NULL || field->type != PROTOBUF_C_TYPE_STRING)
        return false;
    const char *id = *(char *const *)((const char *)request + field->offset);
    return id != NULL && id[0] != '\0';
}

static const struct dues_call_options no_options;

int dues_call(struct dues_client *client, const ProtobufCServiceDescriptor *service,
              const char *method, const ProtobufCMessage *request,
              const struct dues_call_options *options, struct dues_answer **answer)
{
    char path[PATH_SIZE_MAX];
    snprintf(path, sizeof(path), "/%s/%s", service->name, method);
    const ProtobufCMethodDescriptor *row =
        protobuf_c_service_descriptor_get_method_by_name(service, method);
    if (row == NULL || row->input != request->descriptor) {
        struct answer *mistake = answer_new();
        mistake->public.status = row == NULL ? DUES_UNIMPLEMENTED : DUES_INVALID_ARGUMENT;
        mistake->public.message = row == NULL ? "the service has no such method"
                                              : "the request is not of the method's type";
        mistake->public.attempts = 1;
        *answer = &mistake->public;
        return mistake->public.status;
    }
    struct request attempts = {
        .client = client,
        .path = path,
        .output = row->output,
        .payload = grpc_slice_malloc(protobuf_c_message_get_packed_size(request)),
        .options = options != NULL ? options : &no_options,
        .attempts_max = 1,
    };
    protobuf_c_message_pack(request, GRPC_SLICE_START_PTR(attempts.payload));
    if (request_is_repeatable(method, request))
        attempts.attempts_max = attempts.options->attempts_max > 0 ? attempts.options->attempts_max
                                                                   : DUES_ATTEMPTS_DEFAULT;
    return run(&attempts, answer);
}

int dues_call_bytes(struct dues_client *client, const char *path, const void *request, size_t size,
                    const struct dues_call_options *options, struct dues_answer **answer)
{
    struct request attempts = {
        .client = client,
        .path = path,
        .payload = grpc_slice_from_copied_buffer(request, size),
        .options = options != NULL ? options : &no_options,
        .attempts_max = 1,
    };
    return run(&attempts, answer);
}
