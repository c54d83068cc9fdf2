/*
 * Connections with mutual TLS, each a channel of its own, with a certificate and maybe an access
 * token.
 */
#include <grpc/grpc_security.h>

#include "load.h"

static char *read_certificate(const struct plan *plan, const char *name, const char *ending)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s%s", plan->certificates, name, ending);
    return read_whole(path);
}

static grpc_channel *open_channel(const struct plan *plan, const char *identity)
{
    char *ca = read_certificate(plan, "ca", ".pem");
    char *certificate = read_certificate(plan, identity, ".pem");
    char *key = read_certificate(plan, identity, ".key");
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create_ex(ca, &pair, NULL, NULL);
    /* Or gRPC would share one connection among the channels. */
    static char pool_key[] = "grpc.use_local_subchannel_pool";
    static char name_key[] = "grpc.ssl_target_name_override";
    static char retries_key[] = "grpc.enable_retries";
    static char name[] = "localhost";
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = pool_key, .value.integer = 1},
        {.type = GRPC_ARG_INTEGER, .key = retries_key, .value.integer = 0},
        {.type = GRPC_ARG_STRING, .key = name_key, .value.string = name},
    };
    grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_channel *channel = grpc_channel_create(plan->target, credentials, &list);

    grpc_channel_credentials_release(credentials);
    free(ca);
    free(certificate);
    free(key);
    return channel;
}

static grpc_metadata token_of(const char *path)
{
    char *token = read_whole(path);
    char *value = NULL;

    token[strcspn(token, "\n")] = '\0';
    if (asprintf(&value, "Bearer %s", token) < 0)
        give_up("out of memory", "");
    grpc_metadata metadata = {.key = grpc_slice_from_static_string("authorization"),
                              .value = grpc_slice_from_copied_string(value)};
    free(value);
    free(token);
    return metadata;
}

void lines_open(struct worker *worker, size_t first, size_t count)
{
    struct plan *plan = worker->plan;

    for (size_t i = first; i < first + count; i++) {
        struct line *line = &worker->lines[worker->line_count++];
        line->channel = open_channel(plan, plan->identities[i % plan->identity_count]);
        line->method = grpc_channel_register_call(line->channel, plan->rpc, NULL, NULL);
        line->has_token = plan->token_count > 0;
        if (line->has_token)
            line->token = token_of(plan->tokens[i % plan->token_count]);
    }
}

void lines_close(struct worker *worker)
{
    for (size_t i = 0; i < worker->line_count; i++) {
        grpc_channel_destroy(worker->lines[i].channel);
        if (worker->lines[i].has_token)
            grpc_slice_unref(worker->lines[i].token.value);
    }
}
