/*
 * What one connection may send, frame by frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/time.h"
#include "edge/frame_parser.h"

#define NOW_US    (1000 * US_PER_SECOND)
#define BURST     4
#define BLOCK_MAX 20000

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW, CONT };

#define END_STREAM  0x1
#define END_HEADERS 0x4

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static struct frame_limits limits;

/* One token a second, BURST at once. */
static int set_limits(void **state)
{
    (void)state;
    limits = (struct frame_limits){.header_block_max = BLOCK_MAX};
    for (size_t i = 0; i < FRAME_BUCKETS; i++)
        limits.rates[i] = bucket_rate_make(1, BURST);
    return 0;
}

static struct frame_parser begun(void)
{
    struct frame_parser parser = {0};

    assert_int_equal(
        frame_parser_feed(&parser, &limits, (const uint8_t *)preface, sizeof preface - 1, NOW_US),
        FRAME_FINE);
    return parser;
}

static enum frame_verdict send_at(struct frame_parser *parser, int type, int flags,
                                  const void *payload, size_t size, int64_t now_us)
{
    static uint8_t bytes[FRAME_HEADER_SIZE + 70000];

    memset(bytes, 0, sizeof bytes);
    bytes[0] = (uint8_t)(size >> 16);
    bytes[1] = (uint8_t)(size >> 8);
    bytes[2] = (uint8_t)size;
    bytes[3] = (uint8_t)type;
    bytes[4] = (uint8_t)flags;
    bytes[8] = 1;
    if (payload != NULL)
        memcpy(bytes + FRAME_HEADER_SIZE, payload, size);
    return frame_parser_feed(parser, &limits, bytes, FRAME_HEADER_SIZE + size, now_us);
}

static enum frame_verdict send(struct frame_parser *parser, int type, int flags, size_t size)
{
    return send_at(parser, type, flags, NULL, size, NOW_US);
}

/* How many pass before one is refused, at most `most`; the refusal must be `verdict`. */
static int passing(struct frame_parser *parser, int type, size_t size, enum frame_verdict verdict,
                   int most)
{
    for (int count = 0; count < most; count++) {
        enum frame_verdict got = send(parser, type, 0, size);
        if (got == FRAME_FINE)
            continue;
        assert_int_equal(got, verdict);
        return count;
    }
    return most;
}

static void lets_unary_calls_pass(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, SETTINGS, 0, 6), FRAME_FINE);
    assert_int_equal(send(&parser, HEADERS, END_HEADERS, 100), FRAME_FINE);
    assert_int_equal(send(&parser, DATA, 0, 30), FRAME_FINE);
    assert_int_equal(send(&parser, DATA, END_STREAM, 0), FRAME_FINE);
    assert_int_equal(send(&parser, DATA, END_STREAM, FRAME_PAYLOAD_MAX), FRAME_FINE);
}

static void leaves_what_is_not_http2_to_grpc(void **state)
{
    (void)state;
    static const uint8_t hello[] = "PRI * HTTP/1.1\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    struct frame_parser parser = {0};

    assert_int_equal(frame_parser_feed(&parser, &limits, hello, 5, NOW_US), FRAME_FINE);
    assert_false(parser.not_http2);
    assert_int_equal(frame_parser_feed(&parser, &limits, hello + 5, sizeof hello - 5, NOW_US),
                     FRAME_FINE);
    assert_true(parser.not_http2);
    assert_int_equal(send(&parser, PUSH_PROMISE, 0, 4), FRAME_FINE);
}

static void judges_the_same_however_the_bytes_are_parted(void **state)
{
    (void)state;
    struct frame_parser parser = {0};
    uint8_t bytes[sizeof preface - 1 + 9 + 4 + 9];
    size_t size = sizeof preface - 1;

    memcpy(bytes, preface, size);
    memcpy(bytes + size, "\0\0\4\x08\0\0\0\0\1\0\0\0\1", 13);
    memcpy(bytes + size + 13, "\0\0\4\x05\4\0\0\0\1", 9);
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        assert_int_equal(frame_parser_feed(&parser, &limits, bytes + i, 1, NOW_US), FRAME_FINE);

    assert_int_equal(frame_parser_feed(&parser, &limits, bytes + sizeof bytes - 1, 1, NOW_US),
                     FRAME_PUSH_PROMISE);
    assert_int_equal(frame_parser_feed(&parser, &limits, bytes, 0, NOW_US), FRAME_FINE);
}

static void refuses_a_frame_that_is_too_long(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, DATA, 0, FRAME_PAYLOAD_MAX), FRAME_FINE);
    assert_int_equal(send(&parser, DATA, 0, FRAME_PAYLOAD_MAX + 1), FRAME_TOO_LONG);
}

static void refuses_push_promise(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, PUSH_PROMISE, END_HEADERS, 10), FRAME_PUSH_PROMISE);
}

static void adds_up_the_frames_of_a_header_block(void **state)
{
    (void)state;
    limits.rates[FRAME_BUCKET_HEADERS] = bucket_rate_make(0, 1);
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, HEADERS, 0, 16000), FRAME_FINE);
    assert_int_equal(send(&parser, CONT, 0, BLOCK_MAX - 16000), FRAME_FINE);
    assert_int_equal(send(&parser, CONT, END_HEADERS, 1), FRAME_HEADER_BLOCK);
}

static void refuses_a_header_block_that_is_too_large_in_one_frame(void **state)
{
    (void)state;
    limits.header_block_max = 1000;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, HEADERS, END_HEADERS, 1000), FRAME_FINE);
    assert_int_equal(send(&parser, HEADERS, END_HEADERS, 1001), FRAME_HEADER_BLOCK);
}

static void starts_to_add_anew_with_each_block(void **state)
{
    (void)state;
    limits.rates[FRAME_BUCKET_HEADERS] = bucket_rate_make(0, 1);
    struct frame_parser parser = begun();

    for (int i = 0; i < 10; i++) {
        assert_int_equal(send(&parser, HEADERS, 0, 16000), FRAME_FINE);
        assert_int_equal(send(&parser, CONT, END_HEADERS, 4000), FRAME_FINE);
    }
}

static void has_no_limit_of_a_block_without_a_setting(void **state)
{
    (void)state;
    limits.header_block_max = 0;
    limits.rates[FRAME_BUCKET_HEADERS] = bucket_rate_make(0, 1);
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, HEADERS, 0, FRAME_PAYLOAD_MAX), FRAME_FINE);
    assert_int_equal(send(&parser, CONT, 0, FRAME_PAYLOAD_MAX), FRAME_FINE);
}

static void refuses_an_empty_continuation(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, HEADERS, 0, 10), FRAME_FINE);
    assert_int_equal(send(&parser, CONT, 0, 0), FRAME_CONTINUATION);
}

static void refuses_many_continuations(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, HEADERS, 0, 10), FRAME_FINE);
    assert_int_equal(passing(&parser, CONT, 1, FRAME_CONTINUATION, 100), 8);
}

static void leaves_a_lone_continuation_to_grpc(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(passing(&parser, CONT, 0, FRAME_FINE, 20), 20);
}

static void counts_headers_by_their_size_too(void **state)
{
    (void)state;
    struct frame_parser small = begun();
    struct frame_parser large = begun();
    struct frame_parser parted = begun();

    assert_int_equal(passing(&small, HEADERS, 255, FRAME_HEADERS_RATE, 100), BURST);
    assert_int_equal(passing(&large, HEADERS, 256, FRAME_HEADERS_RATE, 100), BURST / 2);
    assert_int_equal(send(&parted, HEADERS, 0, 10), FRAME_FINE);
    assert_int_equal(send(&parted, CONT, 0, 768), FRAME_FINE);
    assert_int_equal(send(&parted, CONT, 0, 256), FRAME_HEADERS_RATE);
}

static void limits_the_rate_of_each_kind_by_itself(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        int type;
        enum frame_verdict verdict;
    } kinds[] = {
        {4, RST_STREAM, FRAME_RESETS_RATE}, {0, SETTINGS, FRAME_SETTINGS_RATE},
        {8, PING, FRAME_PINGS_RATE},        {5, PRIORITY, FRAME_PRIORITY_RATE},
        {8, GOAWAY, FRAME_OTHER_RATE},      {3, WINDOW, FRAME_WINDOW_UPDATES_RATE},
        {63, DATA, FRAME_SMALL_DATA_RATE},
    };
    struct frame_parser parser = begun();

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        struct frame_parser alone = parser;
        assert_int_equal(passing(&alone, kinds[i].type, kinds[i].size, kinds[i].verdict, 100),
                         BURST);
    }
    for (int round = 0; round < BURST; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
            assert_int_equal(send(&parser, kinds[i].type, 0, kinds[i].size), FRAME_FINE);
    }
}

static void counts_types_that_nobody_knows(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(send(&parser, 10, 0, 1), FRAME_FINE);
    assert_int_equal(send(&parser, 255, 0, 1), FRAME_FINE);
    assert_int_equal(passing(&parser, 99, 1, FRAME_OTHER_RATE, 100), BURST - 2);
}

static void lets_large_data_pass_without_end(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(passing(&parser, DATA, 64, FRAME_FINE, 1000), 1000);
}

static void counts_what_makes_the_server_reset_streams_as_resets(void **state)
{
    (void)state;
    static const uint8_t zero[] = {0x80, 0, 0, 0};
    static const uint8_t one[] = {0, 0, 0, 1};
    limits.rates[FRAME_BUCKET_WINDOW_UPDATES] = bucket_rate_make(0, 1);
    limits.rates[FRAME_BUCKET_PRIORITY] = bucket_rate_make(0, 1);
    struct frame_parser updates = begun();
    struct frame_parser priorities = begun();

    for (int i = 0; i < 10; i++)
        assert_int_equal(send_at(&updates, WINDOW, 0, one, sizeof one, NOW_US), FRAME_FINE);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(send_at(&updates, WINDOW, 0, zero, sizeof zero, NOW_US), FRAME_FINE);
    assert_int_equal(send_at(&updates, WINDOW, 0, zero, sizeof zero, NOW_US), FRAME_RESETS_RATE);
    assert_int_equal(passing(&priorities, PRIORITY, 4, FRAME_RESETS_RATE, 100), BURST);
}

static void refuses_priority_frames_of_a_wrong_size_by_their_own_rate_first(void **state)
{
    (void)state;
    limits.rates[FRAME_BUCKET_RESETS] = bucket_rate_make(0, 1);
    struct frame_parser parser = begun();

    assert_int_equal(passing(&parser, PRIORITY, 4, FRAME_PRIORITY_RATE, 100), BURST);
}

static void gives_each_call_four_of_the_frames_that_come_with_calls(void **state)
{
    (void)state;
    limits.rates[FRAME_BUCKET_HEADERS] = bucket_rate_make(0, 1);
    struct frame_parser parser = begun();

    for (int call = 0; call < 1000; call++) {
        assert_int_equal(send(&parser, HEADERS, END_HEADERS, 20), FRAME_FINE);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(send(&parser, DATA, 0, 5), FRAME_FINE);
            assert_int_equal(send(&parser, PING, 0, 8), FRAME_FINE);
            assert_int_equal(send(&parser, WINDOW, 0, 0), FRAME_FINE);
        }
    }
    struct frame_parser other = parser;
    assert_int_equal(passing(&parser, PING, 8, FRAME_PINGS_RATE, 100), 0);
    assert_int_equal(passing(&other, DATA, 0, FRAME_SMALL_DATA_RATE, 100), 0);
}

static void forgets_with_time(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(passing(&parser, PING, 8, FRAME_PINGS_RATE, 100), BURST);
    parser.payload_left = 0;
    assert_int_equal(send_at(&parser, PING, 0, NULL, 8, NOW_US + US_PER_SECOND), FRAME_FINE);
    assert_int_equal(send_at(&parser, PING, 0, NULL, 8, NOW_US + US_PER_SECOND), FRAME_PINGS_RATE);
}

static void refuses_calls_when_the_server_had_no_time_to_answer_a_thousand(void **state)
{
    (void)state;
    struct frame_parser parser = begun();
    int served = 0;

    limits.rates[FRAME_BUCKET_HEADERS] = (struct bucket_rate){0};
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < 1000; n++)
            served += send_at(&parser, HEADERS, END_HEADERS, NULL, 0, NOW_US) == FRAME_FINE;
        assert_int_equal(frame_parser_answered(&parser, &limits, 0, NOW_US), FRAME_FINE);
    }

    assert_int_equal(served, 3000);
    assert_int_equal(passing(&parser, HEADERS, 0, FRAME_UNANSWERED, 2000), 1000);
}

static void counts_the_resets_of_the_server_as_resets(void **state)
{
    (void)state;
    struct frame_parser parser = begun();

    assert_int_equal(frame_parser_answered(&parser, &limits, BURST, NOW_US), FRAME_FINE);
    assert_int_equal(frame_parser_answered(&parser, &limits, 0, NOW_US), FRAME_FINE);
    assert_int_equal(frame_parser_answered(&parser, &limits, 1, NOW_US), FRAME_RESETS_RATE);
}

static void has_a_name_for_every_verdict(void **state)
{
    (void)state;
    for (int i = 0; i < FRAME_VERDICTS; i++)
        assert_non_null(frame_verdict_name((enum frame_verdict)i));
    assert_string_equal(frame_verdict_name(FRAME_SMALL_DATA_RATE), "small_data_rate");
}

#define PARSER_TEST(name) cmocka_unit_test_setup(name, set_limits)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PARSER_TEST(lets_unary_calls_pass),
        PARSER_TEST(leaves_what_is_not_http2_to_grpc),
        PARSER_TEST(judges_the_same_however_the_bytes_are_parted),
        PARSER_TEST(refuses_a_frame_that_is_too_long),
        PARSER_TEST(refuses_push_promise),
        PARSER_TEST(adds_up_the_frames_of_a_header_block),
        PARSER_TEST(refuses_a_header_block_that_is_too_large_in_one_frame),
        PARSER_TEST(starts_to_add_anew_with_each_block),
        PARSER_TEST(has_no_limit_of_a_block_without_a_setting),
        PARSER_TEST(refuses_an_empty_continuation),
        PARSER_TEST(refuses_many_continuations),
        PARSER_TEST(leaves_a_lone_continuation_to_grpc),
        PARSER_TEST(counts_headers_by_their_size_too),
        PARSER_TEST(limits_the_rate_of_each_kind_by_itself),
        PARSER_TEST(counts_types_that_nobody_knows),
        PARSER_TEST(lets_large_data_pass_without_end),
        PARSER_TEST(counts_what_makes_the_server_reset_streams_as_resets),
        PARSER_TEST(refuses_priority_frames_of_a_wrong_size_by_their_own_rate_first),
        PARSER_TEST(gives_each_call_four_of_the_frames_that_come_with_calls),
        PARSER_TEST(forgets_with_time),
        PARSER_TEST(refuses_calls_when_the_server_had_no_time_to_answer_a_thousand),
        PARSER_TEST(counts_the_resets_of_the_server_as_resets),
        PARSER_TEST(has_a_name_for_every_verdict),
    };
    return cmocka_run_group_tests_name("frame parser", tests, NULL, NULL);
}
