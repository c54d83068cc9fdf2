/*
 * The frame guard between two ends of TLS in memory: the server's reads are judged, the client's
 * are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "edge/frame_guard.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static const char fine[] = PREFACE "\0\0\0\4\0\0\0\0\0";
static const char rst_stream[] = "\0\0\4\3\0\0\0\0\1\0\0\0\x08";
static const char server_reset[] = "\0\0\4\3\0\0\0\0\1\0\0\0\1";
static const char server_goaway[] = "\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0";
static const char push_promise[] = "\0\0\0\5\4\0\0\0\1";

struct pair {
    SSL_CTX *context;
    SSL *server;
    SSL *client;
};

/* Without certificates: who it is does not matter here. */
static int connect_pair(void **state)
{
    static struct pair pair;
    BIO *server_end;
    BIO *client_end;

    pair.context = SSL_CTX_new(TLS_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(pair.context, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(pair.context, "ADH-AES128-GCM-SHA256:@SECLEVEL=0"), 1);
    SSL_CTX_set_dh_auto(pair.context, 1);
    pair.server = SSL_new(pair.context);
    pair.client = SSL_new(pair.context);
    assert_int_equal(BIO_new_bio_pair(&server_end, 65536, &client_end, 65536), 1);
    SSL_set_bio(pair.server, server_end, server_end);
    SSL_set_bio(pair.client, client_end, client_end);
    SSL_set_accept_state(pair.server);
    SSL_set_connect_state(pair.client);
    for (int i = 0;
         i < 10 && !(SSL_is_init_finished(pair.server) && SSL_is_init_finished(pair.client)); i++) {
        SSL_do_handshake(pair.client);
        SSL_do_handshake(pair.server);
    }
    assert_true(SSL_is_init_finished(pair.server));
    ERR_clear_error();
    *state = &pair;
    return 0;
}

static int guard_and_connect(void **state)
{
    const struct frame_limits limits = {
        .header_block_max = 16384,
        .rates = {[FRAME_BUCKET_RESETS] = bucket_rate_make(1, 2)},
    };

    frame_guard_open(&limits);
    return connect_pair(state);
}

static int disconnect_pair(void **state)
{
    struct pair *pair = *state;

    SSL_free(pair->server);
    SSL_free(pair->client);
    SSL_CTX_free(pair->context);
    ERR_clear_error();
    return 0;
}

static int disconnect_and_close(void **state)
{
    frame_guard_close();
    return disconnect_pair(state);
}

#define SEND(from, bytes)                                                                          \
    assert_int_equal(SSL_write(from, bytes, (int)sizeof(bytes) - 1), (int)sizeof(bytes) - 1)

static uint64_t refused(enum frame_verdict verdict)
{
    return atomic_load(&frame_guard_refused[verdict]);
}

static void gives_fine_frames_to_the_reader(void **state)
{
    const struct pair *pair = *state;
    char bytes[256];

    SEND(pair->client, fine);
    int got = SSL_read(pair->server, bytes, sizeof bytes);

    assert_int_equal(got, sizeof fine - 1);
    assert_memory_equal(bytes, fine, sizeof fine - 1);
    assert_int_equal(SSL_read(pair->server, bytes, sizeof bytes), -1);
    assert_int_equal(SSL_get_error(pair->server, -1), SSL_ERROR_WANT_READ);
}

static void ends_the_session_that_breaks_a_rule(void **state)
{
    const struct pair *pair = *state;
    uint64_t before = refused(FRAME_PUSH_PROMISE);
    char bytes[256];

    SEND(pair->client, fine);
    SEND(pair->client, push_promise);
    assert_int_equal(SSL_read(pair->server, bytes, sizeof bytes), sizeof fine - 1);
    int got = SSL_read(pair->server, bytes, sizeof bytes);

    assert_int_equal(got, -1);
    assert_int_equal(SSL_get_error(pair->server, got), SSL_ERROR_SSL);
    assert_int_equal(refused(FRAME_PUSH_PROMISE), before + 1);
}

static void stays_at_its_end(void **state)
{
    const struct pair *pair = *state;
    uint64_t before = refused(FRAME_RESETS_RATE);
    char bytes[256];

    SEND(pair->client, fine);
    for (int i = 0; i < 3; i++)
        SEND(pair->client, rst_stream);
    SEND(pair->client, fine);
    int got = 1;
    while (got > 0)
        got = SSL_read(pair->server, bytes, sizeof bytes);
    ERR_clear_error();
    int again = SSL_read(pair->server, bytes, sizeof bytes);
    int again_error = SSL_get_error(pair->server, again);
    ERR_clear_error();
    size_t size;
    int again_ex = SSL_read_ex(pair->server, bytes, sizeof bytes, &size);

    assert_int_equal(got, -1);
    assert_int_equal(again, -1);
    assert_int_equal(again_error, SSL_ERROR_SSL);
    assert_int_equal(again_ex, 0);
    assert_int_equal(SSL_get_error(pair->server, again_ex), SSL_ERROR_SSL);
    assert_int_equal(refused(FRAME_RESETS_RATE), before + 1);
}

static void judges_the_other_way_to_read_too(void **state)
{
    const struct pair *pair = *state;
    char bytes[256];
    size_t size = 0;

    SEND(pair->client, fine);
    assert_int_equal(SSL_read_ex(pair->server, bytes, sizeof bytes, &size), 1);
    assert_int_equal(size, sizeof fine - 1);
    assert_int_equal(SSL_read_ex(pair->server, bytes, sizeof bytes, &size), 0);
    assert_int_equal(SSL_get_error(pair->server, 0), SSL_ERROR_WANT_READ);
    SEND(pair->client, push_promise);
    assert_int_equal(SSL_read_ex(pair->server, bytes, sizeof bytes, &size), 0);
    assert_int_equal(SSL_get_error(pair->server, 0), SSL_ERROR_SSL);
}

static void lets_clients_read_what_they_like(void **state)
{
    const struct pair *pair = *state;
    char bytes[256];
    size_t size = 0;

    SEND(pair->server, fine);
    assert_int_equal(SSL_read(pair->client, bytes, sizeof bytes), sizeof fine - 1);
    SEND(pair->server, push_promise);
    assert_int_equal(SSL_read(pair->client, bytes, sizeof bytes), sizeof push_promise - 1);
    SEND(pair->server, push_promise);
    assert_int_equal(SSL_read_ex(pair->client, bytes, sizeof bytes, &size), 1);
}

static void is_not_there_before_it_was_opened(void **state)
{
    const struct pair *pair = *state;
    char bytes[256];

    SEND(pair->client, fine);
    SEND(pair->client, push_promise);
    assert_int_equal(SSL_read(pair->server, bytes, sizeof bytes), sizeof fine - 1);
    assert_int_equal(SSL_read(pair->server, bytes, sizeof bytes), sizeof push_promise - 1);
}

static void ends_the_session_that_makes_the_server_reset(void **state)
{
    const struct pair *pair = *state;
    uint64_t before = refused(FRAME_RESETS_RATE);
    char bytes[256];

    SEND(pair->client, fine);
    for (int i = 0; i < 2; i++)
        SEND(pair->server, server_reset);
    int while_few = SSL_read(pair->server, bytes, sizeof bytes);
    for (int i = 0; i < 2; i++)
        SEND(pair->server, server_reset);
    int got = SSL_read(pair->server, bytes, sizeof bytes);

    assert_int_equal(while_few, sizeof fine - 1);
    assert_int_equal(got, -1);
    assert_int_equal(SSL_get_error(pair->server, got), SSL_ERROR_SSL);
    assert_int_equal(refused(FRAME_RESETS_RATE), before + 1);
}

static void lets_the_server_say_anything_else(void **state)
{
    const struct pair *pair = *state;
    char bytes[256];

    for (int i = 0; i < 4; i++)
        SEND(pair->server, server_goaway);
    SEND(pair->client, fine);

    assert_int_equal(SSL_read(pair->server, bytes, sizeof bytes), sizeof fine - 1);
}

static void lets_a_write_fail(void **state)
{
    const struct pair *pair = *state;
    static char many[65536];
    int sent = 1;

    while (sent > 0)
        sent = SSL_write(pair->server, many, sizeof many);

    assert_int_equal(SSL_get_error(pair->server, sent), SSL_ERROR_WANT_WRITE);
}

static void lets_clients_write_what_they_like(void **state)
{
    const struct pair *pair = *state;
    char bytes[256];

    for (int i = 0; i < 4; i++)
        SEND(pair->client, server_reset);
    SEND(pair->server, fine);

    assert_int_equal(SSL_read(pair->client, bytes, sizeof bytes), sizeof fine - 1);
}

#define GUARD_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, guard_and_connect, disconnect_and_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(gives_fine_frames_to_the_reader),
        GUARD_TEST(ends_the_session_that_breaks_a_rule),
        GUARD_TEST(stays_at_its_end),
        GUARD_TEST(judges_the_other_way_to_read_too),
        GUARD_TEST(lets_clients_read_what_they_like),
        GUARD_TEST(ends_the_session_that_makes_the_server_reset),
        GUARD_TEST(lets_the_server_say_anything_else),
        GUARD_TEST(lets_a_write_fail),
        GUARD_TEST(lets_clients_write_what_they_like),
        cmocka_unit_test_setup_teardown(is_not_there_before_it_was_opened, connect_pair,
                                        disconnect_pair),
    };
    return cmocka_run_group_tests_name("frame guard", tests, NULL, NULL);
}
