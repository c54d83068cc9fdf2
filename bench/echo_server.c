/*
 * The least that gRPC's C core needs to answer a call: the yardstick of what dues adds to it.
 * The same channel arguments and mutual TLS as dues, one completion queue, one thread, one
 * registered method; no table, no fiber, no log.  It sends each request back.
 *
 *   bench_echo --listen 127.0.0.1:0 --certs DIR --rpc PATH
 *
 * DIR holds server.pem, server.key and ca.pem.  The port is the first line it prints; it runs until
 * it is killed.
 */
#include <getopt.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <stdbool.h>

#include "complain.h"
#include "rpc/server_arguments.h"

#define ARMED 64

struct exchange {
    bool answered; /* the next event is of the answer */
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *message;
};

struct echo {
    grpc_server *server;
    grpc_completion_queue *queue;
    void *method;
};

static char *read_certificate(const char *directory, const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return read_whole(path);
}

static grpc_server_credentials *make_credentials(const char *directory)
{
    char *ca = read_certificate(directory, "ca.pem");
    char *certificate = read_certificate(directory, "server.pem");
    char *key = read_certificate(directory, "server.key");
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
    grpc_server_credentials *credentials = grpc_ssl_server_credentials_create_ex(
        ca, &pair, 1, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, NULL);

    free(ca);
    free(certificate);
    free(key);
    return credentials;
}

static void arm(struct echo *echo, struct exchange *exchange)
{
    exchange->answered = false;
    exchange->message = NULL;
    grpc_metadata_array_init(&exchange->metadata);
    grpc_server_request_registered_call(echo->server, echo->method, &exchange->call,
                                        &exchange->deadline, &exchange->metadata,
                                        &exchange->message, echo->queue, echo->queue, exchange);
}

static void answer(struct exchange *exchange)
{
    grpc_slice details = grpc_empty_slice();
    const grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = exchange->message},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
         .data.send_status_from_server = {.status = GRPC_STATUS_OK, .status_details = &details}},
    };

    exchange->answered = true;
    if (grpc_call_start_batch(exchange->call, ops, sizeof(ops) / sizeof(ops[0]), exchange, NULL) !=
        GRPC_CALL_OK)
        give_up("could not answer a call", "");
}

static void forget(struct exchange *exchange)
{
    if (exchange->message != NULL)
        grpc_byte_buffer_destroy(exchange->message);
    grpc_metadata_array_destroy(&exchange->metadata);
    grpc_call_unref(exchange->call);
}

static void serve(struct echo *echo)
{
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(echo->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        struct exchange *exchange = event.tag;
        if (!exchange->answered && event.success && exchange->message != NULL) {
            answer(exchange);
            continue;
        }
        forget(exchange);
        arm(echo, exchange);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"certs", required_argument, NULL, 'c'},
        {"rpc", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    static struct exchange exchanges[ARMED];
    const char *listen = "127.0.0.1:0";
    const char *certificates = NULL;
    const char *rpc = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'l')
            listen = optarg;
        else if (option == 'c')
            certificates = optarg;
        else if (option == 'r')
            rpc = optarg;
    }
    if (certificates == NULL || rpc == NULL || optind < argc)
        give_up("usage: bench_echo --listen ADDRESS:PORT --certs DIR --rpc PATH", "");
    grpc_init();
    struct echo echo = {.server = server_create(),
                        .queue = grpc_completion_queue_create_for_next(NULL)};
    grpc_server_register_completion_queue(echo.server, echo.queue, NULL);
    echo.method = grpc_server_register_method(echo.server, rpc, NULL,
                                              GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    grpc_server_credentials *credentials = make_credentials(certificates);
    int port = grpc_server_add_http2_port(echo.server, listen, credentials);
    grpc_server_credentials_release(credentials);
    if (port == 0)
        give_up("could not listen on ", listen);
    grpc_server_start(echo.server);
    printf("%d\n", port);
    fflush(stdout);
    for (size_t i = 0; i < ARMED; i++)
        arm(&echo, &exchanges[i]);
    serve(&echo);
}
