/*
 * The HTTP client, when nothing leaves: no host, no connection, no trust, no permission.
 */

#include "unit/http/client_fixture.h"

/* ---- What certainly did not leave ---- */

static void a_host_that_is_not_found_was_sent_nothing(void **state)
{
    struct fixture *f = *state;
    f->request.url = "https://nowhere.invalid/";
    f->request.time_limit_ms = 3000;

    when_sent(f);

    then(f, HTTP_NOT_SENT, 0);
}

static void a_refused_connection_was_sent_nothing(void **state)
{
    struct fixture *f = *state;
    given_server(f);
    https_server_close(f->server);
    f->server = NULL;
    f->request.ca_file = NULL;

    when_sent(f);

    then(f, HTTP_NOT_SENT, 0);
}

static void a_broken_handshake_was_sent_nothing(void **state)
{
    struct fixture *f = *state;
    static const enum https_handshake broken[] = {HTTPS_RESETS_HELLO, HTTPS_SPEAKS_TLS_1_1,
                                                  HTTPS_SPEAKS_CLEAR_TEXT};

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        f->options.handshake = broken[i];
        given_server(f);
        when_sent(f);
        then(f, HTTP_NOT_SENT, 0);
        https_server_close(f->server);
        f->server = NULL;
    }
}

static void a_certificate_that_does_not_fit_is_sent_nothing(void **state)
{
    struct fixture *f = *state;
    static const enum https_certificate wrong[] = {HTTPS_OTHER_NAME, HTTPS_EXPIRED,
                                                   HTTPS_UNKNOWN_AUTHORITY};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        f->options.certificate = wrong[i];
        given_server(f);
        when_sent(f);
        then(f, HTTP_NOT_SENT, 0);
        assert_int_equal(https_server_connections(f->server), 1);
        https_server_close(f->server);
        f->server = NULL;
    }
}

static void authorities_of_the_system_do_not_count_beside_a_file(void **state)
{
    struct fixture *f = *state;
    struct https_options other = f->options;
    given_server_that_answers(f, "", "{}");
    struct https_server *stranger = https_server_open(&other);
    f->request.ca_file = https_server_ca_file(stranger);

    when_sent(f);

    then(f, HTTP_NOT_SENT, 0);
    https_server_close(stranger);
}

static void who_never_greets_was_sent_nothing(void **state)
{
    struct fixture *f = *state;
    f->options.handshake = HTTPS_IGNORES_HELLO;
    given_server(f);
    f->request.connect_timeout_ms = SHORT_MS;

    when_sent(f);

    then(f, HTTP_NOT_SENT, 0);
}

static void what_is_not_https_is_forbidden(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = {
        "http://localhost/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "localhost",
        "https://a:b@localhost/",
        "https://",
        "https://a b/",
        "https://a/\r\nX: y",
        "gopher://localhost/",
        "HTTP://localhost/x",
        "",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        f->request.url = urls[i];
        when_sent(f);
        then(f, HTTP_FORBIDDEN, 0);
    }
}

static void headers_cannot_be_smuggled(void **state)
{
    struct fixture *f = *state;
    const char *const headers[] = {"X: y\r\nAuthorization: z"};
    given_server_that_answers(f, "", "{}");
    f->request.headers = headers;
    f->request.header_count = 1;

    when_sent(f);

    then(f, HTTP_FORBIDDEN, 0);
}

static void addresses_that_are_not_public_are_forbidden_on_request(void **state)
{
    struct fixture *f = *state;
    char url[128];
    given_server_that_answers(f, "", "{}");
    f->request.public_only = true;
    f->request.is_idempotent_send = true;
    static const char *const hosts[] = {"localhost",      "127.0.0.1",          "2130706433",
                                        "0x7f.1",         "[::ffff:127.0.0.1]", "0.0.0.0",
                                        "169.254.169.254"};

    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        snprintf(url, sizeof url, "https://%s:%d/", hosts[i], https_server_port(f->server));
        f->request.url = url;
        when_sent(f);
        then(f, HTTP_FORBIDDEN, 0);
    }
    assert_int_equal(https_server_connections(f->server), 0);
}

static void a_connection_kept_for_others_is_no_way_in(void **state)
{
    struct fixture *f = *state;
    given_server_that_answers(f, "", "{}");
    f->request.is_idempotent_send = true;
    when_sent(f);
    then(f, HTTP_ANSWERED, 1);

    f->request.public_only = true;
    when_sent(f);

    assert_int_equal(f->reply.result, HTTP_FORBIDDEN);
    assert_int_equal(https_server_requests(f->server), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_host_that_is_not_found_was_sent_nothing),
        TEST(a_refused_connection_was_sent_nothing),
        TEST(a_broken_handshake_was_sent_nothing),
        TEST(a_certificate_that_does_not_fit_is_sent_nothing),
        TEST(authorities_of_the_system_do_not_count_beside_a_file),
        TEST(who_never_greets_was_sent_nothing),
        TEST(what_is_not_https_is_forbidden),
        TEST(headers_cannot_be_smuggled),
        TEST(addresses_that_are_not_public_are_forbidden_on_request),
        TEST(a_connection_kept_for_others_is_no_way_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
