/*
 * The request metadata of a call: the token, and what the caller adds.
 */
#include "internal.h"

static void add(struct sent_metadata *sent, const char *key, grpc_slice value)
{
    if (sent->count == METADATA_MAX) {
        grpc_slice_unref(value);
        return;
    }
    sent->list[sent->count++] =
        (grpc_metadata){.key = grpc_slice_from_copied_string(key), .value = value};
}

void sent_metadata_init(struct sent_metadata *sent, const struct dues_call_options *options)
{
    static const char scheme[] = "Bearer ";

    *sent = (struct sent_metadata){.count = 0};
    if (options->token != NULL) {
        size_t length = strlen(options->token);
        grpc_slice value = grpc_slice_malloc(sizeof(scheme) - 1 + length);
        memcpy(GRPC_SLICE_START_PTR(value), scheme, sizeof(scheme) - 1);
        memcpy(GRPC_SLICE_START_PTR(value) + sizeof(scheme) - 1, options->token, length);
        add(sent, "authorization", value);
    }
    for (size_t i = 0; i < options->metadata_count; i++)
        add(sent, options->metadata[i].key,
            grpc_slice_from_copied_string(options->metadata[i].value));
}

void sent_metadata_release(struct sent_metadata *sent)
{
    for (size_t i = 0; i < sent->count; i++) {
        grpc_slice_unref(sent->list[i].key);
        grpc_slice_unref(sent->list[i].value);
    }
    sent->count = 0;
}
