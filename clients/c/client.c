/*
 * The connections of a client.  A channel is one TCP connection that gRPC makes, keeps and remakes;
 * calls take channels in turn.  A call waits on a completion queue of its own, taken from a small
 * stock, so that callers never meet on a lock while they wait.
 */
#include "internal.h"

#include <errno.h>
#include <grpc/grpc_security.h>

#define PEM_SIZE_MAX     (1 << 20)
#define MESSAGE_SIZE_MAX (16 << 20)

/* The file's text, to be freed; NULL and a line in `problem` when it cannot be read. */
static char *read_pem(const char *path, const char *what, char problem[DUES_PROBLEM_SIZE])
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(problem, DUES_PROBLEM_SIZE, "could not open the %s '%s': %s", what, path,
                 strerror(errno));
        return NULL;
    }
    char *text = calloc(1, PEM_SIZE_MAX);
    size_t size = text == NULL ? 0 : fread(text, 1, PEM_SIZE_MAX - 1, file);
    (void)fclose(file);
    if (size == 0 || strstr(text, "-----BEGIN ") == NULL) {
        snprintf(problem, DUES_PROBLEM_SIZE, "the %s '%s' is not a PEM file", what, path);
        free(text);
        return NULL;
    }
    return text;
}

/* Text given in place beats a file.  Always memory of its own. */
static char *pem_of(const char *text, const char *path, const char *what,
                    char problem[DUES_PROBLEM_SIZE])
{
    if (text != NULL)
        return strdup(text);
    if (path != NULL)
        return read_pem(path, what, problem);
    snprintf(problem, DUES_PROBLEM_SIZE, "the %s is missing", what);
    return NULL;
}

static grpc_channel_credentials *make_credentials(const struct dues_client_options *options,
                                                  char problem[DUES_PROBLEM_SIZE])
{
    grpc_channel_credentials *credentials = NULL;
    char *ca = pem_of(options->ca_pem, options->ca_file, "CA certificate", problem);
    char *certificate = NULL;
    char *key = NULL;
    if (ca != NULL)
        certificate =
            pem_of(options->certificate_pem, options->certificate_file, "certificate", problem);
    if (certificate != NULL)
        key = pem_of(options->key_pem, options->key_file, "key", problem);
    if (key != NULL) {
        grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
        credentials = grpc_ssl_credentials_create_ex(ca, &pair, NULL, NULL);
        if (credentials == NULL)
            snprintf(problem, DUES_PROBLEM_SIZE, "the certificates cannot be used");
        explicit_bzero(key, strlen(key));
    }
    free(ca);
    free(certificate);
    free(key);
    return credentials;
}

static grpc_arg integer_arg(const char *key, int value)
{
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

static grpc_channel *make_channel(const struct dues_client_options *options,
                                  grpc_channel_credentials *credentials)
{
    grpc_arg args[] = {
        /* Without it gRPC would share one connection among all channels of the same target. */
        integer_arg("grpc.use_local_subchannel_pool", 1),
        /* call.c decides what may be sent again, and nobody else. */
        integer_arg("grpc.enable_retries", 0),
        integer_arg("grpc.initial_reconnect_backoff_ms", 100),
        /* Also how long an attempt may take.  Where many come back at once a handshake waits for
         * its turn: who gives up early only begins at the end of the queue again. */
        integer_arg("grpc.min_reconnect_backoff_ms", 10000),
        integer_arg("grpc.max_reconnect_backoff_ms", 5000),
        integer_arg("grpc.enable_http_proxy", 0),
        integer_arg("grpc.max_receive_message_length", MESSAGE_SIZE_MAX),
        {.type = GRPC_ARG_STRING,
         .key = (char *)(uintptr_t) "grpc.ssl_target_name_override",
         .value.string = (char *)(uintptr_t)options->server_name},
    };
    size_t count = sizeof(args) / sizeof(args[0]) - (options->server_name == NULL ? 1 : 0);
    grpc_channel_args list = {.num_args = count, .args = args};
    return grpc_channel_create(options->target, credentials, &list);
}

struct dues_client *dues_client_open(const struct dues_client_options *options,
                                     char problem[DUES_PROBLEM_SIZE])
{
    problem[0] = '\0';
    if (options->target == NULL || options->target[0] == '\0') {
        snprintf(problem, DUES_PROBLEM_SIZE, "the target is missing: \"host:port\"");
        return NULL;
    }
    grpc_init();
    grpc_channel_credentials *credentials = make_credentials(options, problem);
    struct dues_client *client = credentials == NULL ? NULL : calloc(1, sizeof(*client));
    if (client == NULL) {
        grpc_shutdown();
        return NULL;
    }
    int32_t wanted = options->connections > 0 ? options->connections : 1;
    client->channel_count = wanted > CONNECTIONS_MAX ? CONNECTIONS_MAX : (uint32_t)wanted;
    client->deadline_ms =
        options->deadline_ms > 0 ? options->deadline_ms : DUES_DEADLINE_MS_DEFAULT;
    pthread_mutex_init(&client->mutex, NULL);
    for (uint32_t i = 0; i < client->channel_count; i++)
        client->channels[i] = make_channel(options, credentials);
    grpc_channel_credentials_release(credentials);
    keeper_start(&client->keeper, client->channels, client->channel_count);
    return client;
}

static void destroy_queue(grpc_completion_queue *queue)
{
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

void dues_client_close(struct dues_client *client)
{
    if (client == NULL)
        return;
    keeper_let_go(&client->keeper);
    for (size_t i = 0; i < client->idle_count; i++)
        destroy_queue(client->idle[i]);
    for (uint32_t i = 0; i < client->channel_count; i++)
        grpc_channel_destroy(client->channels[i]);
    keeper_end(&client->keeper);
    pthread_mutex_destroy(&client->mutex);
    free(client);
    grpc_shutdown();
}

grpc_completion_queue *client_queue_take(struct dues_client *client)
{
    grpc_completion_queue *queue = NULL;
    pthread_mutex_lock(&client->mutex);
    if (client->idle_count > 0)
        queue = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->mutex);
    return queue != NULL ? queue : grpc_completion_queue_create_for_pluck(NULL);
}

void client_queue_give(struct dues_client *client, grpc_completion_queue *queue)
{
    pthread_mutex_lock(&client->mutex);
    if (client->idle_count < IDLE_QUEUES_MAX) {
        client->idle[client->idle_count++] = queue;
        queue = NULL;
    }
    pthread_mutex_unlock(&client->mutex);
    if (queue != NULL)
        destroy_queue(queue);
}
