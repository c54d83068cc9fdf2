/*
 * The edge on the real server: who breaks the limits loses a connection, and nobody else loses
 * anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bug.h"
#include "edge/accept_guard.h"
#include "edge/edge.h"
#include "edge/frame_guard.h"
#include "support/patience.h"
#include "support/rpc_bare.h"
#include "support/rpc_http2.h"

#define LISTEN     "127.0.0.1:0"
#define SOURCE_MAX 12

static const char method[] = "/dues.payment.v1.PaymentService/GetPayment";

static void limit(struct settings *settings)
{
    settings->connections_max = 100;
    settings->connections_per_source_max = SOURCE_MAX;
    settings->guard_header_block_max = 16384;
    settings->guard_headers_per_second = 50000;
    settings->guard_resets_per_second = 10;
    settings->guard_control_per_second = 10;
    settings->guard_window_updates_per_second = 100;
    settings->guard_small_data_per_second = 100;
    settings->deadline_default_ms = 10000;
    settings->deadline_max_ms = 10000;
}

static int setup(void **state)
{
    *state = rpc_bare_new(limit);
    return 0;
}

/* The value of a line of /metrics. */
static int64_t measured(const char *line)
{
    struct measures *measures = measures_new();
    size_t size;

    edge_measure(measures);
    const char *text = measures_text(measures, &size);
    const char *found = strstr(text, line);
    if (found == NULL)
        bug("no %s in:\n%s", line, text);
    int64_t value = strtoll(found + strlen(line), NULL, 10);
    measures_free(measures);
    return value;
}

#define CONNECTIONS    "\ndues_edge_connections "
#define SHED(cause)    "dues_edge_connections_shed_total{cause=\"" cause "\"} "
#define REFUSED(cause) "dues_edge_frames_refused_total{cause=\"" cause "\"} "

static bool becomes(const char *line, int64_t value)
{
    AWAIT(measured(line) == value);
    return measured(line) == value;
}

static int ask(struct dues_client *client)
{
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    struct dues_answer *answer = rpc_bare_ask(client, "GetPayment", &request.base, NULL, 10000);
    int status = answer->status;

    dues_answer_free(answer);
    return status;
}

/* Of somebody who comes now. */
static int status_of_a_call(struct rpc_bare *bare)
{
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    int status = ask(client);

    dues_client_close(client);
    return status;
}

static void counts_connections_in_and_out(void **state)
{
    struct rpc_bare *bare = *state;
    assert_true(becomes(CONNECTIONS, 0));

    int silent = tcp_open(bare->target);
    struct http2 *http2 = http2_open(bare->target, bare->service);
    bool both = becomes(CONNECTIONS, 2);
    http2_close(http2);
    bool one = becomes(CONNECTIONS, 1);
    close(silent);

    assert_true(both);
    assert_true(one);
    assert_true(becomes(CONNECTIONS, 0));
}

static void one_source_has_no_more_than_its_share(void **state)
{
    struct rpc_bare *bare = *state;
    int sockets[SOURCE_MAX];
    assert_true(becomes(CONNECTIONS, 0));
    int64_t before = measured(SHED("source"));

    for (int i = 0; i < SOURCE_MAX; i++)
        sockets[i] = tcp_open(bare->target);
    bool all_in = becomes(CONNECTIONS, SOURCE_MAX);
    int too_much = tcp_open(bare->target);
    bool closed = tcp_is_closed(too_much);
    int64_t shed = measured(SHED("source")) - before;
    close(too_much);
    close(sockets[0]);
    bool room = becomes(CONNECTIONS, SOURCE_MAX - 1);
    int status = status_of_a_call(bare);
    for (int i = 1; i < SOURCE_MAX; i++)
        close(sockets[i]);

    assert_true(all_in);
    assert_true(closed);
    assert_int_equal(shed, 1);
    assert_true(room);
    assert_int_equal(status, DUES_OK);
}

/* Opens files until there is no descriptor left; answers how many. */
static int fill(int *fillers, int most)
{
    int count = 0;

    while (count < most && (fillers[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    return count;
}

/* The clients are of this process, too: their sockets are made before the last descriptor is taken.
 */
static void serves_after_the_descriptors_ran_out(void **state)
{
    struct rpc_bare *bare = *state;
    enum { CLIENTS = 50, FILLERS = 1024 };
    int clients[CLIENTS];
    int fillers[FILLERS];
    struct rlimit usual;
    assert_true(becomes(CONNECTIONS, 0));
    int64_t before = measured(SHED("descriptors"));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = tcp_socket();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const struct rlimit tight = {.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 1,
                                 .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int filled = fill(fillers, FILLERS);

    int connected = 0;
    for (int i = 0; i < CLIENTS; i++)
        connected += tcp_connect(clients[i], bare->target);
    /* But for one or two: gRPC looks at the files of the certificates now and then. */
    AWAIT(measured(SHED("descriptors")) >= before + CLIENTS - 2);
    int64_t shed = measured(SHED("descriptors")) - before;
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    int statuses[5];
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        statuses[i] = status_of_a_call(bare);
    for (int i = 0; i < filled; i++)
        close(fillers[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);

    assert_int_equal(connected, CLIENTS);
    assert_in_range(shed, CLIENTS - 2, CLIENTS);
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        assert_int_equal(statuses[i], DUES_OK);
}

/* Somebody else is connected, and calls before and after. */
static void cut(struct rpc_bare *bare, void (*attack)(struct http2 *http2), const char *counter)
{
    struct dues_client *other = rpc_bare_client(bare, bare->reader);
    int status_before = ask(other);
    int64_t before = measured(counter);
    struct http2 *http2 = http2_open(bare->target, bare->service);

    attack(http2);
    bool was_cut = http2_is_cut(http2);
    http2_close(http2);
    int64_t counted = measured(counter) - before;
    int status_after = ask(other);
    dues_client_close(other);

    assert_int_equal(status_before, DUES_OK);
    assert_true(was_cut);
    assert_int_equal(counted, 1);
    assert_int_equal(status_after, DUES_OK);
}

/* A string of a gigabyte is announced, and sent piece by piece. */
static void send_header_bomb(struct http2 *http2)
{
    static uint8_t piece[16384] = {0, 1, 'a', 0x7f, 0x80, 0x80, 0x80, 0x80, 0x04};
    bool sent = http2_send(http2, HTTP2_HEADERS, 0, 1, piece, sizeof piece);

    for (int i = 0; i < 100 && sent; i++)
        sent = http2_send(http2, HTTP2_CONTINUATION, 0, 1, piece, sizeof piece);
}

static void cuts_a_header_bomb(void **state)
{
    cut(*state, send_header_bomb, REFUSED("header_block"));
}

static void send_empty_continuations(struct http2 *http2)
{
    bool sent = http2_send(http2, HTTP2_HEADERS, 0, 1, "", 0);

    for (int i = 0; i < 1000 && sent; i++)
        sent = http2_send(http2, HTTP2_CONTINUATION, 0, 1, NULL, 0);
}

static void cuts_empty_continuations(void **state)
{
    cut(*state, send_empty_continuations, REFUSED("continuation"));
}

static void reset_rapidly(struct http2 *http2)
{
    static const uint8_t cancel[] = {0, 0, 0, 8};
    bool sent = true;

    for (uint32_t stream = 1; stream < 2000 && sent; stream += 2)
        sent = http2_call(http2, stream, method) &&
               http2_send(http2, HTTP2_RST_STREAM, 0, stream, cancel, sizeof cancel);
}

static void cuts_rapid_resets(void **state)
{
    cut(*state, reset_rapidly, REFUSED("resets_rate"));
}

static void flood_with_small_data(struct http2 *http2)
{
    bool sent = http2_call(http2, 1, method);

    for (int i = 0; i < 5000 && sent; i++)
        sent = http2_send(http2, HTTP2_DATA, 0, 1, "x", 1);
}

static void cuts_a_flood_of_small_data(void **state)
{
    cut(*state, flood_with_small_data, REFUSED("small_data_rate"));
}

/* gRPC has rules of its own for PING. */
static void flood_with_settings(struct http2 *http2)
{
    for (int i = 0; i < 5000 && http2_send(http2, HTTP2_SETTINGS, 0, 0, NULL, 0); i++)
        continue;
}

static void cuts_a_flood_of_settings(void **state)
{
    cut(*state, flood_with_settings, REFUSED("settings_rate"));
}

static void send_a_long_frame(struct http2 *http2)
{
    static uint8_t payload[FRAME_PAYLOAD_MAX + 1];

    http2_send(http2, HTTP2_DATA, 0, 1, payload, sizeof payload);
}

static void cuts_a_frame_that_is_too_long(void **state)
{
    cut(*state, send_a_long_frame, REFUSED("too_long"));
}

static void send_push_promise(struct http2 *http2)
{
    http2_send(http2, HTTP2_PUSH_PROMISE, HTTP2_END_HEADERS, 1, "\0\0\0\2", 4);
}

static void cuts_push_promise(void **state)
{
    cut(*state, send_push_promise, REFUSED("push_promise"));
}

static int64_t refused_in_all(void)
{
    int64_t sum = 0;

    for (size_t i = 0; i < FRAME_VERDICTS; i++)
        sum += (int64_t)atomic_load(&frame_guard_refused[i]);
    return sum;
}

static void lets_a_busy_client_be(void **state)
{
    struct rpc_bare *bare = *state;
    struct dues_client *client = rpc_bare_client(bare, bare->service);
    int64_t before = refused_in_all();
    int good = 0;

    for (int i = 0; i < 1500; i++)
        good += ask(client) == DUES_OK;
    dues_client_close(client);

    assert_int_equal(good, 1500);
    assert_int_equal(refused_in_all(), before);
}

/* A PING and a WINDOW_UPDATE with every call, as grpc-go does, and a message in parts. */
static bool call_as_others_do(struct http2 *http2, uint32_t stream)
{
    static const uint8_t increment[] = {0, 0, 0, 1};
    static const char message[] = {0, 0, 0, 0, 0};

    return http2_call(http2, stream, method) &&
           http2_send(http2, HTTP2_DATA, 0, stream, message, 1) &&
           http2_send(http2, HTTP2_DATA, 0, stream, message + 1, 4) &&
           http2_send(http2, HTTP2_DATA, HTTP2_END_STREAM, stream, NULL, 0) &&
           http2_wait(http2, stream) &&
           http2_send(http2, HTTP2_WINDOW_UPDATE, 0, 0, increment, sizeof increment) &&
           http2_send(http2, HTTP2_PING, 0, 0, "12345678", 8);
}

/* More of each than its limit would have in that time. */
static void lets_come_with_calls_what_comes_with_calls(void **state)
{
    struct rpc_bare *bare = *state;
    enum { CALLS = 800 };
    struct http2 *http2 = http2_open(bare->target, bare->service);
    int64_t before = refused_in_all();
    uint32_t done = 0;

    while (done < CALLS && call_as_others_do(http2, 1 + 2 * done))
        done++;
    http2_close(http2);

    assert_int_equal(done, CALLS);
    assert_int_equal(refused_in_all(), before);
}

static struct edge_identity identity_of(const struct rpc_bare *bare)
{
    return (struct edge_identity){
        .certificate_pem = bare->service.certificate_pem,
        .key_pem = bare->service.key_pem,
    };
}

static void proves_that_the_guards_are_there(void **state)
{
    struct rpc_bare *bare = *state;
    char problem[EDGE_PROBLEM_SIZE] = "";
    int64_t before = refused_in_all();

    assert_true(edge_self_test(LISTEN, rpc_server_port(bare->server), identity_of(bare), problem));
    assert_true(
        edge_self_test("localhost:0", rpc_server_port(bare->server), identity_of(bare), problem));
    assert_true(
        edge_self_test("0.0.0.0:0", rpc_server_port(bare->server), identity_of(bare), problem));
    assert_int_equal(refused_in_all(), before);
}

/* Otherwise no server would start while more clients come back than a second lets in. */
static void proves_it_in_a_crowd(void **state)
{
    struct rpc_bare *bare = *state;
    int port = rpc_server_port(bare->server);
    char problem[EDGE_PROBLEM_SIZE] = "";

    accept_guard_close(LISTEN, port);
    accept_guard_open((struct accept_limits){.rate = bucket_rate_make(2, 1)}, 0, LISTEN, port);
    int first = tcp_open(bare->target);
    int64_t before = measured(SHED("rate"));
    bool passed = edge_self_test(LISTEN, port, identity_of(bare), problem);
    int64_t shed = measured(SHED("rate")) - before;
    close(first);
    accept_guard_close(LISTEN, port);
    accept_guard_open((struct accept_limits){0}, 0, LISTEN, port);

    assert_true(shed > 0);
    assert_true(passed);
}

static void sees_that_a_guard_is_missing(void **state)
{
    struct rpc_bare *bare = *state;
    int port = rpc_server_port(bare->server);
    char problem[EDGE_PROBLEM_SIZE] = "";

    accept_guard_close(LISTEN, port);
    bool connections = edge_self_test(LISTEN, port, identity_of(bare), problem);
    accept_guard_open((struct accept_limits){0}, 0, LISTEN, port);
    assert_false(connections);
    assert_non_null(strstr(problem, "connections are not guarded"));

    frame_guard_close();
    bool frames = edge_self_test(LISTEN, port, identity_of(bare), problem);
    frame_guard_open(&(struct frame_limits){0});
    assert_false(frames);
    assert_non_null(strstr(problem, "frames are not guarded"));
}

static void says_why_the_self_test_found_nobody(void **state)
{
    struct rpc_bare *bare = *state;
    struct test_authority *strangers = test_authority_new(bare->arena, "strangers");
    struct test_pair stranger = test_issue_client(strangers, "service/service-billing");
    const struct edge_identity identity = {stranger.certificate_pem, stranger.key_pem};
    char problem[EDGE_PROBLEM_SIZE] = "";

    bool taken = edge_self_test(LISTEN, rpc_server_port(bare->server), identity, problem);
    test_authority_free(strangers);
    assert_false(taken);
    assert_non_null(strstr(problem, "does not take a client certificate"));
    assert_false(edge_self_test(LISTEN, 1, identity_of(bare), problem));
    assert_non_null(strstr(problem, "nothing answers"));
    assert_false(edge_self_test("no port", 1, identity_of(bare), problem));
    assert_non_null(strstr(problem, "nothing answers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_connections_in_and_out),
        cmocka_unit_test(one_source_has_no_more_than_its_share),
        cmocka_unit_test(serves_after_the_descriptors_ran_out),
        cmocka_unit_test(cuts_a_header_bomb),
        cmocka_unit_test(cuts_empty_continuations),
        cmocka_unit_test(cuts_rapid_resets),
        cmocka_unit_test(cuts_a_flood_of_small_data),
        cmocka_unit_test(cuts_a_flood_of_settings),
        cmocka_unit_test(cuts_a_frame_that_is_too_long),
        cmocka_unit_test(cuts_push_promise),
        cmocka_unit_test(lets_a_busy_client_be),
        cmocka_unit_test(lets_come_with_calls_what_comes_with_calls),
        cmocka_unit_test(proves_that_the_guards_are_there),
        cmocka_unit_test(proves_it_in_a_crowd),
        cmocka_unit_test(says_why_the_self_test_found_nobody),
        cmocka_unit_test(sees_that_a_guard_is_missing),
    };
    return cmocka_run_group_tests_name("guards", tests, setup, rpc_bare_teardown);
}
