/*
 * The HTTP service, asked by hand-written bytes: bodies as they were sent, limits, slow clients,
 * handlers that wait, and answers that are broken on purpose.
 */

#include "http/service.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"

#define CONNECTIONS   8
#define TIME_LIMIT_MS 800
#define IDLE_LIMIT_MS 800
#define HEAD_SIZE     8192
#define BODY_SIZE     1000
#define ANSWER_SIZE   65536
#define PATIENCE_MS   20000
#define LONG_WAIT_MS  600000

struct world {
    struct http_service *service;
    atomic_int asked;
    atomic_int waiting;
    atomic_int woken;
    char answer[ANSWER_SIZE];
};

/* Echoes what was asked: the answer's body is the request's, its headers say the rest. */
static void handle(void *owner, const struct http_service_request *request,
                   struct http_service_reply *reply)
{
    struct world *world = owner;
    const char *mark = http_service_header(request, "x-mark");

    world->asked++;
    reply->status = 200;
    reply->body = request->body;
    reply->size = request->body_size;
    http_service_add_header(reply, "X-Method", request->method);
    http_service_add_header(reply, "X-Path", request->path);
    http_service_add_header(reply, "X-Query", request->query);
    if (mark != NULL)
        http_service_add_header(reply, "X-Mark", arena_strdup(request->arena, mark));
    if (strcmp(request->path, "/wait") == 0) {
        world->waiting++;
        if (!http_service_wait(request, LONG_WAIT_MS))
            world->woken++;
    } else if (strcmp(request->path, "/slow") == 0) {
        (void)http_service_wait(request, 2 * TIME_LIMIT_MS);
    } else if (strcmp(request->path, "/cut") == 0) {
        reply->ending = HTTP_CUT;
        reply->cut_at = strtoul(request->query, NULL, 10);
    } else if (strcmp(request->path, "/hang-up") == 0) {
        reply->ending = HTTP_HUNG_UP;
    } else if (strcmp(request->path, "/drip") == 0) {
        reply->ending = HTTP_DRIPPED;
    }
}

static struct http_service_options options_of(struct world *world)
{
    return (struct http_service_options){
        .listen = "127.0.0.1:0",
        .handle = handle,
        .owner = world,
        .connections_max = CONNECTIONS,
        .time_limit_ms = TIME_LIMIT_MS,
        .idle_limit_ms = IDLE_LIMIT_MS,
        .head_size_max = HEAD_SIZE,
        .body_size_max = BODY_SIZE,
    };
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct http_service_options options = options_of(world);
    char problem[HTTP_PROBLEM_SIZE] = "";

    world->service = http_service_open(&options, problem);
    *state = world;
    return world->service != NULL && http_service_start(world->service, problem) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    http_service_close(world->service);
    free(world);
    return 0;
}

/* `host` is the last number of our own address. */
static int connect_from(const struct world *world, uint8_t host)
{
    const struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000000U + host)}};
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons((uint16_t)http_service_port(world->service)),
    };
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(client, (const struct sockaddr *)(const void *)&own, sizeof own), 0);
    assert_int_equal(connect(client, (struct sockaddr *)(void *)&address, sizeof address), 0);
    return client;
}

static int connect_to(const struct world *world)
{
    return connect_from(world, 1);
}

static void say_bytes(int client, const void *bytes, size_t size)
{
    (void)!send(client, bytes, size, MSG_NOSIGNAL);
}

static void say(int client, const char *text)
{
    say_bytes(client, text, strlen(text));
}

/* Until the other side ends the connection, which it must; how many bytes came. */
static size_t read_all(struct world *world, int client, bool *was_reset)
{
    size_t size = 0;
    ssize_t got = 1;

    while (got > 0 && size < sizeof world->answer - 1) {
        struct pollfd event = {.fd = client, .events = POLLIN};
        assert_int_equal(poll(&event, 1, PATIENCE_MS), 1);
        got = recv(client, world->answer + size, sizeof world->answer - 1 - size, 0);
        size += got > 0 ? (size_t)got : 0;
    }
    world->answer[size] = '\0';
    if (was_reset != NULL)
        *was_reset = got < 0;
    close(client);
    return size;
}

static const char *ask_from(struct world *world, uint8_t host, const char *request)
{
    int client = connect_from(world, host);

    say(client, request);
    (void)read_all(world, client, NULL);
    return world->answer;
}

static const char *ask(struct world *world, const char *request)
{
    return ask_from(world, 1, request);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void hands_over_what_was_sent(void **state)
{
    struct world *world = *state;
    static const char request[] = "POST /a%2Fb/c?x=%41&y HTTP/1.1\r\nHost: a\r\nX-MARK: seen\r\n"
                                  "Connection: close\r\nContent-Length: 7\r\n\r\n\0raw\0\r\n";
    int client = connect_to(world);

    say_bytes(client, request, sizeof request - 1);
    size_t size = read_all(world, client, NULL);

    assert_has(world->answer, "HTTP/1.1 200 OK\r\n");
    assert_has(world->answer, "X-Method: POST\r\n");
    assert_has(world->answer, "X-Path: /a/b/c\r\n");
    assert_has(world->answer, "X-Query: x=%41&y\r\n");
    assert_has(world->answer, "X-Mark: seen\r\n");
    assert_memory_equal(world->answer + size - 7, "\0raw\0\r\n", 7);
}

static void takes_a_body_in_pieces_and_in_chunks(void **state)
{
    struct world *world = *state;
    int client = connect_to(world);

    say(client, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\nab");
    (void)poll(NULL, 0, 50);
    say(client, "cdef");
    (void)read_all(world, client, NULL);
    assert_has(world->answer, "\r\n\r\nabcdef");

    assert_has(ask(world, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
               "\r\n\r\nabcde");
}

static void refuses_a_body_that_is_too_large(void **state)
{
    struct world *world = *state;
    char chunked[2 * BODY_SIZE] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3e9\r\n";

    assert_has(ask(world, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\nx"),
               "HTTP/1.1 413 ");
    assert_has(ask(world, "POST / HTTP/1.1\r\nHost: a\r\n"
                          "Content-Length: 99999999999999999999999\r\n\r\nx"),
               "HTTP/1.1 4");
    size_t head = strlen(chunked);
    memset(chunked + head, 'x', BODY_SIZE + 1);
    assert_null(strstr(ask(world, chunked), "200 OK"));
    assert_int_equal(world->asked, 0);
}

static void serves_several_requests_on_one_connection(void **state)
{
    struct world *world = *state;
    int client = connect_to(world);

    say(client, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)poll(NULL, 0, 50);
    say(client, "GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    (void)read_all(world, client, NULL);

    assert_has(world->answer, "X-Path: /one\r\n");
    assert_has(world->answer, "X-Path: /two\r\n");
}

static void cuts_clients_that_are_slow(void **state)
{
    struct world *world = *state;
    static const char *const beginnings[] = {
        "",
        "POST / HTT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
    };

    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        int client = connect_to(world);
        int64_t begun_us = clock_monotonic_us(clock_system());
        say(client, beginnings[i]);
        assert_int_equal(read_all(world, client, NULL), 0);
        assert_true(clock_monotonic_us(clock_system()) - begun_us >=
                    (TIME_LIMIT_MS - 200) * US_PER_MS);
    }
    assert_int_equal(world->asked, 0);
}

static void cuts_a_client_that_drips_its_request(void **state)
{
    struct world *world = *state;
    int client = connect_to(world);
    int sent = 0;

    say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
    while (send(client, "x", 1, MSG_NOSIGNAL) == 1 && sent++ < 900)
        (void)poll(NULL, 0, 50);
    close(client);

    assert_in_range(sent, 1, 899);
    assert_int_equal(world->asked, 0);
}

static void gives_the_handler_its_time(void **state)
{
    struct world *world = *state;

    assert_has(ask(world, "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "200 OK");
}

static void wakes_a_handler_whose_client_has_left(void **state)
{
    struct world *world = *state;
    int client = connect_to(world);

    say(client, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    while (world->waiting == 0)
        (void)poll(NULL, 0, 10);
    close(client);
    while (world->woken == 0)
        (void)poll(NULL, 0, 10);
}

static void ends_although_handlers_wait(void **state)
{
    struct world *world = *state;
    int clients[CONNECTIONS];

    for (int i = 0; i < CONNECTIONS; i++) {
        clients[i] = connect_to(world);
        say(clients[i], "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while (world->waiting < CONNECTIONS)
        (void)poll(NULL, 0, 10);
    http_service_close(world->service);
    world->service = NULL;

    assert_int_equal(world->woken, CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++)
        close(clients[i]);
}

static void breaks_answers_at_the_byte_that_is_told(void **state)
{
    struct world *world = *state;
    bool was_reset;

    for (size_t cut = 0; cut < 60; cut += 7) {
        char request[128];
        snprintf(request, sizeof request, "GET /cut?%zu HTTP/1.1\r\nHost: a\r\n\r\n", cut);
        int client = connect_to(world);
        say(client, request);
        assert_int_equal(read_all(world, client, &was_reset), cut);
        assert_true(was_reset);
    }
    int client = connect_to(world);
    say(client, "GET /hang-up HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(read_all(world, client, &was_reset), 0);
    assert_true(was_reset);
}

static void drips_an_answer_whole(void **state)
{
    struct world *world = *state;

    assert_has(ask(world, "POST /drip HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
               "Content-Length: 3\r\n\r\nabc");
}

static void refuses_a_certificate_that_is_none(void **state)
{
    struct world *world = *state;
    struct http_service_options options = options_of(world);
    char problem[HTTP_PROBLEM_SIZE] = "";

    options.certificate_pem = "no certificate";
    options.key_pem = "no key";
    struct http_service *service = http_service_open(&options, problem);
    assert_non_null(service);

    assert_false(http_service_start(service, problem));
    assert_string_not_equal(problem, "");
    http_service_close(service);
}

static void refuses_an_address_that_is_taken(void **state)
{
    struct world *world = *state;
    struct http_service_options options = options_of(world);
    char problem[HTTP_PROBLEM_SIZE] = "";
    char address[64];

    snprintf(address, sizeof address, "127.0.0.1:%d", http_service_port(world->service));
    options.listen = address;

    assert_null(http_service_open(&options, problem));
    assert_string_not_equal(problem, "");
}

#define SHORT "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void restart(struct world *world, int32_t per_source, int32_t per_second)
{
    struct http_service_options options = options_of(world);
    char problem[HTTP_PROBLEM_SIZE] = "";

    http_service_close(world->service);
    options.connections_per_source_max = per_source;
    options.connections_per_second = per_second;
    world->service = http_service_open(&options, problem);
    assert_non_null(world->service);
    assert_true(http_service_start(world->service, problem));
}

static void counts_what_one_source_has_too_many_of(void **state)
{
    struct world *world = *state;
    int idle[CONNECTIONS];
    restart(world, 3, 0);

    for (size_t i = 0; i < CONNECTIONS; i++)
        idle[i] = connect_from(world, 2);
    const char *answer = ask_from(world, 3, SHORT);

    assert_has(answer, "200 OK");
    assert_int_equal(http_service_count(world->service).crowded, CONNECTIONS - 3);
    for (size_t i = 0; i < CONNECTIONS; i++)
        close(idle[i]);
}

static void who_comes_too_often_keeps_nobody_else_out(void **state)
{
    struct world *world = *state;
    restart(world, 0, 1);

    for (int i = 0; i < 5; i++)
        (void)ask_from(world, 2, SHORT);
    const char *answer = ask_from(world, 3, SHORT);

    assert_has(answer, "200 OK");
    assert_true(http_service_count(world->service).shed >= 1);
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(hands_over_what_was_sent),
        SERVICE_TEST(takes_a_body_in_pieces_and_in_chunks),
        SERVICE_TEST(refuses_a_body_that_is_too_large),
        SERVICE_TEST(serves_several_requests_on_one_connection),
        SERVICE_TEST(cuts_clients_that_are_slow),
        SERVICE_TEST(cuts_a_client_that_drips_its_request),
        SERVICE_TEST(gives_the_handler_its_time),
        SERVICE_TEST(wakes_a_handler_whose_client_has_left),
        SERVICE_TEST(ends_although_handlers_wait),
        SERVICE_TEST(breaks_answers_at_the_byte_that_is_told),
        SERVICE_TEST(drips_an_answer_whole),
        SERVICE_TEST(refuses_a_certificate_that_is_none),
        SERVICE_TEST(refuses_an_address_that_is_taken),
        SERVICE_TEST(counts_what_one_source_has_too_many_of),
        SERVICE_TEST(who_comes_too_often_keeps_nobody_else_out),
    };
    return cmocka_run_group_tests_name("http/service", tests, NULL, NULL);
}
