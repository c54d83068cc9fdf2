/*
 * The load client: calls over connections with mutual TLS, in a closed loop (a fixed number in
 * flight) or at a fixed rate, and one line of JSON about what came back.  What that means is
 * bench/run's business.
 *
 *   bench_load --target HOST:PORT --certs DIR --rpc PATH --requests FILE --seconds N
 *              [--in-flight 64 | --rate N] [--connections 4] [--threads 1] [--warm-up 1]
 *              [--timeout-ms 10000] [--certificate NAME]… [--token FILE]…
 *              [--count N] [--replies FILE]
 *
 * DIR holds ca.pem, and NAME.pem and NAME.key of each certificate (service-billing when none is
 * named); connections take certificates and tokens in turn.  --count sends so many calls instead of
 * sending for a time.  0: all were answered OK; 1: some were not.
 */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

static int64_t processor_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void write_statuses(const struct tally *tally)
{
    const char *between = "";

    printf("\"statuses\":{");
    for (int i = 0; i < STATUSES; i++) {
        if (tally->statuses[i] == 0)
            continue;
        printf("%s\"%d\":%" PRIu64, between, i, tally->statuses[i]);
        between = ",";
    }
    printf("},");
}

/* `calls` and the times beside it are of those answered OK; `per_second` leaves out what came after
 * the end. */
static void report(const struct plan *plan, const struct tally *tally, int64_t took_us,
                   int64_t client_us)
{
    const struct latency *ok = &tally->ok;
    int last_error = 0;

    for (int i = 1; i < STATUSES; i++)
        last_error = tally->statuses[i] > 0 ? i : last_error;
    printf("{\"calls\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"last_error\":%d,\"took_us\":%" PRId64
           ",\"per_second\":%" PRIu64 ",\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64 ",",
           ok->count, tally->refused.count + tally->failed.count, last_error, took_us,
           tally->in_time * 1000000 / (uint64_t)took_us, latency_at(ok, 50000),
           latency_at(ok, 99000));
    printf("\"rate\":%" PRIu64 ",\"late\":%" PRIu64 ",\"unsent\":%" PRIu64
           ",\"client_cpu_us\":%" PRId64 ",",
           plan->rate, tally->late, tally->unsent, client_us);
    write_statuses(tally);
    printf("\"ok\":");
    latency_write(ok, stdout);
    printf(",\"refused\":");
    latency_write(&tally->refused, stdout);
    printf(",\"failed\":");
    latency_write(&tally->failed, stdout);
    printf("}\n");
}

static void merge(struct tally *into, const struct tally *from)
{
    for (size_t i = 0; i < STATUSES; i++)
        into->statuses[i] += from->statuses[i];
    latency_merge(&into->ok, &from->ok);
    latency_merge(&into->refused, &from->refused);
    latency_merge(&into->failed, &from->failed);
    into->in_time += from->in_time;
    into->late += from->late;
    into->unsent += from->unsent;
}

/* The i-th of so many shares; together they are all of it. */
static size_t share(size_t all, size_t shares, size_t i)
{
    return all / shares + (i < all % shares);
}

static void prepare(struct plan *plan, struct worker *worker, size_t number, size_t first_line)
{
    worker->plan = plan;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->line_count = share(plan->connections, plan->threads, number);
    worker->quota = plan->count > 0 ? share(plan->count, plan->threads, number) : SIZE_MAX;
    worker->lines = calloc(worker->line_count, sizeof(*worker->lines));
    if (worker->epoll < 0 || worker->lines == NULL)
        give_up("out of memory", "");
    for (size_t i = 0; i < worker->line_count; i++) {
        struct line *line = &worker->lines[i];
        line_init(line, worker, first_line + i);
        line->wanted = share(plan->in_flight, plan->connections, first_line + i);
    }
    worker_connect(worker);
}

static uint64_t run(struct plan *plan)
{
    static struct worker workers[WORKERS_MAX];
    static struct tally tally;
    size_t first_line = 0;
    bool by_count = plan->count > 0;

    for (size_t i = 0; i < plan->threads; i++) {
        prepare(plan, &workers[i], i, first_line);
        first_line += workers[i].line_count;
    }
    int64_t processor_begun_us = processor_us();
    int64_t begun_us = now_us();
    for (size_t i = 0; i < plan->threads; i++) {
        struct worker *worker = &workers[i];
        worker->count_from_us = by_count ? 0 : begun_us + plan->warm_up_seconds * 1000000;
        worker->count_until_us =
            by_count ? INT64_MAX : worker->count_from_us + plan->seconds * 1000000;
        if (pthread_create(&worker->thread, NULL, worker_run, worker) != 0)
            give_up("could not start a thread", "");
    }
    for (size_t i = 0; i < plan->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        merge(&tally, &workers[i].tally);
    }
    int64_t took_us = by_count ? now_us() - begun_us : plan->seconds * 1000000;
    report(plan, &tally, took_us, processor_us() - processor_begun_us);
    return tally.refused.count + tally.failed.count;
}

_Noreturn static void usage(void)
{
    give_up("usage: bench_load --target HOST:PORT --certs DIR --rpc PATH --requests FILE "
            "--seconds N | --count N [--in-flight N | --rate N] [--connections N] [--threads N] "
            "[--warm-up N] [--timeout-ms N] [--certificate NAME]… [--token FILE]… [--replies FILE]",
            "");
}

static size_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*end != '\0' || end == text || value > 1000000000)
        usage();
    return (size_t)value;
}

static void add(const char **list, size_t *count, const char *value)
{
    if (*count == IDENTITIES_MAX)
        usage();
    list[(*count)++] = value;
}

static void take_option(struct plan *plan, int option, const char *value)
{
    switch (option) {
    case 't':
        plan->target = value;
        break;
    case 'c':
        plan->certificates = value;
        break;
    case 'i':
        add(plan->identities, &plan->identity_count, value);
        break;
    case 'T':
        add(plan->tokens, &plan->token_count, value);
        break;
    case 'r':
        plan->rpc = value;
        break;
    case 'f':
        plan->requests_file = value;
        break;
    case 's':
        plan->seconds = (int64_t)number(value);
        break;
    case 'R':
        plan->rate = number(value);
        break;
    case 'n':
        plan->in_flight = number(value);
        break;
    case 'k':
        plan->connections = number(value);
        break;
    case 'j':
        plan->threads = number(value);
        break;
    case 'o':
        plan->count = number(value);
        break;
    case 'p':
        plan->replies_file = value;
        break;
    case 'w':
        plan->warm_up_seconds = (int64_t)number(value);
        break;
    case 'm':
        plan->timeout_ms = (int64_t)number(value);
        break;
    default:
        usage();
    }
}

static void read_arguments(int argc, char **argv, struct plan *plan)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},
        {"certs", required_argument, NULL, 'c'},
        {"certificate", required_argument, NULL, 'i'},
        {"token", required_argument, NULL, 'T'},
        {"rpc", required_argument, NULL, 'r'},
        {"requests", required_argument, NULL, 'f'},
        {"seconds", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'R'},
        {"in-flight", required_argument, NULL, 'n'},
        {"connections", required_argument, NULL, 'k'},
        {"threads", required_argument, NULL, 'j'},
        {"warm-up", required_argument, NULL, 'w'},
        {"timeout-ms", required_argument, NULL, 'm'},
        {"count", required_argument, NULL, 'o'},
        {"replies", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(plan, option, optarg);
    if (plan->identity_count == 0)
        add(plan->identities, &plan->identity_count, "service-billing");
    if (plan->in_flight == 0)
        plan->in_flight = 64;
    if (plan->count > 0 && plan->in_flight > plan->count)
        plan->in_flight = plan->count;
    if (plan->threads > plan->connections)
        plan->threads = plan->connections;
    if (plan->threads > plan->in_flight)
        plan->threads = plan->in_flight;
    if (optind < argc || plan->target == NULL || plan->certificates == NULL || plan->rpc == NULL ||
        plan->requests_file == NULL || (plan->seconds < 1 && plan->count == 0) ||
        (plan->rate > 0 && plan->count > 0) || plan->in_flight > IN_FLIGHT_MAX ||
        plan->connections < 1 || plan->connections > CONNECTIONS_MAX || plan->threads < 1 ||
        plan->threads > WORKERS_MAX || plan->timeout_ms < 1)
        usage();
}

int main(int argc, char **argv)
{
    static struct plan plan = {
        .connections = 4, .threads = 1, .warm_up_seconds = 1, .timeout_ms = 10000};
    struct timespec wall;

    signal(SIGPIPE, SIG_IGN);
    read_arguments(argc, argv, &plan);
    if (plan.replies_file != NULL && (plan.replies = fopen(plan.replies_file, "we")) == NULL)
        give_up("could not open ", plan.replies_file);
    /* Ids of another run are never met. */
    clock_gettime(CLOCK_REALTIME, &wall);
    atomic_init(&plan.next_fresh, ((uint64_t)wall.tv_sec << 28 | (uint64_t)wall.tv_nsec >> 2) &
                                      0x7fffffffffffffffULL);
    requests_read(&plan);
    uint64_t errors = run(&plan);
    if (plan.replies != NULL && fclose(plan.replies) != 0)
        give_up("could not write ", plan.replies_file);
    return errors == 0 ? 0 : 1;
}
