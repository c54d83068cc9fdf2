/*
 * The HTTP listener, asked by hand-written bytes: who is answered, who is refused, who is cut off.
 */

#include "http/listener.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"

#define CONNECTIONS   4
#define TIME_LIMIT_MS 1500
#define HEAD_SIZE     8192
#define ANSWER_SIZE   (4 * 1024 * 1024)
#define BIG_SIZE      (3 * 1024 * 1024)
#define PATIENCE_MS   20000

struct world {
    char directory[64];
    struct http_listener *listener;
    atomic_int asked;
    char answer[ANSWER_SIZE];
};

static void handle(void *owner, const struct http_request *request, struct http_reply *reply)
{
    struct world *world = owner;

    world->asked++;
    if (strcmp(request->path, "/hello") == 0) {
        reply->status = 200;
        reply->content_type = "text/plain; version=0.0.4";
        reply->body = arena_printf(request->arena, "hello\n");
        reply->size = 6;
    } else if (strcmp(request->path, "/big") == 0) {
        char *body = arena_alloc(request->arena, BIG_SIZE);
        memset(body, 'x', BIG_SIZE);
        reply->status = 200;
        reply->body = body;
        reply->size = BIG_SIZE;
    }
}

static struct http_listener *try_listen(struct world *world, const char *listen,
                                        char problem[HTTP_PROBLEM_SIZE])
{
    const struct http_listener_options options = {
        .listen = listen,
        .handle = handle,
        .owner = world,
        .connections_max = CONNECTIONS,
        .time_limit_ms = TIME_LIMIT_MS,
        .head_size_max = HEAD_SIZE,
    };

    return http_listener_open(&options, problem);
}

static void start_on(struct world *world, const char *listen)
{
    char problem[HTTP_PROBLEM_SIZE] = "";

    world->listener = try_listen(world, listen, problem);
    assert_string_equal(problem, "");
    assert_non_null(world->listener);
    assert_true(http_listener_start(world->listener));
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL)
        return -1;
    snprintf(world->directory, sizeof(world->directory), "/tmp/dues-http-XXXXXX");
    *state = world;
    return mkdtemp(world->directory) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    char path[128];

    http_listener_close(world->listener);
    snprintf(path, sizeof(path), "%s/file", world->directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/socket", world->directory);
    unlink(path);
    rmdir(world->directory);
    free(world);
    return 0;
}

/* The test's end of a connection; the library must not wait for the test, nor the test for ever. */
static int connect_to(const struct world *world)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons((uint16_t)http_listener_port(world->listener)),
    };
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(client, (struct sockaddr *)(void *)&address, sizeof(address)), 0);
    return client;
}

static int connect_to_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(client, (struct sockaddr *)(void *)&address, sizeof(address)), 0);
    return client;
}

static void say(int client, const char *text)
{
    (void)!send(client, text, strlen(text), MSG_NOSIGNAL);
}

/* All that comes until the other side ends the connection, which it must. */
static const char *read_all(struct world *world, int client)
{
    size_t size = 0;
    ssize_t got = 1;

    while (got > 0 && size < sizeof(world->answer) - 1) {
        struct pollfd event = {.fd = client, .events = POLLIN};
        assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
        got = recv(client, world->answer + size, sizeof(world->answer) - 1 - size, 0);
        size += got > 0 ? (size_t)got : 0;
    }
    world->answer[size] = '\0';
    close(client);
    return world->answer;
}

static const char *ask(struct world *world, const char *request)
{
    int client = connect_to(world);

    say(client, request);
    return read_all(world, client);
}

static void assert_begins(const char *text, const char *beginning)
{
    char head[64];

    snprintf(head, sizeof(head), "%.*s", (int)strlen(beginning), text);
    assert_string_equal(head, beginning);
}

static void answers_what_the_handler_says(void **state)
{
    struct world *world = *state;

    start_on(world, "127.0.0.1:0");
    assert_true(http_listener_port(world->listener) > 0);
    const char *answer = ask(world, "GET /hello?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_begins(answer, "HTTP/1.1 200 ");
    assert_non_null(strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4\r\n"));
    assert_non_null(strstr(answer, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nhello\n"));
}

static void answers_404_for_what_the_handler_does_not_know(void **state)
{
    struct world *world = *state;

    start_on(world, "127.0.0.1:0");

    assert_begins(ask(world, "GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 404 ");
}

static void listens_on_ipv6(void **state)
{
    struct world *world = *state;
    char problem[HTTP_PROBLEM_SIZE] = "";

    world->listener = try_listen(world, "[::1]:0", problem);
    if (world->listener == NULL) {
        assert_non_null(strstr(problem, "the address is not one of this machine"));
        skip();
    }
    assert_true(http_listener_port(world->listener) > 0);
}

static void answers_on_a_unix_socket_that_only_its_group_may_use(void **state)
{
    struct world *world = *state;
    char listen[128];
    struct stat found;

    snprintf(listen, sizeof(listen), "unix:%s/socket", world->directory);
    start_on(world, listen);
    assert_int_equal(http_listener_port(world->listener), 0);
    int client = connect_to_path(listen + strlen("unix:"));
    say(client, "GET /hello HTTP/1.0\r\n\r\n");

    assert_non_null(strstr(read_all(world, client), "\r\n\r\nhello\n"));
    assert_int_equal(stat(listen + strlen("unix:"), &found), 0);
    assert_int_equal(found.st_mode & 07777, 0660);
    http_listener_close(world->listener);
    world->listener = NULL;
    assert_int_equal(stat(listen + strlen("unix:"), &found), -1);
}

static void replaces_a_socket_that_nobody_listens_on(void **state)
{
    struct world *world = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char listen[128];

    snprintf(listen, sizeof(listen), "unix:%s/socket", world->directory);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", world->directory);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)(void *)&address, sizeof(address)), 0);
    close(stale);

    start_on(world, listen);

    int client = connect_to_path(address.sun_path);
    say(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_begins(read_all(world, client), "HTTP/1.1 200 ");
}

static void assert_refused(struct world *world, const char *listen, const char *expected)
{
    char problem[HTTP_PROBLEM_SIZE] = "";

    struct http_listener *listener = try_listen(world, listen, problem);

    assert_null(listener);
    assert_string_equal(problem, expected);
}

static void says_why_it_cannot_listen(void **state)
{
    struct world *world = *state;
    char listen[128];
    char expected[512];
    char longer[200];

    start_on(world, "127.0.0.1:0");
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", http_listener_port(world->listener));
    snprintf(expected, sizeof(expected), "could not listen on %s: the address is taken", listen);
    assert_refused(world, listen, expected);
    assert_refused(world, "192.0.2.1:0",
                   "could not listen on 192.0.2.1:0: the address is not one of this machine");
    assert_refused(world, "9464",
                   "could not listen on 9464: that is no address and port of this machine");

    memset(longer, 'a', sizeof(longer));
    memcpy(longer, "unix:/tmp/", 10);
    longer[113] = '\0';
    snprintf(expected, sizeof(expected),
             "could not listen on %s: a socket's path has at most 107 characters", longer);
    assert_refused(world, longer, expected);
}

static void leaves_alone_what_is_not_its_own(void **state)
{
    struct world *world = *state;
    char listen[128];
    char expected[256];
    struct stat found;

    snprintf(listen, sizeof(listen), "unix:%s/file", world->directory);
    FILE *file = fopen(listen + strlen("unix:"), "we");
    assert_non_null(file);
    fclose(file);
    snprintf(expected, sizeof(expected),
             "could not listen on %s: there is a file that is no socket", listen);
    assert_refused(world, listen, expected);
    assert_int_equal(stat(listen + strlen("unix:"), &found), 0);

    snprintf(listen, sizeof(listen), "unix:%s/socket", world->directory);
    start_on(world, listen);
    snprintf(expected, sizeof(expected), "could not listen on %s: the address is taken", listen);
    assert_refused(world, listen, expected);
    int client = connect_to_path(listen + strlen("unix:"));
    say(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_begins(read_all(world, client), "HTTP/1.1 200 ");
}

static void refuses_every_method_but_get_and_head(void **state)
{
    struct world *world = *state;
    const char *const requests[] = {
        "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n",
        "DELETE /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };

    start_on(world, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        assert_null(strstr(ask(world, requests[i]), " 200 "));
    const char *answer = ask(world, requests[0]);

    assert_begins(answer, "HTTP/1.1 405 ");
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    assert_int_equal(world->asked, 0);
}

static void answers_head_as_get_but_for_the_body(void **state)
{
    struct world *world = *state;
    char got[1024];

    start_on(world, "127.0.0.1:0");
    snprintf(got, sizeof(got), "%s", ask(world, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    const char *head = ask(world, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *length = strstr(got, "\r\nContent-Length: ");

    assert_begins(head, "HTTP/1.1 200 ");
    assert_non_null(length);
    assert_non_null(memmem(head, strlen(head), length, strcspn(length + 2, "\r") + 4));
    assert_true(strlen(strstr(got, "\r\n\r\n")) > 4);
    assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
    assert_begins(ask(world, "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 404 ");
}

static void refuses_a_body_without_reading_it(void **state)
{
    struct world *world = *state;

    start_on(world, "127.0.0.1:0");

    assert_begins(ask(world, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"),
                  "HTTP/1.1 413 ");
    assert_begins(
        ask(world, "GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "HTTP/1.1 413 ");
    assert_int_equal(world->asked, 0);
}

static void refuses_a_head_beyond_its_limit(void **state)
{
    struct world *world = *state;
    static char request[64 * 1024];
    int used = snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\nHost: a\r\nX-Long: ");

    memset(request + used, 'a', sizeof(request) - (size_t)used - 5);
    memcpy(request + sizeof(request) - 5, "\r\n\r\n", 5);
    start_on(world, "127.0.0.1:0");

    const char *answer = ask(world, request);

    /* The answer may be lost with what was still on its way when the connection ended. */
    if (answer[0] != '\0')
        assert_begins(answer, "HTTP/1.1 4");
    assert_int_equal(world->asked, 0);
    assert_begins(ask(world, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ");
}

static void survives_what_is_no_http(void **state)
{
    struct world *world = *state;
    const char *const garbage[] = {
        "\r\n\r\n\r\n\r\n",      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "GET\r\n\r\n",           "GET /hello HTTP/9.9\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n", "GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
    };

    start_on(world, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int client = connect_to(world);
        say(client, garbage[i]);
        shutdown(client, SHUT_WR);
        read_all(world, client);
    }

    assert_begins(ask(world, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ");
}

static void ends_a_connection_that_never_finishes_its_request(void **state)
{
    struct world *world = *state;
    int64_t begun_us = clock_monotonic_us(clock_system());

    start_on(world, "127.0.0.1:0");
    int client = connect_to(world);
    say(client, "GET /hello HTTP/1.1\r\n");
    /* Never idle, never done. */
    for (int i = 0; i < 400; i++) {
        struct pollfd event = {.fd = client, .events = POLLIN};
        if (poll(&event, 1, 50) != 0)
            break;
        say(client, "X: y\r\n");
    }

    assert_string_equal(read_all(world, client), "");
    int64_t lived_us = clock_monotonic_us(clock_system()) - begun_us;
    assert_true(lived_us >= (TIME_LIMIT_MS - 100) * US_PER_MS);
    assert_int_equal(world->asked, 0);
}

static void serves_again_when_those_who_hold_all_connections_are_cut_off(void **state)
{
    struct world *world = *state;
    int idle[CONNECTIONS * 2];

    start_on(world, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        idle[i] = connect_to(world);

    const char *answer = ask(world, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_begins(answer, "HTTP/1.1 200 ");
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        close(idle[i]);
}

static void sends_an_answer_that_no_buffer_holds(void **state)
{
    struct world *world = *state;

    start_on(world, "127.0.0.1:0");
    const char *answer = ask(world, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");

    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strspn(body + 4, "x"), BIG_SIZE);
}

static void closes_with_a_connection_open(void **state)
{
    struct world *world = *state;

    start_on(world, "127.0.0.1:0");
    int client = connect_to(world);
    say(client, "GET /hel");
    http_listener_close(world->listener);
    world->listener = NULL;

    assert_string_equal(read_all(world, client), "");
}

static void answers_nobody_before_it_is_started(void **state)
{
    struct world *world = *state;
    char problem[HTTP_PROBLEM_SIZE] = "";

    world->listener = try_listen(world, "127.0.0.1:0", problem);
    assert_non_null(world->listener);
    int client = connect_to(world);
    say(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(world->asked, 0);
    assert_true(http_listener_start(world->listener));

    assert_begins(read_all(world, client), "HTTP/1.1 200 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_what_the_handler_says),
        TEST(answers_404_for_what_the_handler_does_not_know),
        TEST(listens_on_ipv6),
        TEST(answers_on_a_unix_socket_that_only_its_group_may_use),
        TEST(replaces_a_socket_that_nobody_listens_on),
        TEST(says_why_it_cannot_listen),
        TEST(leaves_alone_what_is_not_its_own),
        TEST(refuses_every_method_but_get_and_head),
        TEST(answers_head_as_get_but_for_the_body),
        TEST(refuses_a_body_without_reading_it),
        TEST(refuses_a_head_beyond_its_limit),
        TEST(survives_what_is_no_http),
        TEST(ends_a_connection_that_never_finishes_its_request),
        TEST(serves_again_when_those_who_hold_all_connections_are_cut_off),
        TEST(sends_an_answer_that_no_buffer_holds),
        TEST(closes_with_a_connection_open),
        TEST(answers_nobody_before_it_is_started),
    };
    return cmocka_run_group_tests_name("HTTP listener", tests, NULL, NULL);
}
