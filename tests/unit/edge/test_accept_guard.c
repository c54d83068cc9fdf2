/*
 * Who is let in, and that the listener never ends, in a scripted world; the kernel's is in
 * test_accept_listener.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/attributes.h"
#include "edge/accept_guard.h"

#define LISTENER 1000
#define SPARE    50
#define FOREVER  1000000

/* What accept4 answers next: a descriptor, or an errno below zero. */
static struct {
    int answers[64];
    int count;
    int next;
    int last_again; /* the last answer is repeated so often */
    const char *peer;
    int closed[64];
    int closed_count;
    int spare; /* what open_spare answers */
    int64_t now_us;
} world;

static struct accept_guard *guard;

static int scripted_accept(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(4711)};

    (void)flags;
    assert_int_equal(listener, LISTENER);
    assert_true(world.next < world.count);
    int answer = world.answers[world.next];
    if (world.next < world.count - 1 || world.last_again-- <= 0)
        world.next++;
    if (answer < 0) {
        errno = -answer;
        return -1;
    }
    if (address != NULL) {
        assert_int_equal(inet_pton(AF_INET, world.peer, &peer.sin_addr), 1);
        memcpy(address, &peer, sizeof peer);
        *length = sizeof peer;
    }
    return answer;
}

static int scripted_close(int descriptor)
{
    world.closed[world.closed_count++ % 64] = descriptor;
    return 0;
}

static int scripted_spare(void)
{
    return world.spare;
}

static int64_t scripted_now_us(void)
{
    return world.now_us;
}

static const struct accept_calls scripted = {scripted_accept, scripted_close, scripted_spare,
                                             scripted_now_us};

static int begin(void **state)
{
    (void)state;
    static const struct accept_guard fresh = {.mutex = PTHREAD_MUTEX_INITIALIZER, .spare = -1};

    guard = test_calloc(1, sizeof *guard);
    guard->mutex = fresh.mutex;
    guard->spare = SPARE;
    memset(&world, 0, sizeof world);
    world.peer = "192.0.2.1";
    world.spare = SPARE;
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_free(guard);
    return 0;
}

#define ANSWERS(...)                                                                               \
    do {                                                                                           \
        const int answers[] = {__VA_ARGS__};                                                       \
        memcpy(world.answers, answers, sizeof answers);                                            \
        world.count = (int)ARRAY_LENGTH(answers);                                                  \
        world.next = 0;                                                                            \
    } while (0)

static int run(void)
{
    return accept_guard_run(guard, &scripted, LISTENER, NULL, NULL, SOCK_NONBLOCK);
}

static void assert_ends_with(int error)
{
    assert_int_equal(run(), -1);
    assert_int_equal(errno, error);
}

static uint64_t shed(enum accept_cause cause)
{
    return atomic_load(&guard->shed[cause]);
}

static void lets_in_and_tells_who_it_is(void **state)
{
    (void)state;
    struct sockaddr_in peer = {0};
    struct sockaddr few = {0};
    socklen_t length = sizeof peer;
    socklen_t short_length = 2;
    ANSWERS(7, 8, 9);

    assert_int_equal(
        accept_guard_run(guard, &scripted, LISTENER, (struct sockaddr *)&peer, &length, 0), 7);
    assert_int_equal(ntohs(peer.sin_port), 4711);
    assert_int_equal(length, sizeof peer);
    assert_int_equal(accept_guard_run(guard, &scripted, LISTENER, &few, &short_length, 0), 8);
    assert_int_equal(few.sa_family, AF_INET);
    assert_int_equal(short_length, sizeof peer);
    assert_int_equal(accept_guard_run(guard, &scripted, LISTENER, &few, NULL, 0), 9);
    assert_int_equal(atomic_load(&guard->admitted), 3);
    assert_int_equal(world.closed_count, 0);
}

static void closes_those_beyond_the_share_of_their_source(void **state)
{
    (void)state;
    guard->limits.source_max = 2;
    ANSWERS(7, 8, 9, 10, -EAGAIN);

    assert_int_equal(run(), 7);
    assert_int_equal(run(), 8);
    assert_ends_with(EAGAIN);
    assert_int_equal(shed(ACCEPT_SHED_SOURCE), 2);
    assert_int_equal(world.closed_count, 2);
    assert_int_equal(world.closed[0], 9);
    assert_int_equal(world.closed[1], 10);
}

static void goes_on_to_the_next_after_one_that_it_closed(void **state)
{
    (void)state;
    guard->limits.source_max = 1;
    ANSWERS(7, 8, 9);

    assert_int_equal(run(), 7);
    accept_guard_leave(guard, 7);
    assert_int_equal(run(), 8);
    assert_int_equal(shed(ACCEPT_SHED_SOURCE), 0);
}

static void closes_those_beyond_the_total(void **state)
{
    (void)state;
    guard->limits.total_max = 1;
    ANSWERS(7, 8, -EAGAIN);

    assert_int_equal(run(), 7);
    world.peer = "192.0.2.2";
    assert_ends_with(EAGAIN);
    assert_int_equal(shed(ACCEPT_SHED_TOTAL), 1);
}

static void closes_those_beyond_the_rate_and_gives_their_share_back(void **state)
{
    (void)state;
    guard->limits.source_max = 3;
    guard->limits.rate = bucket_rate_make(10, 2);
    world.now_us = 1000000;
    ANSWERS(7, 8, 9, -EAGAIN);

    assert_int_equal(run(), 7);
    assert_int_equal(run(), 8);
    assert_ends_with(EAGAIN);
    assert_int_equal(shed(ACCEPT_SHED_RATE), 1);
    assert_int_equal(world.closed[0], 9);

    world.now_us += 100000;
    ANSWERS(9);
    assert_int_equal(run(), 9);
    assert_int_equal(shed(ACCEPT_SHED_SOURCE), 0);
}

static void a_source_beyond_its_share_uses_up_no_rate(void **state)
{
    (void)state;
    guard->limits.source_max = 1;
    guard->limits.rate = bucket_rate_make(10, 2);
    world.now_us = 1000000;
    ANSWERS(7, 8, 9, -EAGAIN);
    assert_int_equal(run(), 7);
    assert_ends_with(EAGAIN);

    world.peer = "192.0.2.2";
    ANSWERS(10);
    assert_int_equal(run(), 10);
    assert_int_equal(shed(ACCEPT_SHED_RATE), 0);
    assert_int_equal(shed(ACCEPT_SHED_SOURCE), 2);
}

static void closes_what_it_cannot_count(void **state)
{
    (void)state;
    ANSWERS(ACCEPT_DESCRIPTORS_MAX, ACCEPT_DESCRIPTORS_MAX - 1);

    assert_int_equal(run(), ACCEPT_DESCRIPTORS_MAX - 1);
    assert_int_equal(shed(ACCEPT_SHED_DESCRIPTORS), 1);
}

static void counts_out_once_and_only_its_own(void **state)
{
    (void)state;
    ANSWERS(7);

    assert_int_equal(run(), 7);
    accept_guard_leave(guard, -1);
    accept_guard_leave(guard, 8);
    accept_guard_leave(guard, ACCEPT_DESCRIPTORS_MAX);
    assert_int_equal(atomic_load(&guard->left), 0);
    accept_guard_leave(guard, 7);
    accept_guard_leave(guard, 7);
    assert_int_equal(atomic_load(&guard->left), 1);
    assert_int_equal(guard->sources.connections, 0);
}

static void takes_a_number_given_out_again_for_the_end_of_the_old_connection(void **state)
{
    (void)state;
    guard->limits.source_max = 1;
    ANSWERS(7, 7, -EAGAIN);

    assert_int_equal(run(), 7);
    assert_int_equal(run(), 7);
    assert_int_equal(atomic_load(&guard->left), 1);
    assert_int_equal(guard->sources.connections, 1);
}

static void closes_with_the_spare_what_there_is_no_descriptor_for(void **state)
{
    (void)state;
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        world.closed_count = 0;
        ANSWERS(-errors[i], 7, -errors[i], 8, -EAGAIN);
        assert_ends_with(EAGAIN);
        assert_int_equal(world.closed_count, 4);
        assert_int_equal(world.closed[0], SPARE);
        assert_int_equal(world.closed[1], 7);
        assert_int_equal(world.closed[3], 8);
    }
    assert_int_equal(shed(ACCEPT_SHED_DESCRIPTORS), 2 * ARRAY_LENGTH(errors));
    assert_int_equal(atomic_load(&guard->admitted), 0);
}

static void does_without_a_spare_that_somebody_took(void **state)
{
    (void)state;
    guard->spare = -1;
    world.spare = -1;
    ANSWERS(-EMFILE, -EMFILE);

    assert_ends_with(ECONNABORTED);
    assert_int_equal(world.closed_count, 0);
    world.spare = SPARE;
    ANSWERS(7);
    assert_int_equal(run(), 7);
    assert_int_equal(guard->spare, SPARE);
}

static void knows_when_nobody_waits_after_all(void **state)
{
    (void)state;
    ANSWERS(-EMFILE, -EAGAIN);

    assert_ends_with(EAGAIN);
}

static void goes_on_after_a_connection_that_broke(void **state)
{
    (void)state;
    ANSWERS(-ECONNABORTED, -EPROTO, -EINTR, -EPERM, 7);

    assert_int_equal(run(), 7);
}

static void lets_a_listener_that_is_gone_end(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, EINVAL, ENOTSOCK};

    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        ANSWERS(-errors[i]);
        assert_ends_with(errors[i]);
    }
}

static void gives_others_a_turn_in_a_flood(void **state)
{
    (void)state;
    guard->limits.total_max = 1;
    ANSWERS(7, 8);
    world.last_again = FOREVER;

    assert_int_equal(run(), 7);
    assert_ends_with(ECONNABORTED);
    assert_int_equal(shed(ACCEPT_SHED_TOTAL), ACCEPT_SHED_MAX);
}

#define SCRIPTED_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRIPTED_TEST(lets_in_and_tells_who_it_is),
        SCRIPTED_TEST(closes_those_beyond_the_share_of_their_source),
        SCRIPTED_TEST(goes_on_to_the_next_after_one_that_it_closed),
        SCRIPTED_TEST(closes_those_beyond_the_total),
        SCRIPTED_TEST(closes_those_beyond_the_rate_and_gives_their_share_back),
        SCRIPTED_TEST(a_source_beyond_its_share_uses_up_no_rate),
        SCRIPTED_TEST(closes_what_it_cannot_count),
        SCRIPTED_TEST(counts_out_once_and_only_its_own),
        SCRIPTED_TEST(takes_a_number_given_out_again_for_the_end_of_the_old_connection),
        SCRIPTED_TEST(closes_with_the_spare_what_there_is_no_descriptor_for),
        SCRIPTED_TEST(does_without_a_spare_that_somebody_took),
        SCRIPTED_TEST(knows_when_nobody_waits_after_all),
        SCRIPTED_TEST(goes_on_after_a_connection_that_broke),
        SCRIPTED_TEST(lets_a_listener_that_is_gone_end),
        SCRIPTED_TEST(gives_others_a_turn_in_a_flood),
    };
    return cmocka_run_group_tests_name("accept guard", tests, NULL, NULL);
}
