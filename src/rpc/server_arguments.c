/*
 * gRPC's defaults suit trusted peers: no limit of streams, 4 MiB messages that grow 68-fold when
 * decoded, two minutes for a handshake.  The values were measured against 1.51.1; where one looks
 * odd its reason stands beside it.  GRPC_ARG_TCP_TX_ZEROCOPY_ENABLED must stay out
 * (CVE-2024-11407).
 */

#include "rpc/server_arguments.h"

#include <grpc/grpc_security.h>

#include "base/attributes.h"
#include "rpc/server.h"

#define ARGUMENTS_MAX 32

const struct server_argument server_arguments[] = {
    {"grpc.max_concurrent_streams", 100},
    {"grpc.max_receive_message_length", REQUEST_SIZE_MAX},
    {"grpc.max_send_message_length", 1024 * 1024},
    {"grpc.max_metadata_size", 8192},
    {"grpc.http2.bdp_probe", 0}, /* windows stay 65,535 instead of growing to 4 MiB */
    {"grpc.http2.max_frame_size", 16384},
    {"grpc.http2.hpack_table_size.decoder", 4096},
    {"grpc.server_handshake_timeout_ms", 5000}, /* of preface and SETTINGS too */
    {"grpc.max_connection_age_ms", 600000},     /* drops stuck and stale identities */
    {"grpc.max_connection_age_grace_ms", 30000},
    {"grpc.max_connection_idle_ms", 300000},
    {"grpc.keepalive_time_ms", 60000},
    {"grpc.keepalive_timeout_ms", 10000},
    {"grpc.keepalive_permit_without_calls", 0},
    {"grpc.http2.min_ping_interval_without_data_ms", 60000},
    {"grpc.http2.max_ping_strikes", 2},
    {"grpc.so_reuseport", 0},                          /* nobody shares the port silently */
    {"grpc.compression_enabled_algorithms_bitset", 1}, /* identity only: no bombs */
    {"grpc.enable_channelz", 0},
};
const size_t server_argument_count = ARRAY_LENGTH(server_arguments);

_Static_assert(ARRAY_LENGTH(server_arguments) < ARGUMENTS_MAX, "room for the quota");

grpc_server *server_create(void)
{
    grpc_arg args[ARGUMENTS_MAX];
    size_t count = 0;
    grpc_resource_quota *quota = grpc_resource_quota_create("dues");

    grpc_resource_quota_resize(quota, MEMORY_QUOTA_SIZE);
    for (; count < server_argument_count; count++) {
        /* gRPC's argument is not const, though it is only copied. */
        args[count] = (grpc_arg){.type = GRPC_ARG_INTEGER};
        memcpy(&args[count].key, &server_arguments[count].key, sizeof args[count].key);
        args[count].value.integer = server_arguments[count].value;
    }
    static char quota_key[] = GRPC_ARG_RESOURCE_QUOTA;
    args[count].type = GRPC_ARG_POINTER;
    args[count].key = quota_key;
    args[count].value.pointer.p = quota;
    args[count].value.pointer.vtable = grpc_resource_quota_arg_vtable();
    count++;

    const grpc_channel_args list = {.num_args = count, .args = args};
    grpc_server *server = grpc_server_create(&list, NULL);
    grpc_resource_quota_unref(quota);
    return server;
}

const char *rpc_library_version(void)
{
    return grpc_version_string();
}
