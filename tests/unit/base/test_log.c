/*
 * Log lines, read back from a packet socket (each write(2) is one packet) or a pipe.
 */

#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attributes.h"

#define HEAD "{\"time\":\"2026-11-22T10:11:12.123456Z\",\"level\":"

static int64_t frozen_us(const struct clock *clock)
{
    (void)clock;
    return 1795342272123456LL;
}

static const struct clock frozen = {frozen_us, frozen_us};

struct fixture {
    int ends[2];
    struct log *log;
    char line[64 * 1024];
};

static int given_log(void **state)
{
    static struct fixture f;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, f.ends) != 0)
        return -1;
    f.log = log_open(f.ends[0], LOG_INFO, &frozen);
    *state = &f;
    return 0;
}

static int close_log(void **state)
{
    struct fixture *f = *state;

    log_close(f->log);
    close(f->ends[0]);
    close(f->ends[1]);
    return 0;
}

/* The next packet, or NULL when there is none. */
static const char *next_line(struct fixture *f)
{
    log_flush(f->log);
    ssize_t size = recv(f->ends[1], f->line, sizeof f->line - 1, 0);

    if (size < 0)
        return NULL;
    f->line[size] = '\0';
    return f->line;
}

static void writes_one_json_object_in_one_write(void **state)
{
    struct fixture *f = *state;

    log_write(f->log, LOG_WARNING, "call",
              LOG_FIELDS(LOG_TEXT("method", "GetPayment"), LOG_NUMBER("ms", -12)));

    assert_string_equal(next_line(f), HEAD
                        "\"warning\",\"event\":\"call\",\"method\":\"GetPayment\",\"ms\":-12}\n");
    assert_null(next_line(f));
}

static void writes_without_fields(void **state)
{
    struct fixture *f = *state;

    log_write(f->log, LOG_ERROR, "stop", NULL, 0);

    assert_string_equal(next_line(f), HEAD "\"error\",\"event\":\"stop\"}\n");
}

static void leaves_out_what_is_below_its_level(void **state)
{
    struct fixture *f = *state;

    log_write(f->log, LOG_DEBUG, "detail", NULL, 0);
    assert_null(next_line(f));

    log_write(f->log, LOG_INFO, "start", NULL, 0);
    assert_non_null(next_line(f));
}

static void text_cannot_forge_a_line(void **state)
{
    struct fixture *f = *state;

    log_write(f->log, LOG_INFO, "call",
              LOG_FIELDS(LOG_TEXT("agent", "x\"}\n{\"level\":\"error\" \x1b[2J\xff\xc2\x9b")));

    assert_string_equal(next_line(f), HEAD
                        "\"info\",\"event\":\"call\",\"agent\":"
                        "\"x\\\"}\\n{\\\"level\\\":\\\"error\\\" \\u001b[2J\\ufffd\\u009b\"}\n");
}

static void no_text_is_empty_text(void **state)
{
    struct fixture *f = *state;
    const char *nothing = NULL;

    log_write(f->log, LOG_INFO, "call", LOG_FIELDS(LOG_TEXT("customer", nothing)));

    assert_string_equal(next_line(f), HEAD "\"info\",\"event\":\"call\",\"customer\":\"\"}\n");
}

static void replaces_what_could_be_a_card_number(void **state)
{
    struct fixture *f = *state;

    log_write(f->log, LOG_INFO, "call",
              LOG_FIELDS(LOG_TEXT("cause", "bad value '4242 4242 4242 4242'"),
                         LOG_TEXT("name", "customers/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b")));

    const char *line = next_line(f);
    assert_null(strstr(line, "4242"));
    assert_non_null(strstr(line, "\"cause\":\"[removed: could be a card number]\""));
    assert_non_null(strstr(line, "customers/0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"));
}

static void replaces_a_card_number_that_a_cut_would_halve(void **state)
{
    struct fixture *f = *state;
    char text[LOG_VALUE_LENGTH_MAX + 64];

    memset(text, ' ', sizeof text);
    memcpy(text + LOG_VALUE_LENGTH_MAX - 15, "4242424242424242", 17);
    log_write(f->log, LOG_INFO, "call", LOG_FIELDS(LOG_TEXT("cause", text)));

    assert_null(strstr(next_line(f), "4242"));
}

/* The value of the field `x`, up to its closing quote. */
static size_t value_length(const char *line)
{
    const char *value = strstr(line, "\"x\":\"");

    assert_non_null(value);
    value += strlen("\"x\":\"");
    return strlen(value) - strlen("\"}\n");
}

static void cuts_long_values_at_one_kibibyte(void **state)
{
    struct fixture *f = *state;
    char text[4096];

    memset(text, 'a', sizeof text);
    text[LOG_VALUE_LENGTH_MAX] = '\0';
    log_write(f->log, LOG_INFO, "call", LOG_FIELDS(LOG_TEXT("x", text)));
    const char *line = next_line(f);
    assert_int_equal(value_length(line), LOG_VALUE_LENGTH_MAX);
    assert_null(strstr(line, "…"));

    text[LOG_VALUE_LENGTH_MAX] = 'a';
    text[sizeof text - 1] = '\0';
    log_write(f->log, LOG_INFO, "call", LOG_FIELDS(LOG_TEXT("x", text)));
    line = next_line(f);
    assert_int_equal(value_length(line), LOG_VALUE_LENGTH_MAX);
    assert_non_null(strstr(line, "a…\"}\n"));
}

static void cuts_between_characters(void **state)
{
    struct fixture *f = *state;
    char text[4097];

    /* Four bytes each: the cut and its mark leave a remainder. */
    for (size_t i = 0; i + 4 < sizeof text; i += 4)
        memcpy(text + i, "🎫", 4);
    text[4096] = '\0';
    log_write(f->log, LOG_INFO, "call", LOG_FIELDS(LOG_TEXT("x", text)));

    const char *line = next_line(f);
    assert_true(value_length(line) <= LOG_VALUE_LENGTH_MAX);
    assert_non_null(strstr(line, "🎫…\"}\n"));
    assert_null(strstr(line, "ufffd"));
}

static void the_longest_line_fits(void **state)
{
    struct fixture *f = *state;
    struct log_field fields[LOG_FIELDS_MAX + 3];
    static char text[2000];
    static char key[100];

    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        fields[i] = LOG_TEXT(key, text);
    log_write(f->log, LOG_INFO, text, fields, ARRAY_LENGTH(fields));

    const char *line = next_line(f);
    assert_true(strlen(line) > (size_t)LOG_FIELDS_MAX * 1020);
    assert_string_equal(line + strlen(line) - 3, "\"}\n");
}

static void plain_lines_are_for_people_and_cannot_be_forged_either(void **state)
{
    struct fixture *f = *state;

    log_set_format(f->log, LOG_PLAIN);
    log_write(f->log, LOG_WARNING, "call",
              LOG_FIELDS(LOG_TEXT("code", "UNAVAILABLE"), LOG_NUMBER("us", 42),
                         LOG_TEXT("cause", "a b=\"c\"\ncode=OK"), LOG_TEXT("reason", ""),
                         LOG_TEXT("card", "4242424242424242")));

    const char *line = next_line(f);
    assert_non_null(strstr(line, "Z warning call code=UNAVAILABLE us=42"
                                 " cause=\"a b=\\\"c\\\"\\ncode=OK\" reason=\"\""
                                 " card=\"[removed: could be a card number]\"\n"));
}

static void leaves_out_what_is_not_there(void **state)
{
    struct fixture *f = *state;

    log_write(f->log, LOG_INFO, "call",
              LOG_FIELDS(LOG_SOME("empty", ""), LOG_SOME("nothing", NULL), LOG_SOME("some", "x")));

    const char *line = next_line(f);
    assert_non_null(strstr(line, "\"event\":\"call\",\"some\":\"x\"}"));
}

/* So much that the thread takes several lines at once. */
#define MANY 2000

static void no_write_of_several_lines_is_larger_than_a_pipe_takes_whole(void **state)
{
    struct fixture *f = *state;
    char text[1001] = {0};
    int lines = 0;

    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 20; i++)
        log_write(f->log, LOG_INFO, "call", LOG_FIELDS(LOG_TEXT("text", text)));

    for (const char *packet = next_line(f); packet != NULL; packet = next_line(f)) {
        assert_true(strlen(packet) <= PIPE_BUF);
        assert_int_equal(packet[strlen(packet) - 1], '\n');
        for (; *packet != '\0'; packet++)
            lines += *packet == '\n';
    }
    assert_int_equal(lines, 20);
}

static void *write_many(void *arg)
{
    struct log *log = arg;
    char text[512] = {0};

    memset(text, 'y', sizeof text - 1);
    for (int i = 0; i < MANY; i++)
        log_write(log, LOG_INFO, "many", LOG_FIELDS(LOG_NUMBER("i", i), LOG_TEXT("text", text)));
    return NULL;
}

/* The queue is a quarter of what is written, and the reader slow: nothing is lost or out of turn.
 */
static void whoever_writes_more_than_the_queue_holds_waits(void **state)
{
    int ends[2];
    pthread_t thread;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct log *log = log_open(ends[1], LOG_INFO, &frozen);
    assert_int_equal(pthread_create(&thread, NULL, write_many, log), 0);

    FILE *reader = fdopen(ends[0], "r");
    char line[1024];
    for (int i = 0; i < MANY; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "\"i\":%d,", i);
        assert_non_null(fgets(line, sizeof line, reader));
        assert_non_null(strstr(line, expected));
        if (i == 0)
            usleep(20000);
    }
    pthread_join(thread, NULL);

    log_close(log);
    close(ends[1]);
    assert_null(fgets(line, sizeof line, reader));
    fclose(reader);
}

/* Who shares the descriptor may have made it non-blocking: a full pipe loses nothing. */
static void nothing_is_lost_when_the_reader_is_slow_and_writes_do_not_block(void **state)
{
    int ends[2];
    pthread_t thread;
    char line[1024];

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, 0), 0);
    struct log *log = log_open(ends[1], LOG_INFO, &frozen);
    assert_int_equal(pthread_create(&thread, NULL, write_many, log), 0);
    usleep(20000);

    FILE *reader = fdopen(ends[0], "r");
    for (int i = 0; i < MANY; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "\"i\":%d,", i);
        assert_non_null(fgets(line, sizeof line, reader));
        assert_non_null(strstr(line, expected));
    }
    pthread_join(thread, NULL);
    log_close(log);
    close(ends[1]);
    fclose(reader);
}

static void closing_writes_what_is_queued(void **state)
{
    int ends[2];
    char bytes[4096];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    struct log *log = log_open(ends[0], LOG_INFO, &frozen);
    log_write(log, LOG_INFO, "last", NULL, 0);
    log_close(log);

    assert_true(recv(ends[1], bytes, sizeof bytes, 0) > 0);
    close(ends[0]);
    close(ends[1]);
}

static void a_closed_descriptor_does_not_matter(void **state)
{
    struct log *log = log_open(-1, LOG_INFO, &frozen);

    (void)state;
    log_write(log, LOG_INFO, "call", NULL, 0);
    log_close(log);
    log_write(NULL, LOG_INFO, "call", NULL, 0);
}

int main(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, given_log, close_log)
    const struct CMUnitTest tests[] = {
        LOG_TEST(writes_one_json_object_in_one_write),
        LOG_TEST(writes_without_fields),
        LOG_TEST(leaves_out_what_is_below_its_level),
        LOG_TEST(text_cannot_forge_a_line),
        LOG_TEST(no_text_is_empty_text),
        LOG_TEST(replaces_what_could_be_a_card_number),
        LOG_TEST(replaces_a_card_number_that_a_cut_would_halve),
        LOG_TEST(cuts_long_values_at_one_kibibyte),
        LOG_TEST(cuts_between_characters),
        LOG_TEST(the_longest_line_fits),
        LOG_TEST(plain_lines_are_for_people_and_cannot_be_forged_either),
        LOG_TEST(leaves_out_what_is_not_there),
        LOG_TEST(no_write_of_several_lines_is_larger_than_a_pipe_takes_whole),
        cmocka_unit_test(whoever_writes_more_than_the_queue_holds_waits),
        cmocka_unit_test(nothing_is_lost_when_the_reader_is_slow_and_writes_do_not_block),
        cmocka_unit_test(closing_writes_what_is_queued),
        cmocka_unit_test(a_closed_descriptor_does_not_matter),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
