/*
 * dues-simulator: a payment gateway for tests and development that can lie on order.
 *
 * Prints one line, "listening on PORT", when it answers; ends with SIGTERM or SIGINT.  Everything
 * that it answered is in its journal, so it may also be killed.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/text.h"
#include "simulator/simulator.h"

#define PEM_SIZE_MAX   (64 * 1024)
#define PEM_ARENA_SIZE (6 * PEM_SIZE_MAX)
#define SETTLE_USUAL   500
#define TICK_MS        50

/* sysexits.h: EX_USAGE, EX_UNAVAILABLE. */
enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69 };

static const char usage[] =
    "usage: dues-simulator --listen ADDRESS --journal FILE --secret-key sk_test_…|@FILE\n"
    "         [--certificate PEM --key PEM]      HTTPS; without them plain HTTP, on loopback only\n"
    "         [--webhook-url URL --webhook-secret whsec_…|@FILE [--webhook-ca PEM]]\n"
    "         [--settle-ms N]                    how long the bank takes; 500\n"
    "         [--random-faults PERCENT [--seed N]]\n"
    "         [--die-with-parent]\n"
    "Prints \"listening on PORT\".  docs/simulator.md tells the rest.\n";

struct arguments {
    struct simulator_options options;
    const char *certificate;
    const char *key;
    bool dies_with_parent;
    bool wants_help;
};

/* NULL and one line on standard error. */
static const char *read_pem(struct arena *arena, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char *text = arena_alloc(arena, PEM_SIZE_MAX + 1);
    ssize_t size = file < 0 ? -1 : read(file, text, PEM_SIZE_MAX);

    if (size < 0)
        fprintf(stderr, "dues-simulator: could not read \"%s\": %s\n", path, strerror(errno));
    if (file >= 0)
        close(file);
    return size < 0 ? NULL : text;
}

/* What an argument says, or the first line of the file behind its "@": arguments are seen by all.
 */
static const char *read_secret(struct arena *arena, const char *text)
{
    if (text[0] != '@')
        return text;
    text = read_pem(arena, text + 1);
    return text == NULL ? NULL : arena_strndup(arena, text, strcspn(text, "\r\n"));
}

static bool read_number(const char *text, int64_t most, int64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text && *number >= 0 && *number <= most;
}

enum option_name {
    OPTION_LISTEN,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_JOURNAL,
    OPTION_SECRET_KEY,
    OPTION_WEBHOOK_URL,
    OPTION_WEBHOOK_SECRET,
    OPTION_WEBHOOK_CA,
    OPTION_SETTLE_MS,
    OPTION_RANDOM_FAULTS,
    OPTION_SEED,
    OPTION_DIE_WITH_PARENT,
    OPTION_HELP,
    OPTION_COUNT,
};

static const struct option options[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"certificate", required_argument, NULL, OPTION_CERTIFICATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"journal", required_argument, NULL, OPTION_JOURNAL},
    {"secret-key", required_argument, NULL, OPTION_SECRET_KEY},
    {"webhook-url", required_argument, NULL, OPTION_WEBHOOK_URL},
    {"webhook-secret", required_argument, NULL, OPTION_WEBHOOK_SECRET},
    {"webhook-ca", required_argument, NULL, OPTION_WEBHOOK_CA},
    {"settle-ms", required_argument, NULL, OPTION_SETTLE_MS},
    {"random-faults", required_argument, NULL, OPTION_RANDOM_FAULTS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"die-with-parent", no_argument, NULL, OPTION_DIE_WITH_PARENT},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static bool take_number(struct arguments *arguments, enum option_name name, const char *text)
{
    int64_t number;

    if (!read_number(text, name == OPTION_RANDOM_FAULTS ? 100 : INT32_MAX, &number))
        return false;
    if (name == OPTION_SETTLE_MS)
        arguments->options.settle_ms = number;
    else if (name == OPTION_RANDOM_FAULTS)
        arguments->options.random_percent = (int32_t)number;
    else
        arguments->options.random_seed = (uint64_t)number;
    return true;
}

static bool take_option(struct arguments *arguments, enum option_name name, const char *text)
{
    const char **const texts[OPTION_COUNT] = {
        [OPTION_LISTEN] = &arguments->options.listen,
        [OPTION_CERTIFICATE] = &arguments->certificate,
        [OPTION_KEY] = &arguments->key,
        [OPTION_JOURNAL] = &arguments->options.journal,
        [OPTION_SECRET_KEY] = &arguments->options.secret_key,
        [OPTION_WEBHOOK_URL] = &arguments->options.webhook_url,
        [OPTION_WEBHOOK_SECRET] = &arguments->options.webhook_secret,
        [OPTION_WEBHOOK_CA] = &arguments->options.webhook_ca,
    };

    if (name == OPTION_DIE_WITH_PARENT)
        arguments->dies_with_parent = true;
    else if (name == OPTION_HELP)
        arguments->wants_help = true;
    else if (texts[name] != NULL)
        *texts[name] = text;
    else
        return take_number(arguments, name, text);
    return true;
}

static bool read_arguments(int count, char **words, struct arguments *arguments)
{
    const struct simulator_options *wanted = &arguments->options;
    int name;

    while ((name = getopt_long(count, words, "", options, NULL)) != -1) {
        if (name == '?' || !take_option(arguments, (enum option_name)name, optarg))
            return false;
    }
    return arguments->wants_help ||
           (optind == count && wanted->listen != NULL && wanted->journal != NULL &&
            wanted->secret_key != NULL &&
            (arguments->certificate == NULL) == (arguments->key == NULL) &&
            (wanted->webhook_url[0] == '\0') == (wanted->webhook_secret[0] == '\0'));
}

/* The key in the clear only where nobody listens in. */
static bool is_loopback(const char *listen)
{
    return text_starts_with(listen, "127.") || text_starts_with(listen, "[::1]:") ||
           text_starts_with(listen, "localhost:") || text_starts_with(listen, "unix:");
}

static int run(const struct simulator_options *wanted, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000 * 1000};
    char problem[SIMULATOR_PROBLEM_SIZE] = "";
    struct simulator *simulator = simulator_open(wanted, problem);

    if (simulator == NULL || !simulator_start(simulator, problem)) {
        fprintf(stderr, "dues-simulator: %s\n", problem);
        simulator_close(simulator);
        return EXIT_UNAVAILABLE;
    }
    printf("listening on %d\n", simulator_port(simulator));
    fflush(stdout);
    while (sigtimedwait(signals, NULL, &tick) < 0)
        simulator_tick(simulator);
    simulator_close(simulator);
    return 0;
}

int main(int count, char **words)
{
    struct arguments arguments = {
        .options = {.webhook_url = "",
                    .webhook_secret = "",
                    .settle_ms = SETTLE_USUAL,
                    .random_seed = 1,
                    .clock = clock_system(),
                    .random = random_system()},
    };
    sigset_t signals;

    if (!read_arguments(count, words, &arguments)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (arguments.wants_help) {
        fputs(usage, stdout);
        return 0;
    }
    if (arguments.certificate == NULL && !is_loopback(arguments.options.listen)) {
        fprintf(stderr,
                "dues-simulator: --listen %s: without --certificate it listens on loopback only, "
                "127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:PATH\n",
                arguments.options.listen);
        return EXIT_USAGE;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (arguments.dies_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    AUTO(arena_auto_free) struct arena *arena = arena_new(PEM_ARENA_SIZE);
    arguments.options.secret_key = read_secret(arena, arguments.options.secret_key);
    arguments.options.webhook_secret = read_secret(arena, arguments.options.webhook_secret);
    if (arguments.options.secret_key == NULL || arguments.options.webhook_secret == NULL)
        return EXIT_UNAVAILABLE;
    if (arguments.certificate != NULL) {
        arguments.options.certificate_pem = read_pem(arena, arguments.certificate);
        arguments.options.key_pem = read_pem(arena, arguments.key);
        if (arguments.options.certificate_pem == NULL || arguments.options.key_pem == NULL)
            return EXIT_UNAVAILABLE;
    }
    return run(&arguments.options, &signals);
}
