/*
 * Counting connections by source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/attributes.h"
#include "edge/sources.h"

static struct sources sources;

static int clear(void **state)
{
    (void)state;
    memset(&sources, 0, sizeof sources);
    sources.seed = 42;
    return 0;
}

static uint64_t key_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&storage, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&storage, &v6, sizeof v6);
    return source_key(&storage);
}

static enum admission enter(uint64_t key, uint32_t total, uint32_t each, uint32_t *place)
{
    return sources_enter(&sources, key, total, each, place);
}

static void an_ipv4_address_is_one_source_however_it_is_written(void **state)
{
    (void)state;
    assert_true(key_of("192.0.2.1") != key_of("192.0.2.2"));
    assert_true(key_of("192.0.2.1") == key_of("::ffff:192.0.2.1"));
}

static void an_ipv6_slash_64_is_one_source(void **state)
{
    (void)state;
    assert_true(key_of("2001:db8:1:2::1") == key_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_true(key_of("2001:db8:1:2::1") != key_of("2001:db8:1:3::1"));
    assert_true(key_of("::1") != key_of("127.0.0.1"));
    assert_true(key_of("0:0:1::1") != key_of("::1"));
}

static void what_has_no_address_is_one_source(void **state)
{
    (void)state;
    struct sockaddr_storage local = {.ss_family = AF_UNIX};

    assert_int_equal(source_key(&local), 0);
}

static void one_source_has_no_more_than_its_share(void **state)
{
    (void)state;
    uint32_t place;

    assert_int_equal(enter(1, 10, 2, &place), ADMITTED);
    assert_int_equal(enter(1, 10, 2, &place), ADMITTED);
    assert_int_equal(enter(1, 10, 2, &place), SHED_SOURCE);
    assert_int_equal(enter(2, 10, 2, &place), ADMITTED);
    assert_int_equal(sources.connections, 3);
}

static void all_together_have_no_more_than_there_is(void **state)
{
    (void)state;
    uint32_t place;

    assert_int_equal(enter(1, 2, 2, &place), ADMITTED);
    assert_int_equal(enter(2, 2, 2, &place), ADMITTED);
    assert_int_equal(enter(3, 2, 2, &place), SHED_TOTAL);
    sources_leave(&sources, place);
    assert_int_equal(enter(3, 2, 2, &place), ADMITTED);
}

static void without_limits_everybody_is_let_in(void **state)
{
    (void)state;
    uint32_t place;

    for (int i = 0; i < 1000; i++)
        assert_int_equal(enter(7, 0, 0, &place), ADMITTED);
}

static void who_leaves_makes_room_for_one(void **state)
{
    (void)state;
    uint32_t first;
    uint32_t second;

    assert_int_equal(enter(1, 0, 2, &first), ADMITTED);
    assert_int_equal(enter(1, 0, 2, &second), ADMITTED);
    sources_leave(&sources, first);
    assert_int_equal(enter(1, 0, 2, &first), ADMITTED);
    assert_int_equal(enter(1, 0, 2, &first), SHED_SOURCE);
}

/* More sources than chains have neighbours: some share one. */
static void keeps_sources_of_one_chain_apart(void **state)
{
    (void)state;
    enum { COUNT = SOURCES_MAX };
    static uint32_t places[COUNT];

    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(enter(i, 0, 1, &places[i]), ADMITTED);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(enter(i, 0, 1, &places[i]), SHED_SOURCE);
    uint32_t place;
    assert_int_equal(enter(COUNT, 0, 1, &place), SHED_TOTAL);

    for (uint32_t i = 0; i < COUNT; i += 2)
        sources_leave(&sources, places[i]);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(enter(i, 0, 1, &place), i % 2 == 0 ? ADMITTED : SHED_SOURCE);
    assert_int_equal(sources.connections, COUNT);
    assert_int_equal(sources.places_used, COUNT);
}

static void ends_as_empty_as_it_began(void **state)
{
    (void)state;
    uint32_t places[100];

    for (uint32_t i = 0; i < ARRAY_LENGTH(places); i++)
        assert_int_equal(enter(i % 10, 0, 0, &places[i]), ADMITTED);
    for (uint32_t i = 0; i < ARRAY_LENGTH(places); i++)
        sources_leave(&sources, places[i]);

    assert_int_equal(sources.connections, 0);
    for (size_t i = 0; i < SOURCES_MAX; i++)
        assert_int_equal(sources.chains[i], 0);
}

#define SOURCES_TEST(name) cmocka_unit_test_setup(name, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCES_TEST(an_ipv4_address_is_one_source_however_it_is_written),
        SOURCES_TEST(an_ipv6_slash_64_is_one_source),
        SOURCES_TEST(what_has_no_address_is_one_source),
        SOURCES_TEST(one_source_has_no_more_than_its_share),
        SOURCES_TEST(all_together_have_no_more_than_there_is),
        SOURCES_TEST(without_limits_everybody_is_let_in),
        SOURCES_TEST(who_leaves_makes_room_for_one),
        SOURCES_TEST(keeps_sources_of_one_chain_apart),
        SOURCES_TEST(ends_as_empty_as_it_began),
    };
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
