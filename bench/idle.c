/*
 * Opens many connections with mutual TLS, each with a handshake of its own, and keeps them without
 * a call, as phones in pockets do.  They answer the server's PING and SETTINGS.
 *
 *   bench_idle --target HOST:PORT --certs DIR [--connections 1000] [--certificate NAME]
 *              [--opening 32]
 *
 * One line of JSON when all have been tried; another, how many are left, when standard input ends.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "complain.h"
#include "wire.h"

#define EVENTS          256
#define TRIES           2
#define CONNECTIONS_MAX 100000

struct crowd {
    const char *target;
    SSL_CTX *context;
    size_t wanted;
    size_t at_once; /* handshakes */
    struct wire *wires;
    int epoll;
    size_t tries;
    size_t next; /* where to look for a connection to open */
    size_t opening;
    size_t up;
    size_t lost; /* that had been up */
};

static struct crowd crowd = {.at_once = 32, .wanted = 1000};

static void on_headers(struct wire *wire, uint32_t stream, const uint8_t *block, size_t size,
                       bool is_end)
{
    (void)wire, (void)stream, (void)block, (void)size, (void)is_end;
}

static void on_data(struct wire *wire, uint32_t stream, const uint8_t *bytes, size_t size,
                    bool is_end)
{
    (void)wire, (void)stream, (void)bytes, (void)size, (void)is_end;
}

static void on_reset(struct wire *wire, uint32_t stream)
{
    (void)wire, (void)stream;
}

static void on_up(struct wire *wire)
{
    (void)wire;
    crowd.opening--;
    crowd.up++;
}

static void on_lost(struct wire *wire)
{
    if (wire->was_up) {
        crowd.up--;
        crowd.lost++;
    } else {
        crowd.opening--;
    }
}

static const struct wire_owner owner = {
    .headers = on_headers,
    .data = on_data,
    .reset = on_reset,
    .up = on_up,
    .lost = on_lost,
};

static void take_events(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(crowd.epoll, events, EVENTS, timeout_ms);

    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr != NULL)
            wire_ready(events[i].data.ptr);
    }
}

static struct wire *next_closed(void)
{
    while (crowd.wires[crowd.next % crowd.wanted].state != WIRE_CLOSED)
        crowd.next++;
    return &crowd.wires[crowd.next++ % crowd.wanted];
}

/* A handshake that took the server too long is tried again. */
static void open_all(void)
{
    size_t tries_max = TRIES * crowd.wanted;

    while (crowd.up < crowd.wanted && (crowd.tries < tries_max || crowd.opening > 0)) {
        while (crowd.up + crowd.opening < crowd.wanted && crowd.opening < crowd.at_once &&
               crowd.tries < tries_max) {
            struct wire *wire = next_closed();
            wire->owner = &owner;
            wire->epoll = crowd.epoll;
            crowd.opening++;
            crowd.tries++;
            wire_open(wire, crowd.context, crowd.target);
        }
        take_events(100);
    }
}

/* Until somebody closes our standard input. */
static void keep(void)
{
    struct epoll_event input = {.events = EPOLLIN | EPOLLHUP, .data.ptr = NULL};
    struct epoll_event event;
    int watch = epoll_create1(EPOLL_CLOEXEC);
    char byte;

    epoll_ctl(watch, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    for (;;) {
        take_events(100);
        if (epoll_wait(watch, &event, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0)
            return;
    }
}

static size_t number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end != '\0' || end == text || value < 1 || value > CONNECTIONS_MAX)
        give_up("not a number of connections: ", text);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},
        {"certs", required_argument, NULL, 'c'},
        {"certificate", required_argument, NULL, 'i'},
        {"connections", required_argument, NULL, 'k'},
        {"opening", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    const char *certificates = NULL;
    const char *identity = "service-billing";
    struct rlimit files;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 't')
            crowd.target = optarg;
        else if (option == 'c')
            certificates = optarg;
        else if (option == 'i')
            identity = optarg;
        else if (option == 'k')
            crowd.wanted = number(optarg);
        else if (option == 'o')
            crowd.at_once = number(optarg);
    }
    if (crowd.target == NULL || certificates == NULL || optind < argc)
        give_up("usage: bench_idle --target HOST:PORT --certs DIR [--connections N]"
                " [--certificate NAME] [--opening N]",
                "");
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd.context = wire_context(certificates, identity);
    crowd.wires = calloc(crowd.wanted, sizeof(*crowd.wires));
    if (crowd.epoll < 0 || crowd.wires == NULL)
        give_up("out of memory", "");
    int64_t begun_us = now_us();
    open_all();
    printf("{\"up\":%zu,\"lost\":%zu,\"tries\":%zu,\"took_us\":%" PRId64 "}\n", crowd.up,
           crowd.lost, crowd.tries, now_us() - begun_us);
    fflush(stdout);
    keep();
    printf("{\"up\":%zu,\"lost\":%zu}\n", crowd.up, crowd.lost);
    return 0;
}
