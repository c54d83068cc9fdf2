/*
 * Addresses of the configuration: which texts are one, and which places of this machine are the
 * same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"

static void assert_is(const char *text, const char *host, int port)
{
    struct address address;

    assert_true(address_parse(text, &address));
    assert_null(address.path);
    assert_string_equal(address.host, host);
    assert_int_equal(address.port, port);
}

static void assert_none(const char *const *texts, size_t count)
{
    struct address address;

    for (size_t i = 0; i < count; i++) {
        if (address_parse(texts[i], &address))
            fail_msg("\"%s\" is taken for an address", texts[i]);
    }
}

static void reads_an_ipv4_address_and_its_port(void **state)
{
    struct address address;
    (void)state;

    assert_is("127.0.0.1:8443", "127.0.0.1", 8443);
    assert_is("0.0.0.0:1", "0.0.0.0", 1);
    assert_true(address_parse("127.0.0.1:8443", &address));
    assert_false(address.is_name);
    assert_false(address.is_ipv6);
}

static void reads_an_ipv6_address_in_brackets(void **state)
{
    struct address address;
    (void)state;

    assert_is("[::1]:8443", "::1", 8443);
    assert_is("[::]:8443", "::", 8443);
    assert_true(address_parse("[::1]:8443", &address));
    assert_false(address.is_name);
    assert_true(address.is_ipv6);
}

static void refuses_an_ipv6_address_without_brackets_and_others_with(void **state)
{
    static const char *const texts[] = {"::1:8443",  "::1",     "[1.2.3.4]:80", "[localhost]:80",
                                        "[::1:8443", "::1]:80", "[::1]x:80",    "[]:80"};
    (void)state;

    assert_none(texts, ARRAY_LENGTH(texts));
}

static void reads_a_name_and_does_not_look_it_up(void **state)
{
    struct address address;
    (void)state;

    assert_is("nobody.has-this.invalid:80", "nobody.has-this.invalid", 80);
    assert_true(address_parse("localhost:8443", &address));
    assert_true(address.is_name);
}

static void reads_the_path_of_a_unix_socket(void **state)
{
    struct address address;
    (void)state;

    assert_true(address_parse("unix:/run/dues/metrics:1", &address));
    assert_string_equal(address.path, "/run/dues/metrics:1");
    assert_string_equal(address.host, "");
}

static void refuses_a_unix_socket_without_an_absolute_path(void **state)
{
    static const char *const texts[] = {"unix:", "unix:/", "unix:here", "unix:80"};
    (void)state;

    assert_none(texts, ARRAY_LENGTH(texts));
}

static void refuses_a_missing_port(void **state)
{
    static const char *const texts[] = {
        "127.0.0.1", "127.0.0.1:", "[::1]", "[::1]:", "localhost", "8443", ""};
    (void)state;

    assert_none(texts, ARRAY_LENGTH(texts));
}

static void leaves_port_0_to_the_kernel(void **state)
{
    (void)state;
    assert_is("127.0.0.1:0", "127.0.0.1", 0);
    assert_is("[::1]:00000", "::1", 0);
}

static void refuses_a_port_that_there_is_not(void **state)
{
    static const char *const texts[] = {"127.0.0.1:65536",  "127.0.0.1:-1", "127.0.0.1:+1",
                                        "127.0.0.1:000001", "127.0.0.1:1x", "127.0.0.1: 1",
                                        "127.0.0.1:http"};
    (void)state;

    assert_is("127.0.0.1:65535", "127.0.0.1", 65535);
    assert_none(texts, ARRAY_LENGTH(texts));
}

static void refuses_an_empty_host_and_one_that_cannot_be(void **state)
{
    static const char *const texts[] = {":8443", "1.2.3:80", "1.2.3.256:80", "a b:80", "a/b:80"};
    char longer[ADDRESS_HOST_SIZE + 8];
    const char *const too_long[] = {longer};
    (void)state;

    assert_none(texts, ARRAY_LENGTH(texts));
    memset(longer, 'a', ADDRESS_HOST_SIZE);
    memcpy(longer + ADDRESS_HOST_SIZE, ":80", 4);
    assert_none(too_long, 1);
    memcpy(longer + ADDRESS_HOST_SIZE - 1, ":80", 4);
    assert_true(address_parse(longer, &(struct address){.port = 0}));
}

static void is_written_as_it_is_read(void **state)
{
    static const char *const texts[] = {"127.0.0.1:0", "[::1]:0", "localhost:0"};
    static const char *const expected[] = {"127.0.0.1:9", "[::1]:9", "localhost:9"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct address address;
        char text[ADDRESS_TEXT_SIZE];
        assert_true(address_parse(texts[i], &address));
        address_format(&address, 9, text);
        assert_string_equal(text, expected[i]);
    }
}

static struct address_place place(const char *text, int port)
{
    struct address address;
    struct address_place place;

    assert_true(address_parse(text, &address));
    struct addrinfo *found = address_find(&address, port);
    assert_non_null(found);
    bool is_one = address_place_of(found->ai_addr, &place);
    address_list_release(&found);
    assert_null(found);
    assert_true(is_one);
    return place;
}

static bool are_same(const char *a, int a_port, const char *b, int b_port)
{
    struct address_place first = place(a, a_port);
    struct address_place second = place(b, b_port);

    return address_place_equal(&first, &second);
}

static void tells_places_apart_by_address_and_port(void **state)
{
    (void)state;
    assert_true(are_same("127.0.0.1:0", 80, "127.0.0.1:0", 80));
    assert_false(are_same("127.0.0.1:0", 80, "127.0.0.1:0", 81));
    assert_false(are_same("127.0.0.1:0", 80, "127.0.0.2:0", 80));
    assert_false(are_same("127.0.0.1:0", 80, "0.0.0.0:0", 80));
    assert_false(are_same("127.0.0.1:0", 80, "[::1]:0", 80));
}

static void knows_ipv4_behind_its_name_in_ipv6(void **state)
{
    (void)state;
    assert_true(are_same("127.0.0.1:0", 80, "[::ffff:127.0.0.1]:0", 80));
    assert_true(are_same("0.0.0.0:0", 80, "[::]:0", 80));
    assert_true(are_same("[::ffff:0.0.0.0]:0", 80, "[::]:0", 80));
}

static void knows_where_a_socket_is_bound(void **state)
{
    struct address address;
    struct address_place bound;
    (void)state;
    assert_true(address_parse("127.0.0.1:0", &address));
    struct addrinfo *found = address_find(&address, 0);
    assert_non_null(found);
    int listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int outcome = bind(listener, found->ai_addr, found->ai_addrlen);
    address_list_release(&found);
    assert_int_equal(outcome, 0);

    int port = address_bound_port(listener);
    bool is_one = address_place_of_socket(listener, &bound);
    address_socket_release(&listener);

    struct address_place expected = place("127.0.0.1:0", port);
    assert_true(port > 0);
    assert_true(is_one);
    assert_true(address_place_equal(&bound, &expected));
    assert_int_equal(fcntl(listener, F_GETFD), -1);
}

static void knows_the_far_end_of_a_connection_by_the_name_that_grpc_gives_it(void **state)
{
    static const char *const none[] = {
        "",        "unix:/run/dues/socket", "ipv4:",   "ipv4:1.2.3.4",
        "unknown", "ipv4:1.2.3:5",          "ipv6:::", "ipv4::5"};
    struct address_place place;
    char host[INET6_ADDRSTRLEN];
    (void)state;

    assert_true(address_place_of_peer("ipv4:192.0.2.7:40113", &place));
    assert_string_equal(inet_ntop(AF_INET6, &place.ip, host, sizeof host), "::ffff:192.0.2.7");
    assert_int_equal(place.port, 40113);
    assert_true(address_place_of_peer("ipv6:%5B2001:db8::1%5D:9", &place));
    assert_string_equal(inet_ntop(AF_INET6, &place.ip, host, sizeof host), "2001:db8::1");
    assert_int_equal(place.port, 9);
    assert_true(address_place_of_peer("ipv6:[::1]:10", &place));
    assert_string_equal(inet_ntop(AF_INET6, &place.ip, host, sizeof host), "::1");
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++)
        assert_false(address_place_of_peer(none[i], &place));
}

static void knows_no_port_of_what_is_not_of_the_internet(void **state)
{
    struct address_place bound;
    const int none = -1;
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;

    int port = address_bound_port(local);
    bool is_one = address_place_of_socket(local, &bound);
    address_socket_release(&local);
    address_socket_release(&none);

    assert_int_equal(port, 0);
    assert_false(is_one);
    assert_int_equal(address_bound_port(-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_an_ipv4_address_and_its_port),
        cmocka_unit_test(reads_an_ipv6_address_in_brackets),
        cmocka_unit_test(refuses_an_ipv6_address_without_brackets_and_others_with),
        cmocka_unit_test(reads_a_name_and_does_not_look_it_up),
        cmocka_unit_test(reads_the_path_of_a_unix_socket),
        cmocka_unit_test(refuses_a_unix_socket_without_an_absolute_path),
        cmocka_unit_test(refuses_a_missing_port),
        cmocka_unit_test(leaves_port_0_to_the_kernel),
        cmocka_unit_test(refuses_a_port_that_there_is_not),
        cmocka_unit_test(refuses_an_empty_host_and_one_that_cannot_be),
        cmocka_unit_test(is_written_as_it_is_read),
        cmocka_unit_test(tells_places_apart_by_address_and_port),
        cmocka_unit_test(knows_ipv4_behind_its_name_in_ipv6),
        cmocka_unit_test(knows_where_a_socket_is_bound),
        cmocka_unit_test(knows_the_far_end_of_a_connection_by_the_name_that_grpc_gives_it),
        cmocka_unit_test(knows_no_port_of_what_is_not_of_the_internet),
    };
    return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
