/*
 * A closed loop: a fixed number of calls in flight over a few connections, one thread, one
 * completion queue; each answer starts the next call.  It says how many calls there were, and how
 * long they took; what that means is bench/run's business.
 *
 *   bench_load --target HOST:PORT --certs DIR --rpc PATH --requests FILE --seconds N
 *              [--in-flight 64] [--connections 4] [--warm-up N] [--count N --replies FILE]
 *
 * FILE holds requests, each as a line of hex; they are sent in turn.  The text NNNNNNNNNNNNNNNN in
 * a request is replaced by another sixteen digits each time: a request_id of its own.
 */
#include <getopt.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <inttypes.h>

#include "dues/client.h"

#define IN_FLIGHT_MAX   1024
#define CONNECTIONS_MAX 64
#define LINE_SIZE       8192
#define FRESH_MARK      "NNNNNNNNNNNNNNNN"
#define FRESH_LENGTH    16
#define CALL_TIMEOUT_MS 10000
#define LATENCIES_MAX   20000000

struct request {
    uint8_t *bytes;
    size_t size;
    uint8_t *fresh; /* within bytes; NULL when there is none */
};

struct slot {
    struct bench *bench;
    grpc_call *call;
    grpc_byte_buffer *reply;
    grpc_metadata_array headers;
    grpc_metadata_array trailers;
    grpc_status_code status;
    grpc_slice details;
    int64_t begun_us;
    size_t channel;
};

struct bench {
    const char *target;
    const char *certificates;
    const char *rpc;
    const char *requests_file;
    int64_t seconds;
    int64_t warm_up_seconds;
    size_t count; /* 0: by time */
    const char *replies_file;
    FILE *replies;
    size_t in_flight;
    size_t connections;

    grpc_channel *channels[CONNECTIONS_MAX];
    grpc_completion_queue *queue;
    struct request *requests;
    size_t request_count;
    size_t next_request;
    uint64_t next_fresh;
    struct slot slots[IN_FLIGHT_MAX];
    bool counting;
    uint64_t calls;
    uint64_t errors;
    grpc_status_code last_error;
    uint32_t *latencies_us;
};

_Noreturn static void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "bench_load: %s%s\n", what, detail);
    exit(2);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static char *read_file(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 65536);
    if (file == NULL || text == NULL || fread(text, 1, 65535, file) == 0)
        give_up("could not read ", path);
    fclose(file);
    return text;
}

static grpc_arg integer_arg(char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = key, .value.integer = value};
}

static void open_channels(struct bench *bench)
{
    char *ca = read_file(bench->certificates, "ca.pem");
    char *certificate = read_file(bench->certificates, "service-billing.pem");
    char *key = read_file(bench->certificates, "service-billing.key");
    static char pool_key[] = "grpc.use_local_subchannel_pool";
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create_ex(ca, &pair, NULL, NULL);
    /* Or gRPC would share one connection among the channels. */
    grpc_arg args[] = {integer_arg(pool_key, 1)};
    grpc_channel_args list = {.num_args = 1, .args = args};
    for (size_t i = 0; i < bench->connections; i++)
        bench->channels[i] = grpc_channel_create(bench->target, credentials, &list);
    grpc_channel_credentials_release(credentials);
    free(ca);
    free(certificate);
    free(key);
}

static uint8_t hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit == '\0' ? NULL : strchr(digits, digit);
    if (found == NULL)
        give_up("a request is not hex", "");
    return (uint8_t)(found - digits);
}

static void read_requests(struct bench *bench)
{
    static char line[LINE_SIZE];
    FILE *file = fopen(bench->requests_file, "re");
    if (file == NULL)
        give_up("could not open ", bench->requests_file);
    while (fgets(line, sizeof(line), file) != NULL) {
        bench->requests =
            realloc(bench->requests, (bench->request_count + 1) * sizeof(*bench->requests));
        size_t size = strcspn(line, "\n") / 2;
        struct request *request = &bench->requests[bench->request_count++];
        *request = (struct request){.bytes = calloc(1, size + 1), .size = size};
        for (size_t i = 0; i < size; i++)
            request->bytes[i] = (uint8_t)(hex_digit(line[2 * i]) << 4 | hex_digit(line[2 * i + 1]));
        request->fresh = memmem(request->bytes, size, FRESH_MARK, FRESH_LENGTH);
    }
    fclose(file);
    if (bench->request_count == 0)
        give_up("there is no request in ", bench->requests_file);
}

static grpc_byte_buffer *next_payload(struct bench *bench)
{
    struct request *request = &bench->requests[bench->next_request++ % bench->request_count];
    if (request->fresh != NULL) {
        char fresh[FRESH_LENGTH + 1];
        snprintf(fresh, sizeof(fresh), "%016" PRIx64, bench->next_fresh++);
        memcpy(request->fresh, fresh, FRESH_LENGTH);
    }
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)request->bytes, request->size);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

static void begin_call(struct slot *slot)
{
    struct bench *bench = slot->bench;
    grpc_byte_buffer *payload = next_payload(bench);
    gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                         gpr_time_from_millis(CALL_TIMEOUT_MS, GPR_TIMESPAN));
    slot->call = grpc_channel_create_call(
        bench->channels[slot->channel], NULL, GRPC_PROPAGATE_DEFAULTS, bench->queue,
        grpc_slice_from_static_string(bench->rpc), NULL, deadline, NULL);
    grpc_metadata_array_init(&slot->headers);
    grpc_metadata_array_init(&slot->trailers);
    slot->reply = NULL;
    slot->begun_us = now_us();
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA, .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = payload},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &slot->headers},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &slot->reply},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &slot->trailers,
                                        .status = &slot->status,
                                        .status_details = &slot->details}},
    };
    if (grpc_call_start_batch(slot->call, ops, sizeof(ops) / sizeof(ops[0]), slot, NULL) !=
        GRPC_CALL_OK)
        give_up("could not start a call", "");
    grpc_byte_buffer_destroy(payload);
}

static void write_reply(struct bench *bench, grpc_byte_buffer *reply)
{
    grpc_byte_buffer_reader reader;
    grpc_byte_buffer_reader_init(&reader, reply);
    grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
    for (size_t i = 0; i < GRPC_SLICE_LENGTH(slice); i++)
        fprintf(bench->replies, "%02x", GRPC_SLICE_START_PTR(slice)[i]);
    fputc('\n', bench->replies);
    grpc_slice_unref(slice);
    grpc_byte_buffer_reader_destroy(&reader);
}

static void end_call(struct slot *slot)
{
    struct bench *bench = slot->bench;
    if (bench->counting && slot->status != GRPC_STATUS_OK) {
        bench->errors++;
        bench->last_error = slot->status;
    } else if (bench->counting) {
        if (bench->calls < LATENCIES_MAX)
            bench->latencies_us[bench->calls] = (uint32_t)(now_us() - slot->begun_us);
        bench->calls++;
    }
    if (bench->replies != NULL && slot->reply != NULL)
        write_reply(bench, slot->reply);
    grpc_metadata_array_destroy(&slot->headers);
    grpc_metadata_array_destroy(&slot->trailers);
    grpc_slice_unref(slot->details);
    if (slot->reply != NULL)
        grpc_byte_buffer_destroy(slot->reply);
    grpc_call_unref(slot->call);
}

/* Until `until_us`; afterwards the calls in flight are still awaited when `drain`. */
static void pump(struct bench *bench, int64_t until_us, bool drain)
{
    size_t flying = bench->in_flight;
    while (flying > 0) {
        grpc_event event =
            grpc_completion_queue_next(bench->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        end_call(event.tag);
        if (now_us() < until_us) {
            begin_call(event.tag);
        } else if (drain) {
            bench->counting = false;
            flying--;
        } else {
            begin_call(event.tag);
            return;
        }
    }
}

/* `bench->count` calls, and no more. */
static void pump_count(struct bench *bench)
{
    size_t begun = bench->in_flight;
    for (size_t ended = 0; ended < bench->count; ended++) {
        grpc_event event =
            grpc_completion_queue_next(bench->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        end_call(event.tag);
        if (begun < bench->count) {
            begun++;
            begin_call(event.tag);
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void report(struct bench *bench, int64_t took_us)
{
    size_t count = bench->calls < LATENCIES_MAX ? bench->calls : LATENCIES_MAX;
    qsort(bench->latencies_us, count, sizeof(uint32_t), compare);
    printf("{\"calls\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"last_error\":%d,\"took_us\":%" PRId64
           ",\"per_second\":%" PRIu64 ",\"p50_us\":%u,\"p99_us\":%u}\n",
           bench->calls, bench->errors, (int)bench->last_error, took_us,
           bench->calls * 1000000 / (uint64_t)took_us,
           count == 0 ? 0 : bench->latencies_us[count / 2],
           count == 0 ? 0 : bench->latencies_us[count - 1 - count / 100]);
}

static void run(struct bench *bench)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    /* Ids of another run are never met. */
    bench->next_fresh = ((uint64_t)wall.tv_sec << 28) & 0x7fffffffffffffffULL;
    bench->queue = grpc_completion_queue_create_for_next(NULL);
    open_channels(bench);
    for (size_t i = 0; i < bench->in_flight; i++) {
        bench->slots[i] = (struct slot){.bench = bench, .channel = i % bench->connections};
        begin_call(&bench->slots[i]);
    }
    int64_t begun_us = now_us();
    if (bench->count > 0) {
        bench->counting = true;
        pump_count(bench);
        report(bench, now_us() - begun_us);
        return;
    }
    pump(bench, begun_us + bench->warm_up_seconds * 1000000, false);
    bench->counting = true;
    begun_us = now_us();
    pump(bench, begun_us + bench->seconds * 1000000, true);
    report(bench, bench->seconds * 1000000);
}

static void usage(void)
{
    give_up("usage: bench_load --target HOST:PORT --certs DIR --rpc PATH --requests FILE "
            "--seconds N [--in-flight N] [--connections N] [--warm-up N]",
            "");
}

static void read_arguments(int argc, char **argv, struct bench *bench)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},
        {"certs", required_argument, NULL, 'c'},
        {"rpc", required_argument, NULL, 'r'},
        {"requests", required_argument, NULL, 'f'},
        {"seconds", required_argument, NULL, 's'},
        {"in-flight", required_argument, NULL, 'n'},
        {"connections", required_argument, NULL, 'k'},
        {"warm-up", required_argument, NULL, 'w'},
        {"count", required_argument, NULL, 'o'},
        {"replies", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            bench->target = optarg;
            break;
        case 'c':
            bench->certificates = optarg;
            break;
        case 'r':
            bench->rpc = optarg;
            break;
        case 'f':
            bench->requests_file = optarg;
            break;
        case 's':
            bench->seconds = strtoll(optarg, NULL, 10);
            break;
        case 'n':
            bench->in_flight = strtoul(optarg, NULL, 10);
            break;
        case 'k':
            bench->connections = strtoul(optarg, NULL, 10);
            break;
        case 'o':
            bench->count = strtoul(optarg, NULL, 10);
            break;
        case 'p':
            bench->replies_file = optarg;
            break;
        case 'w':
            bench->warm_up_seconds = strtoll(optarg, NULL, 10);
            break;
        default:
            usage();
        }
    }
    if (bench->target == NULL || bench->certificates == NULL || bench->rpc == NULL ||
        bench->requests_file == NULL || (bench->seconds < 1 && bench->count == 0) ||
        bench->in_flight < 1 || bench->in_flight > IN_FLIGHT_MAX || bench->connections < 1 ||
        bench->connections > CONNECTIONS_MAX)
        usage();
}

int main(int argc, char **argv)
{
    static struct bench bench = {.in_flight = 64, .connections = 4, .warm_up_seconds = 1};
    read_arguments(argc, argv, &bench);
    bench.latencies_us = calloc(LATENCIES_MAX, sizeof(uint32_t));
    if (bench.latencies_us == NULL)
        give_up("out of memory", "");
    if (bench.count > 0 && bench.in_flight > bench.count)
        bench.in_flight = bench.count;
    if (bench.replies_file != NULL && (bench.replies = fopen(bench.replies_file, "we")) == NULL)
        give_up("could not open ", bench.replies_file);
    grpc_init();
    read_requests(&bench);
    run(&bench);
    if (bench.replies != NULL && fclose(bench.replies) != 0)
        give_up("could not write ", bench.replies_file);
    for (size_t i = 0; i < bench.connections; i++)
        grpc_channel_destroy(bench.channels[i]);
    grpc_completion_queue_shutdown(bench.queue);
    while (
        grpc_completion_queue_next(bench.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
        GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(bench.queue);
    grpc_shutdown();
    return bench.errors == 0 ? 0 : 1;
}
