/*
 * The accept guard on the kernel's own listeners, through the names that libgrpc finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "edge/accept_guard.h"
#include "support/patience.h"

#define IPV4 "127.0.0.1:0"

static int listen_on_loopback(int family, int *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    const struct sockaddr *address =
        family == AF_INET ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    socklen_t length = family == AF_INET ? sizeof v4 : sizeof v6;
    int listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, address, length) != 0 || listen(listener, 64) != 0)
        return -1;
    struct sockaddr_storage bound;
    length = sizeof bound;
    assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &length), 0);
    memcpy(&v4, &bound, sizeof v4); /* the port stands at the same place in both */
    *port = ntohs(v4.sin_port);
    return listener;
}

static int connect_to(int family, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons((uint16_t)port)};
    int client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(client >= 0);
    assert_int_equal(family == AF_INET ? connect(client, (const struct sockaddr *)&v4, sizeof v4)
                                       : connect(client, (const struct sockaddr *)&v6, sizeof v6),
                     0);
    return client;
}

struct seen {
    uint64_t admitted;
    uint64_t left;
    uint64_t shed[ACCEPT_CAUSES];
};

static struct seen seen(void)
{
    const struct accept_guard *process = accept_guard_of_process();
    struct seen seen = {.admitted = atomic_load(&process->admitted),
                        .left = atomic_load(&process->left)};

    for (int i = 0; i < ACCEPT_CAUSES; i++)
        seen.shed[i] = atomic_load(&process->shed[i]);
    return seen;
}

static void guards_the_listener_of_its_address(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    static const char *const names[] = {IPV4, "[::1]:0"};

    for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
        int port = 0;
        int listener = listen_on_loopback(families[i], &port);
        if (listener < 0 && families[i] == AF_INET6)
            continue; /* a machine without IPv6 */
        assert_true(listener >= 0);
        accept_guard_open((struct accept_limits){.source_max = 1}, 1, names[i], port);
        struct seen before = seen();

        int clients[] = {connect_to(families[i], port), connect_to(families[i], port)};
        int first = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        int second = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        int error = errno;

        assert_true(first >= 0);
        assert_int_equal(second, -1);
        assert_int_equal(error, EAGAIN);
        assert_int_equal(seen().admitted, before.admitted + 1);
        assert_int_equal(seen().shed[ACCEPT_SHED_SOURCE], before.shed[ACCEPT_SHED_SOURCE] + 1);
        close(first);
        assert_int_equal(seen().left, before.left + 1);
        accept_guard_close(names[i], port);
        close(clients[0]);
        close(clients[1]);
        close(listener);
    }
}

static void lets_other_listeners_accept_as_ever(void **state)
{
    (void)state;
    int guarded = 0;
    int other = 0;
    int guarded_listener = listen_on_loopback(AF_INET, &guarded);
    int listener = listen_on_loopback(AF_INET, &other);
    accept_guard_open((struct accept_limits){.total_max = 1, .source_max = 1}, 1, IPV4, guarded);
    struct seen before = seen();

    for (int i = 0; i < 3; i++) {
        int client = connect_to(AF_INET, other);
        int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
        close(accepted);
        close(client);
    }
    assert_int_equal(seen().admitted, before.admitted);

    /* After the end, and for what is no socket of the internet. */
    accept_guard_close(IPV4, guarded);
    accept_guard_close(IPV4, guarded);
    assert_int_equal(accept4(guarded_listener, NULL, NULL, 0), -1);
    assert_int_equal(errno, EAGAIN);
    close(guarded_listener);
    close(listener);
}

/* As 127.0.0.2 may be where /metrics listens. */
static int listen_at(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 64), 0);
    return listener;
}

static int connect_at(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void lets_the_same_port_of_another_address_accept_as_ever(void **state)
{
    (void)state;
    int port = 0;
    int guarded = listen_on_loopback(AF_INET, &port);
    int other = listen_at("127.0.0.2", port);
    accept_guard_open((struct accept_limits){.source_max = 1}, 1, IPV4, port);
    struct seen before = seen();

    int clients[] = {connect_at("127.0.0.2", port), connect_at("127.0.0.2", port),
                     connect_at("127.0.0.1", port)};
    int accepted[] = {accept4(other, NULL, NULL, SOCK_CLOEXEC),
                      accept4(other, NULL, NULL, SOCK_CLOEXEC),
                      accept4(guarded, NULL, NULL, SOCK_CLOEXEC)};
    struct seen after = seen();
    accept_guard_close(IPV4, port);
    for (size_t i = 0; i < ARRAY_LENGTH(accepted); i++) {
        close(accepted[i]);
        close(clients[i]);
    }
    close(guarded);
    close(other);

    for (size_t i = 0; i < ARRAY_LENGTH(accepted); i++)
        assert_true(accepted[i] >= 0);
    assert_int_equal(after.admitted, before.admitted + 1);
    assert_int_equal(after.shed[ACCEPT_SHED_SOURCE], before.shed[ACCEPT_SHED_SOURCE]);
}

/* gRPC binds "0.0.0.0" to a socket of both families, and "127.0.0.1" to ::ffff:127.0.0.1. */
static void guards_an_ipv4_address_behind_a_socket_of_ipv6(void **state)
{
    static const char *const names[] = {"0.0.0.0:0", IPV4};
    static const char *const bound[] = {"::", "::ffff:127.0.0.1"};
    const int off = 0;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct sockaddr_in6 address = {.sin6_family = AF_INET6};
        int listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(inet_pton(AF_INET6, bound[i], &address.sin6_addr), 1);
        if (listener < 0 ||
            setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
            bind(listener, (const struct sockaddr *)&address, sizeof address) != 0)
            skip(); /* a machine without IPv6 */
        assert_int_equal(listen(listener, 64), 0);
        int port = address_bound_port(listener);
        accept_guard_open((struct accept_limits){.source_max = 1}, 1, names[i], port);
        struct seen before = seen();

        int client = connect_at("127.0.0.1", port);
        int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        struct seen after = seen();
        accept_guard_close(names[i], port);
        close(accepted);
        close(client);
        close(listener);

        assert_true(accepted >= 0);
        assert_int_equal(after.admitted, before.admitted + 1);
    }
}

static void guards_several_listeners_at_once(void **state)
{
    (void)state;
    int ports[2] = {0};
    int listeners[2];
    int accepted[2];
    for (int i = 0; i < 2; i++)
        listeners[i] = listen_on_loopback(AF_INET, &ports[i]);
    struct seen before = seen();

    for (int i = 0; i < 2; i++) {
        accept_guard_open((struct accept_limits){.total_max = 2}, 1, IPV4, ports[i]);
        int client = connect_to(AF_INET, ports[i]);
        accepted[i] = accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC);
        close(client);
        assert_true(accepted[i] >= 0);
    }
    assert_int_equal(seen().admitted, before.admitted + 2);

    for (int i = 0; i < 2; i++) {
        accept_guard_close(IPV4, ports[i]);
        close(accepted[i]);
        close(listeners[i]);
    }
    assert_int_equal(seen().left, before.left + 2);
}

static void lets_unix_sockets_and_files_be(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_on_loopback(AF_INET, &port);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    accept_guard_open((struct accept_limits){0}, 1, IPV4, port);

    assert_int_equal(bind(local, (const struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(local, 1), 0);
    assert_int_equal(accept4(local, NULL, NULL, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(accept4(-1, NULL, NULL, 0), -1);
    assert_int_equal(errno, EBADF);
    accept_guard_close(IPV4, port);
    close(local);
    close(listener);
}

static void survives_the_end_of_descriptors(void **state)
{
    (void)state;
    enum { CLIENTS = 8 };
    int port = 0;
    int clients[CLIENTS];
    struct rlimit before_limit;
    int listener = listen_on_loopback(AF_INET, &port);
    accept_guard_open((struct accept_limits){0}, 1, IPV4, port);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = connect_to(AF_INET, port);
    struct seen before = seen();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before_limit), 0);
    int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const struct rlimit tight = {.rlim_cur = (rlim_t)highest, .rlim_max = before_limit.rlim_max};
    close(highest);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int refused = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before_limit), 0);

    assert_int_equal(refused, -1);
    assert_int_equal(error, EAGAIN);
    assert_int_equal(seen().shed[ACCEPT_SHED_DESCRIPTORS],
                     before.shed[ACCEPT_SHED_DESCRIPTORS] + CLIENTS);
    int late = connect_to(AF_INET, port);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    accept_guard_close(IPV4, port);
    close(accepted);
    close(late);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    close(listener);
}

static void cuts_the_connection_of_one_peer(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_on_loopback(AF_INET, &port);
    struct address_place places[2];
    int clients[2];
    int accepted[2];
    char byte = 'x';

    accept_guard_open((struct accept_limits){0}, 1, IPV4, port);
    for (int i = 0; i < 2; i++) {
        clients[i] = connect_to(AF_INET, port);
        accepted[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(address_place_of_socket(clients[i], &places[i]));
    }

    bool found = accept_guard_cut(accept_guard_of_process(), &places[0]);

    assert_true(found);
    assert_int_equal(read(accepted[0], &byte, 1), 0);
    assert_int_equal(write(accepted[0], "why", 3), 3);
    assert_int_equal(read(clients[0], &byte, 1), 1);
    assert_int_equal(byte, 'w');
    assert_int_equal(read(accepted[1], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    close(accepted[0]);
    assert_false(accept_guard_cut(accept_guard_of_process(), &places[0]));
    accept_guard_close(IPV4, port);
    close(accepted[1]);
    close(clients[0]);
    close(clients[1]);
    close(listener);
}

/* It walks over all descriptors: who connects or closes meanwhile does not wait for that. */
static void looks_for_a_peer_without_the_mutex(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_on_loopback(AF_INET, &port);
    struct accept_guard *guard = accept_guard_of_process();
    struct address_place place;

    accept_guard_open((struct accept_limits){0}, 1, IPV4, port);
    int client = connect_to(AF_INET, port);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    assert_true(address_place_of_socket(listener, &place));

    pthread_mutex_lock(&guard->mutex);
    bool found = accept_guard_cut(guard, &place);
    pthread_mutex_unlock(&guard->mutex);

    assert_false(found);
    accept_guard_close(IPV4, port);
    close(accepted);
    close(client);
    close(listener);
}

struct cutter {
    struct address_place place;
    atomic_int thread_id;
    bool found;
};

static void *cut(void *argument)
{
    struct cutter *cutter = argument;

    atomic_store(&cutter->thread_id, (int)syscall(SYS_gettid));
    cutter->found = accept_guard_cut(accept_guard_of_process(), &cutter->place);
    return NULL;
}

static bool waits_for_a_mutex(int thread_id)
{
    char path[64];
    char call[16] = "";

    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread_id);
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fgets(call, sizeof call, file) != NULL;
    if (file != NULL)
        fclose(file);
    return is_read && strtol(call, NULL, 10) == SYS_futex;
}

static void cuts_nobody_who_left_meanwhile(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_on_loopback(AF_INET, &port);
    struct accept_guard *guard = accept_guard_of_process();
    struct cutter cutter = {.found = true};
    pthread_t thread;

    accept_guard_open((struct accept_limits){0}, 1, IPV4, port);
    int client = connect_to(AF_INET, port);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    assert_true(address_place_of_socket(client, &cutter.place));
    pthread_mutex_lock(&guard->mutex);
    assert_int_equal(pthread_create(&thread, NULL, cut, &cutter), 0);
    AWAIT(waits_for_a_mutex(atomic_load(&cutter.thread_id)));
    uint32_t owner = atomic_exchange(&guard->owners[accepted], 0);
    pthread_mutex_unlock(&guard->mutex);
    pthread_join(thread, NULL);
    atomic_store(&guard->owners[accepted], owner);

    assert_false(cutter.found);
    accept_guard_close(IPV4, port);
    close(accepted);
    close(client);
    close(listener);
}

static void cuts_nobody_who_was_reset(void **state)
{
    (void)state;
    int port = 0;
    int listener = listen_on_loopback(AF_INET, &port);
    const struct linger at_once = {.l_onoff = 1};
    struct address_place place;
    char byte;

    accept_guard_open((struct accept_limits){0}, 1, IPV4, port);
    int client = connect_to(AF_INET, port);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_true(address_place_of_socket(client, &place));
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(client);
    assert_int_equal(read(accepted, &byte, 1), -1);

    assert_false(accept_guard_cut(accept_guard_of_process(), &place));

    accept_guard_close(IPV4, port);
    close(accepted);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_the_listener_of_its_address),
        cmocka_unit_test(cuts_nobody_who_left_meanwhile),
        cmocka_unit_test(cuts_nobody_who_was_reset),
        cmocka_unit_test(lets_other_listeners_accept_as_ever),
        cmocka_unit_test(lets_the_same_port_of_another_address_accept_as_ever),
        cmocka_unit_test(guards_an_ipv4_address_behind_a_socket_of_ipv6),
        cmocka_unit_test(guards_several_listeners_at_once),
        cmocka_unit_test(lets_unix_sockets_and_files_be),
        cmocka_unit_test(survives_the_end_of_descriptors),
        cmocka_unit_test(cuts_the_connection_of_one_peer),
        cmocka_unit_test(looks_for_a_peer_without_the_mutex),
    };
    return cmocka_run_group_tests_name("accept guard of the process", tests, NULL, NULL);
}
