/*
 * The load of the fault test and the soak: threads that charge, authorize, capture, cancel, refund
 * and subscribe while somebody else kills the server, and that ask again, under the same
 * request_id, until they know what became of it.
 *
 *   load --target HOST:PORT --certs DIR --log DIR --run NAME [--threads N] [--seed S]
 *        [--gateway sandbox|stripe] [--rate PAYMENTS_A_SECOND]
 *
 * SIGTERM ends the mischief: nothing new is begun, what is not known is asked until it is, and then
 * everything is asked once more, because a recorded answer must still be the same.  This program
 * judges nothing: its log does (tests/fault/check).
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "client_log.h"
#include "deeds.h"
#include "worker.h"

#define THREADS_MAX 256

static atomic_bool stop_wanted;

static void *wait_for_signal(void *arg)
{
    const sigset_t *signals = arg;
    int signal = 0;
    sigwait(signals, &signal);
    atomic_store(&stop_wanted, true);
    return NULL;
}

struct arguments {
    const char *target;
    const char *certificates;
    const char *log;
    const char *run;
    const struct worker_card *cards;
    long threads;
    long rate; /* payments a second of all threads; 0: as fast as they can, and members too */
    unsigned long long seed;
};

static void usage(void)
{
    fputs("usage: load --target HOST:PORT --certs DIR --log DIR --run NAME [--threads N] "
          "[--seed S] [--gateway sandbox|stripe] [--rate PAYMENTS_A_SECOND]\n",
          stderr);
    exit(2);
}

static const struct worker_card *cards_of(const char *gateway)
{
    if (strcmp(gateway, "sandbox") == 0)
        return deed_cards_of_sandbox;
    if (strcmp(gateway, "stripe") != 0)
        usage();
    return deed_cards_of_stripe;
}

static struct arguments read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},
        {"certs", required_argument, NULL, 'c'},
        {"log", required_argument, NULL, 'l'},
        {"run", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"gateway", required_argument, NULL, 'g'},
        {"rate", required_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    struct arguments arguments = {.threads = 8, .seed = 1, .cards = deed_cards_of_sandbox};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            arguments.target = optarg;
            break;
        case 'c':
            arguments.certificates = optarg;
            break;
        case 'l':
            arguments.log = optarg;
            break;
        case 'r':
            arguments.run = optarg;
            break;
        case 'n':
            arguments.threads = strtol(optarg, NULL, 10);
            break;
        case 's':
            arguments.seed = strtoull(optarg, NULL, 10);
            break;
        case 'g':
            arguments.cards = cards_of(optarg);
            break;
        case 'a':
            arguments.rate = strtol(optarg, NULL, 10);
            break;
        default:
            usage();
        }
    }
    if (arguments.target == NULL || arguments.certificates == NULL || arguments.log == NULL ||
        arguments.run == NULL || arguments.threads < 1 || arguments.threads > THREADS_MAX ||
        arguments.rate < 0)
        usage();
    return arguments;
}

static struct dues_client *open_client(const struct arguments *arguments)
{
    char ca[512];
    char certificate[512];
    char key[512];
    snprintf(ca, sizeof(ca), "%s/ca.pem", arguments->certificates);
    snprintf(certificate, sizeof(certificate), "%s/service-billing.pem", arguments->certificates);
    snprintf(key, sizeof(key), "%s/service-billing.key", arguments->certificates);
    struct dues_client_options options = {
        .target = arguments->target,
        .ca_file = ca,
        .certificate_file = certificate,
        .key_file = key,
        .connections = 4,
    };
    char problem[DUES_PROBLEM_SIZE];
    struct dues_client *client = dues_client_open(&options, problem);
    if (client == NULL) {
        fprintf(stderr, "load: %s\n", problem);
        exit(2);
    }
    return client;
}

/* One line of counts; the number of requests whose outcome never became known. */
static size_t report(const struct worker *workers, long count)
{
    struct worker_counts sum = {0};
    for (long i = 0; i < count; i++) {
        sum.begun += workers[i].counts.begun;
        sum.payments += workers[i].counts.payments;
        sum.late += workers[i].counts.late;
        sum.calls += workers[i].counts.calls;
        sum.not_known += workers[i].counts.not_known;
        sum.repeated += workers[i].counts.repeated;
        sum.unsettled += workers[i].counts.unsettled;
    }
    printf("load: %zu requests, %zu of them payments, %zu calls, %zu calls without an answer, "
           "%zu answers asked again, %zu begun late, %zu never known\n",
           sum.begun, sum.payments, sum.calls, sum.not_known, sum.repeated, sum.late,
           sum.unsettled);
    return sum.unsettled;
}

int main(int argc, char **argv)
{
    struct arguments arguments = read_arguments(argc, argv);
    static sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_t watcher;
    pthread_create(&watcher, NULL, wait_for_signal, &signals);

    struct dues_client *client = open_client(&arguments);
    static struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    for (long i = 0; i < arguments.threads; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s-%02ld.log", arguments.log, arguments.run, i);
        const struct worker_options options = {
            .run = arguments.run,
            .index = i,
            .seed = arguments.seed,
            .cards = arguments.cards,
            .interval_us = arguments.rate == 0 ? 0 : arguments.threads * 1000000 / arguments.rate,
            .stop_wanted = &stop_wanted,
        };
        worker_init(&workers[i], client, client_log_open(path), &options);
        pthread_create(&threads[i], NULL, worker_run, &workers[i]);
    }
    for (long i = 0; i < arguments.threads; i++)
        pthread_join(threads[i], NULL);
    size_t unsettled = report(workers, arguments.threads);
    for (long i = 0; i < arguments.threads; i++)
        worker_release(&workers[i]);
    dues_client_close(client);
    return unsettled == 0 ? 0 : 3;
}
