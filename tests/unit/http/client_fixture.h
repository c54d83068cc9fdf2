/*
 * A client and a server that behaves as the test says.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fiber.h"
#include "base/time.h"
#include "http/client.h"
#include "support/https_server.h"

#define LIMIT_MS   20000
#define SHORT_MS   400
#define REPLY_MAX  4096
#define ACTIVE_MAX 4
#define QUEUE_MAX  3
#define FIBERS     32

struct fixture {
    struct fiber_pool *fibers;
    struct arena *arena;
    struct http_client *client;
    struct https_server *server;
    struct https_options options;
    char url[128];
    struct http_exchange_request request;
    struct http_exchange_reply reply;

    struct https_act act;   /* what the server does with every request … */
    struct https_act later; /* … but from the second on, when it has a size */
    char last_head[4096];
    char last_body[4096];
};

static inline void handle(void *owner, const struct https_seen *seen, struct https_act *act)
{
    struct fixture *f = owner;

    snprintf(f->last_head, sizeof f->last_head, "%s", seen->head);
    snprintf(f->last_body, sizeof f->last_body, "%s", seen->body);
    *act = seen->request > 1 && f->later.size > 0 ? f->later : f->act;
}

static inline int setup(void **state)
{
    static struct fixture f;
    const struct http_client_options options = {
        .name = "test", .active_max = ACTIVE_MAX, .queue_max = QUEUE_MAX};
    char problem[HTTP_CLIENT_PROBLEM_SIZE] = "";

    memset(&f, 0, sizeof f);
    f.fibers = fiber_pool_open(FIBERS);
    f.arena = arena_new(16 * 1024 * 1024);
    f.client = http_client_open(&options, problem);
    if (f.client == NULL)
        print_error("%s\n", problem);
    f.options = (struct https_options){.handle = handle, .owner = &f};
    f.request = (struct http_exchange_request){
        .method = "POST",
        .body = "amount=1999",
        .body_size = strlen("amount=1999"),
        .connect_timeout_ms = LIMIT_MS,
        .time_limit_ms = LIMIT_MS,
        .reply_size_max = REPLY_MAX,
    };
    *state = &f;
    return f.client == NULL ? -1 : 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    https_server_close(f->server);
    http_client_close(f->client);
    fiber_pool_close(f->fibers);
    arena_free(f->arena);
    return 0;
}

static inline void given_server(struct fixture *f)
{
    f->server = https_server_open(&f->options);
    snprintf(f->url, sizeof f->url, "https://localhost:%d/v1/things", https_server_port(f->server));
    f->request.url = f->url;
    f->request.ca_file = https_server_ca_file(f->server);
}

static inline void given_server_that_answers(struct fixture *f, const char *headers,
                                             const char *body)
{
    https_answer(&f->act, 200, headers, body);
    given_server(f);
}

static inline void send_it(void *argument)
{
    struct fixture *f = argument;

    http_client_send(f->client, &f->request, f->arena, &f->reply);
}

static inline void when_sent(struct fixture *f)
{
    fiber_run(f->fibers, send_it, f);
}

static inline void then(const struct fixture *f, enum http_result result, int requests)
{
    if (f->reply.result != result)
        print_error("%s (%s)\n", http_result_name(f->reply.result), f->reply.problem);
    assert_int_equal(f->reply.result, result);
    assert_int_equal(f->server == NULL ? 0 : https_server_requests(f->server), requests);
    if (result == HTTP_NOT_SENT || result == HTTP_FORBIDDEN) {
        assert_int_equal(f->reply.request_size, 0);
        assert_true(f->server == NULL || https_server_bytes(f->server) == 0);
    }
    assert_int_equal(f->reply.problem[0] == '\0', result == HTTP_ANSWERED);
}
