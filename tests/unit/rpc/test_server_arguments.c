/*
 * The limits that gRPC is given, and those that it must never be given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "rpc/internal.h"
#include "rpc/server_arguments.h"

static int count_of(const char *key)
{
    int count = 0;

    for (size_t i = 0; i < server_argument_count; i++)
        count += strcmp(server_arguments[i].key, key) == 0 ? 1 : 0;
    return count;
}

static int value_of(const char *key)
{
    for (size_t i = 0; i < server_argument_count; i++) {
        if (strcmp(server_arguments[i].key, key) == 0)
            return server_arguments[i].value;
    }
    fail_msg("no argument %s", key);
    return 0;
}

static void limits_what_a_peer_can_make_us_do(void **state)
{
    static const struct server_argument expected[] = {
        {GRPC_ARG_MAX_CONCURRENT_STREAMS, 100},
        {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 65536},
        {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, 1048576},
        {GRPC_ARG_MAX_METADATA_SIZE, 8192},
        {GRPC_ARG_HTTP2_BDP_PROBE, 0},
        {GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 16384},
        {GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_DECODER, 4096},
        {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5000},
        {GRPC_ARG_MAX_CONNECTION_AGE_MS, 600000},
        {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 30000},
        {GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300000},
        {GRPC_ARG_KEEPALIVE_TIME_MS, 60000},
        {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000},
        {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 60000},
        {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2},
        {GRPC_ARG_ALLOW_REUSEPORT, 0},
        {GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1},
        {GRPC_ARG_ENABLE_CHANNELZ, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        assert_int_equal(count_of(expected[i].key), 1);
        assert_int_equal(value_of(expected[i].key), expected[i].value);
    }
    assert_int_equal(MEMORY_QUOTA_SIZE, 512 * 1024 * 1024);
}

/* CVE-2024-11407 */
static void never_turns_zero_copy_on(void **state)
{
    (void)state;

    assert_int_equal(count_of(GRPC_ARG_TCP_TX_ZEROCOPY_ENABLED), 0);
}

static void finds_the_switch_of_the_library_it_was_measured_with(void **state)
{
    (void)state;
    assert_true(rpc_library_locks_hurry());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_what_a_peer_can_make_us_do),
        cmocka_unit_test(never_turns_zero_copy_on),
        cmocka_unit_test(finds_the_switch_of_the_library_it_was_measured_with),
    };

    return cmocka_run_group_tests_name("server arguments", tests, NULL, NULL);
}
