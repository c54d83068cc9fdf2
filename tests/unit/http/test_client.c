/*
 * The HTTP client against a server that behaves badly: what is answered, and what may have arrived.
 * Each row of the classification is tried over real TLS.
 */

#include <sys/mman.h>

#include "base/log.h"
#include "unit/http/client_fixture.h"

#define KEY_LOG   "/tmp/dues-key-log-of-the-tests"
#define LONG_BODY ((size_t)64 * 1024)

/* ---- What is answered ---- */

static void a_whole_answer_comes_with_status_headers_and_body(void **state)
{
    struct fixture *f = *state;
    const char *const headers[] = {"Idempotency-Key: k1",
                                   "Content-Type: application/x-www-form-urlencoded"};
    given_server_that_answers(f, "Request-Id: req_1\r\n", "{\"a\":1}");
    f->request.headers = headers;
    f->request.header_count = 2;

    when_sent(f);

    then(f, HTTP_ANSWERED, 1);
    assert_int_equal(f->reply.status, 200);
    assert_string_equal(f->reply.body, "{\"a\":1}");
    assert_int_equal(f->reply.body_size, 7);
    assert_string_equal(http_reply_header(&f->reply, "request-ID"), "req_1");
    assert_null(http_reply_header(&f->reply, "Other"));
    assert_int_equal(f->reply.request_size, https_server_bytes(f->server));
    assert_non_null(strstr(f->last_head, "POST /v1/things HTTP/1.1\r\n"));
    assert_non_null(strstr(f->last_head, "\r\nIdempotency-Key: k1\r\n"));
    assert_string_equal(f->last_body, "amount=1999");
}

static void nothing_is_asked_for_that_was_not_told(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "Set-Cookie: a=b\r\n", "");
    f->request.is_idempotent_send = true;

    when_sent(f);
    when_sent(f);

    then(f, HTTP_ANSWERED, 2);
    static const char *const unwanted[] = {
        "cookie:", "accept-encoding:", "authorization:", "expect:", "referer:"};
    for (size_t i = 0; i < ARRAY_LENGTH(unwanted); i++)
        assert_null(strcasestr(f->last_head, unwanted[i]));
}

static void every_status_is_an_answer_and_no_redirect_is_followed(void **state)
{
    struct fixture *f = *state;
    static const int statuses[] = {200, 201, 204, 302, 307, 400, 402, 404, 409, 429, 500, 503};
    given_server(f);

    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        https_answer(&f->act, statuses[i], "Location: https://localhost:1/\r\n",
                     statuses[i] == 204 ? "" : "{}");
        when_sent(f);
        then(f, HTTP_ANSWERED, (int)i + 1);
        assert_int_equal(f->reply.status, statuses[i]);
    }
}

static void connections_are_kept_only_for_what_may_be_repeated(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "", "{}");

    for (int i = 0; i < 3; i++)
        when_sent(f);
    assert_int_equal(https_server_connections(f->server), 3);

    f->request.is_idempotent_send = true;
    for (int i = 0; i < 3; i++)
        when_sent(f);
    then(f, HTTP_ANSWERED, 6);
    assert_int_equal(https_server_connections(f->server), 4);
}

static void a_kept_connection_that_died_is_replaced(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "", "{}");
    f->later = f->act;
    f->request.is_idempotent_send = true;
    f->act.end = HTTPS_CLOSE;

    when_sent(f);
    when_sent(f);

    then(f, HTTP_ANSWERED, 2);
    assert_int_equal(https_server_connections(f->server), 2);
}

/* ---- What may have arrived ---- */

static void an_answer_that_breaks_off_at_any_byte_is_unknown(void **state)
{
    struct fixture *f = *state;
    static const enum https_end ends[] = {HTTPS_CUT, HTTPS_RESET, HTTPS_CLOSE};
    int requests = 0;
    given_server_that_answers(f, "X-A: b\r\n", "{\"id\":\"pi_1\"}");
    size_t whole = f->act.size;

    for (size_t size = 0; size < whole; size++) {
        f->act.size = size;
        f->act.end = ends[size % ARRAY_LENGTH(ends)];
        when_sent(f);
        then(f, HTTP_UNKNOWN, ++requests);
        if (requests % 100 == 0) {
            https_server_close(f->server);
            given_server(f);
            requests = 0;
        }
    }
}

static void chunks_that_break_off_are_unknown(void **state)
{
    struct fixture *f = *state;
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n";
    int requests = 0;
    memcpy(f->act.answer, answer, sizeof answer);
    given_server(f);

    for (size_t size = strlen("HTTP/1.1 200 OK\r\n"); size <= strlen(answer); size++) {
        bool is_whole = size == strlen(answer);
        f->act.size = size;
        f->act.end = is_whole ? HTTPS_KEEP : HTTPS_CLOSE;
        when_sent(f);
        /* The last line feeds say nothing new: libcurl may go without them. */
        if (size + 4 <= strlen(answer) || is_whole)
            then(f, is_whole ? HTTP_ANSWERED : HTTP_UNKNOWN, ++requests);
        else
            requests++;
    }
    assert_string_equal(f->reply.body, "{\"a\":1}");
}

static void a_body_without_a_length_is_not_believed(void **state)
{
    struct fixture *f = *state;
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n{\"id\":\"pi_1\"}";
    memcpy(f->act.answer, answer, sizeof answer);
    f->act.size = strlen(answer);
    f->act.end = HTTPS_CLOSE;
    given_server(f);

    when_sent(f);

    then(f, HTTP_UNKNOWN, 1);
}

static void silence_is_unknown_after_the_time_limit(void **state)
{
    struct fixture *f = *state;
    f->act.end = HTTPS_HANG;
    given_server(f);
    f->request.time_limit_ms = SHORT_MS;

    when_sent(f);

    then(f, HTTP_UNKNOWN, 1);
}

static void dripping_does_not_lengthen_the_time_limit(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "", "{\"id\":\"pi_1\"}");
    f->act.pause_us = 50 * US_PER_MS;
    f->request.time_limit_ms = SHORT_MS;

    when_sent(f);

    then(f, HTTP_UNKNOWN, 1);
}

static void what_is_too_large_is_unknown(void **state)
{
    struct fixture *f = *state;
    static char body[LONG_BODY];
    static char headers[LONG_BODY];
    size_t used = 0;
    memset(body, 'x', REPLY_MAX + 1);
    given_server_that_answers(f, "", body);

    when_sent(f);
    then(f, HTTP_UNKNOWN, 1);

    body[REPLY_MAX] = '\0';
    https_answer(&f->act, 200, "", body);
    when_sent(f);
    then(f, HTTP_ANSWERED, 2);
    assert_int_equal(f->reply.body_size, REPLY_MAX);

    for (int i = 0; i < HTTP_REPLY_HEADERS_MAX; i++)
        used += (size_t)snprintf(headers + used, sizeof headers - used, "X-%d: y\r\n", i);
    https_answer(&f->act, 200, headers, "{}");
    when_sent(f);
    then(f, HTTP_UNKNOWN, 3);

    snprintf(headers, sizeof headers, "X: ");
    memset(headers + 3, 'y', HTTP_REPLY_HEAD_SIZE_MAX);
    snprintf(headers + 3 + HTTP_REPLY_HEAD_SIZE_MAX, 3, "\r\n");
    https_answer(&f->act, 200, headers, "{}");
    when_sent(f);
    then(f, HTTP_UNKNOWN, 4);
}

static void one_send_is_at_most_one_request(void **state)
{
    struct fixture *f = *state;
    https_answer(&f->act, 200, "", "{}");
    f->later.size = 1; /* the second request of a connection is read and reset */
    f->later.end = HTTPS_RESET;
    f->later.answer[0] = 'H';
    given_server(f);

    when_sent(f);
    when_sent(f);

    then(f, HTTP_UNKNOWN, 2);
    assert_int_equal(https_server_connections(f->server), 2);
}

static void the_status_alone_can_be_enough(void **state)
{
    struct fixture *f = *state;
    static char body[LONG_BODY];
    memset(body, 'x', sizeof body / 2);
    given_server_that_answers(f, "", body);
    f->request.status_only = true;

    when_sent(f);
    then(f, HTTP_ANSWERED, 1);
    assert_int_equal(f->reply.status, 200);

    f->act.size = strlen("HTTP/1.1 200 Status\r\nContent-Length: 32768\r\n\r\nxxx");
    f->act.end = HTTPS_CUT;
    when_sent(f);
    then(f, HTTP_ANSWERED, 2);

    f->act.size = 0;
    when_sent(f);
    then(f, HTTP_UNKNOWN, 3);
}

/* ---- What the environment may not do ---- */

static void neither_a_proxy_nor_a_key_log_of_the_environment_counts(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "", "{}");

    when_sent(f); /* main() has named both */

    then(f, HTTP_ANSWERED, 1);
    assert_int_not_equal(access(KEY_LOG, F_OK), 0);
}

/* ---- What is told of it ---- */

static void libcurls_words_are_logged_without_secrets(void **state)
{
    struct fixture *f = *state;
    const char *const headers[] = {"Authorization: Bearer sk_of_the_test"};
    char text[16384] = "";
    char problem[HTTP_CLIENT_PROBLEM_SIZE] = "";
    int file = memfd_create("log", MFD_CLOEXEC);
    struct log *log = log_open(file, LOG_DEBUG, clock_system());
    const struct http_client_options options = {
        .name = "spoken", .active_max = 1, .queue_max = 1, .log = log};
    given_server_that_answers(f, "Set-Cookie: secret_of_theirs\r\n", "{\"pi_secret_body\":1}");
    f->request.headers = headers;
    f->request.header_count = 1;
    http_client_close(f->client);
    f->client = http_client_open(&options, problem);
    assert_non_null(f->client);

    when_sent(f);

    then(f, HTTP_ANSWERED, 1);
    http_client_close(f->client);
    f->client = NULL;
    log_close(log);
    assert_true(pread(file, text, sizeof text - 1, 0) > 0);
    close(file);
    assert_non_null(strstr(text, "\"event\":\"http\""));
    assert_non_null(strstr(text, "SSL connection using TLSv1.3"));
    static const char *const secrets[] = {"sk_of_the_test", "secret_of_theirs", "pi_secret_body",
                                          "amount=1999"};
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        assert_null(strstr(text, secrets[i]));
}

/* ---- How many at once ---- */

struct crowd {
    struct fixture *f;
    _Atomic int64_t time_limit_ms;
    _Atomic int results[HTTP_FORBIDDEN + 1];
    _Atomic int ended;
};

static void join_crowd(void *argument)
{
    struct crowd *crowd = argument;
    struct http_exchange_reply reply;
    AUTO(arena_auto_free) struct arena *arena = arena_new(256 * 1024);
    struct http_exchange_request request = crowd->f->request;

    request.time_limit_ms = crowd->time_limit_ms;
    http_client_send(crowd->f->client, &request, arena, &reply);
    crowd->results[reply.result]++;
    crowd->ended++;
}

static void the_queue_and_the_number_at_once_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct crowd crowd = {.f = f};
    const int many = ACTIVE_MAX + QUEUE_MAX + 5;
    given_server(f);
    f->act.end = HTTPS_HANG;

    for (int i = 0; i < many; i++) {
        crowd.time_limit_ms = i < ACTIVE_MAX ? 3 * SHORT_MS : SHORT_MS;
        assert_true(fiber_start(f->fibers, join_crowd, &crowd));
        /* The first ones begin, so that what waits is what has no place. */
        for (int tries = 0; i < ACTIVE_MAX && https_server_requests(f->server) <= i && tries < 2000;
             tries++)
            usleep(1000);
    }
    while (crowd.ended < many)
        usleep(1000);

    assert_int_equal(https_server_requests(f->server), ACTIVE_MAX);
    assert_int_equal(crowd.results[HTTP_UNKNOWN], ACTIVE_MAX);
    assert_int_equal(crowd.results[HTTP_NOT_SENT], many - ACTIVE_MAX);
}

static void many_exchanges_share_a_client(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "", "{}");
    f->request.is_idempotent_send = true;

    for (int round = 0; round < 20; round++) {
        struct crowd crowd = {.f = f, .time_limit_ms = LIMIT_MS};
        const int many = ACTIVE_MAX + QUEUE_MAX;
        for (int i = 0; i < many; i++)
            assert_true(fiber_start(f->fibers, join_crowd, &crowd));
        while (crowd.ended < many)
            usleep(1000);
        assert_int_equal(crowd.results[HTTP_ANSWERED], many);
    }
    assert_true(https_server_connections(f->server) <= ACTIVE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_answer_comes_with_status_headers_and_body),
        TEST(nothing_is_asked_for_that_was_not_told),
        TEST(every_status_is_an_answer_and_no_redirect_is_followed),
        TEST(connections_are_kept_only_for_what_may_be_repeated),
        TEST(a_kept_connection_that_died_is_replaced),
        TEST(an_answer_that_breaks_off_at_any_byte_is_unknown),
        TEST(chunks_that_break_off_are_unknown),
        TEST(a_body_without_a_length_is_not_believed),
        TEST(silence_is_unknown_after_the_time_limit),
        TEST(dripping_does_not_lengthen_the_time_limit),
        TEST(what_is_too_large_is_unknown),
        TEST(one_send_is_at_most_one_request),
        TEST(the_status_alone_can_be_enough),
        TEST(neither_a_proxy_nor_a_key_log_of_the_environment_counts),
        TEST(libcurls_words_are_logged_without_secrets),
        TEST(the_queue_and_the_number_at_once_are_bounded),
        TEST(many_exchanges_share_a_client),
    };

    setenv("SSLKEYLOGFILE", KEY_LOG, 1);
    setenv("https_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
