/*
 * duesd: the server's command line.  Starts, waits for signals, stops; everything else is in the
 * rooms.
 *
 *   SIGTERM, SIGINT   readiness off, running calls finish within shutdown_grace_ms, exit 0;
 *                     the same signal again ends the process at once
 *   SIGHUP            certificates and master keys are read again
 */

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fail_point.h"
#include "base/id.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/time.h"
#include "config.h"
#include "doctor.h"
#include "house_open.h"
#include "keys_command.h"
#include "ledger_check.h"
#include "pg/catalogue.h"
#include "pg/erasure.h"
#include "pg/migrate.h"
#include "revoke.h"
#include "rpc/server.h"

static const char usage[] =
    "usage: duesd serve --config FILE             serve until SIGTERM\n"
    "       duesd migrate --config FILE           bring the database to this version\n"
    "             [--sandbox-catalogue]           and put the sandbox's tiers and plans there\n"
    "       duesd revoke --config FILE            refuse certificates with this key, from now on\n"
    "             {--certificate PEM | --spki HEX} {--reason TEXT | --undo}\n"
    "       duesd doctor --config FILE [-o json]  look at all that a server needs; 1 when "
    "something fails\n"
    "       duesd rotate-keys --config FILE       a new key-encryption key, and all that hangs on "
    "the\n"
    "                                             old one wrapped by it; servers go on meanwhile\n"
    "       duesd count-keys --config FILE        what hangs on which key; 1 when any is old\n"
    "             [--forget-old | -o json]        and if none is, the old keys leave their file\n"
    "       duesd set-key --config FILE           store a gateway's key, from standard input, "
    "sealed\n"
    "             --name stripe|stripe-webhook    servers take it up at once\n"
    "       duesd list-keys --config FILE         which keys of gateways are stored\n"
    "             [-o json]\n"
    "       duesd end-keys --config FILE          of the gateway's keys the newest alone counts\n"
    "             --name stripe|stripe-webhook\n"
    "       duesd erase-customer --config FILE    destroy the customer's data key and all texts\n"
    "             --customer customers/ID         about the person; the ledger stays\n"
    "       duesd ledger-verify --config FILE     walk the whole ledger; 1 when it is damaged\n"
    "             [--kept NUMBER:HASH] [--read-only] [-o json]\n"
    "       duesd check-config --config FILE      say what is wrong with it, or print what holds\n"
    "       duesd --version | --help\n";

/* sysexits.h: EX_USAGE, EX_CONFIG, EX_UNAVAILABLE. */
enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_CONFIG = 78 };

/* Descriptors for what is no connection of a client, and the connections that must be had. */
#define DESCRIPTORS_KEPT  256
#define CONNECTIONS_LEAST 16

#define GIVE_BACK_SECONDS 10
#define GIVE_BACK_STEP    (32 * 1024 * 1024)

struct options {
    const char *command;
    const char *config;
    bool sandbox_catalogue;
    struct revoke_options revoke;
    struct keys_options keys;
    const char *customer;
    struct ledger_check_options ledger;
    bool json;
    bool help;
};

static enum log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (text_equal(names[i], name))
            return (enum log_level)i;
    }
    return LOG_INFO;
}

/* Blocked in every thread, so that sigwait in this one is the only place that sees them. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Whoever does not want to wait says it again; what is in flight is found as after a crash. */
static void let_end_at_once(int signal_number)
{
    sigset_t same;

    sigemptyset(&same);
    sigaddset(&same, signal_number);
    signal(signal_number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &same, NULL);
}

/* SIGHUP reloads; meanwhile memory that nobody needs goes back to the machine. */
static void wait_for_stop(struct opened_house *house, const sigset_t *signals, struct log *log)
{
    const struct timespec patience = {.tv_sec = GIVE_BACK_SECONDS};
    struct memory_watch memory = {0};
    int signal_number;

    do {
        signal_number = sigtimedwait(signals, NULL, &patience);
        memory_give_back(&memory, GIVE_BACK_STEP);
        if (signal_number != SIGHUP)
            continue;
        log_write(log, LOG_INFO, "certificates.reload", NULL, 0);
        house_reload_certificates(house);
        house_reload_keys(house);
    } while (signal_number == SIGHUP || signal_number < 0);
    log_write(log, LOG_INFO, "stopping", LOG_FIELDS(LOG_NUMBER("signal", signal_number)));
    let_end_at_once(signal_number);
}

/*
 * As many connections as there can be descriptors for.  Fewer than configured are no reason not to
 * start: nothing is weaker, and who is too much is told so at once.
 */
static void fit_connections(struct settings *settings, struct log *log)
{
    struct rlimit files;
    rlim_t kept = DESCRIPTORS_KEPT + (rlim_t)settings->write_lanes + (rlim_t)settings->read_lanes;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    rlim_t most =
        files.rlim_max > kept + CONNECTIONS_LEAST ? files.rlim_max - kept : CONNECTIONS_LEAST;
    if ((rlim_t)settings->connections_max <= most)
        return;
    log_write(log, LOG_WARNING, "connections.fewer",
              LOG_FIELDS(LOG_TEXT("message", "RLIMIT_NOFILE is too low for connections_max"),
                         LOG_NUMBER("connections_max", settings->connections_max),
                         LOG_NUMBER("descriptors", (int64_t)files.rlim_max),
                         LOG_NUMBER("connections", (int64_t)most)));
    settings->connections_max = (int32_t)most;
}

static int serve(const struct settings *configured)
{
    struct settings fitted = *configured;
    const struct settings *settings = &fitted;
    sigset_t signals;
    char problem[HOUSE_PROBLEM_SIZE] = "";
    /* Memory of this process holds keys. */
    const struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    FAIL_POINTS_OPEN(getenv("DUES_FAIL_POINTS"));
    rpc_environment_clear();
    block_signals(&signals);
    struct log *log = log_open(STDERR_FILENO, level_of(settings->log_level), clock_system());
    log_set_format(log, text_equal(settings->log_format, "text") ? LOG_PLAIN : LOG_JSON);
    fit_connections(&fitted, log);
    struct opened_house *house =
        house_open(settings, clock_system(), random_system(), log, problem);
    if (house == NULL) {
        log_flush(log);
        fprintf(stderr, "duesd: %s\n", problem);
        _exit(EXIT_UNAVAILABLE);
    }
    log_write(log, LOG_INFO, "serving",
              LOG_FIELDS(LOG_TEXT("listen", settings->listen),
                         LOG_NUMBER("port", house_port(house)),
                         LOG_TEXT("metrics_listen", settings->metrics_listen),
                         LOG_NUMBER("metrics_port", house_metrics_port(house)),
                         LOG_TEXT("version", DUES_VERSION)));
    wait_for_stop(house, &signals, log);
    /* It has said what is left; that is found again as after a crash. */
    if (!house_close(house)) {
        log_flush(log);
        _exit(EXIT_SUCCESS);
    }
    log_write(log, LOG_INFO, "stopped", NULL, 0);
    log_close(log);
    return EXIT_SUCCESS;
}

/* Each line of `problems` as one of ours. */
static void complain(char *problems)
{
    for (char *line = strsep(&problems, "\n"); line != NULL; line = strsep(&problems, "\n")) {
        if (*line != '\0')
            fprintf(stderr, "duesd: %s\n", line);
    }
}

static int migrate(const struct settings *settings, const struct options *options, FILE *problems)
{
    int result = pg_migrate(settings->database_owner, stdout, problems);

    if (result == 0 && options->sandbox_catalogue)
        result =
            pg_put_catalogue(settings->database_owner, sandbox_catalogue_sql, stdout, problems);
    return result;
}

static int erase_customer(const struct settings *settings, const char *name, FILE *problems)
{
    struct uuid customer;

    if (name_parse("customers/{}", name, &customer, 1))
        return pg_erase_customer(settings->database_owner, customer, clock_wall_us(clock_system()),
                                 stdout, problems);
    fprintf(problems, "\"%s\" is not customers/ and an id\n", name);
    return PG_MIGRATE_FAILED;
}

static int run_command(const struct settings *settings, const struct options *options,
                       FILE *problems)
{
    if (text_equal(options->command, "revoke"))
        return revoke_key(settings, &options->revoke, stdout, problems);
    if (text_equal(options->command, "erase-customer"))
        return erase_customer(settings, options->customer, problems);
    if (text_equal(options->command, "migrate"))
        return migrate(settings, options, problems);
    return keys_run(settings, &options->keys, stdin, stdout, problems);
}

static bool is_owners(const char *command)
{
    return text_equal(command, "migrate") || text_equal(command, "revoke") ||
           text_equal(command, "erase-customer");
}

/* `action` may be NULL. */
static bool is_of_keys(const char *command, enum keys_action *action)
{
    static const char *const names[] = {
        [KEYS_ROTATE] = "rotate-keys", [KEYS_COUNT] = "count-keys", [KEYS_SET] = "set-key",
        [KEYS_LIST] = "list-keys",     [KEYS_END] = "end-keys",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (!text_equal(names[i], command))
            continue;
        if (action != NULL)
            *action = (enum keys_action)i;
        return true;
    }
    return false;
}

/* What changes the database and ends; most as its owner. */
static int run_once(const struct settings *settings, const struct options *options)
{
    char *text = NULL;
    size_t size = 0;

    if (is_owners(options->command) && settings->database_owner[0] == '\0') {
        fprintf(stderr, "duesd: %s needs database_owner in the configuration\n", options->command);
        return EXIT_CONFIG;
    }
    FILE *problems = open_memstream(&text, &size);
    if (problems == NULL)
        return EXIT_FAILURE;
    int result = run_command(settings, options, problems);
    fclose(problems);
    complain(text);
    free(text);
    if (result == PG_MIGRATE_AWAY)
        return EXIT_UNAVAILABLE;
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int examine(const struct settings *settings, bool json)
{
    struct doctor doctor = {.out = stdout, .json = json, .settings = settings};

    return doctor_run(&doctor) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int verify_ledger(const struct settings *settings, const struct options *options)
{
    static const int statuses[] = {
        [LEDGER_INTACT] = EXIT_SUCCESS,
        [LEDGER_DAMAGED] = EXIT_FAILURE,
        [LEDGER_AWAY] = EXIT_UNAVAILABLE,
        [LEDGER_NOT_ASKED] = EXIT_CONFIG,
    };
    struct ledger_check_options ledger = options->ledger;
    char *text = NULL;
    size_t size = 0;
    FILE *problems = open_memstream(&text, &size);

    if (problems == NULL)
        return EXIT_FAILURE;
    ledger.json = options->json;
    enum ledger_check result = ledger_check(settings, &ledger, stdout, problems);
    fclose(problems);
    complain(text);
    free(text);
    return statuses[result];
}

static int run(const struct options *options)
{
    char problem[CONFIG_PROBLEM_SIZE];
    struct config *config = config_load(options->config, problem);
    bool once = is_owners(options->command) || is_of_keys(options->command, NULL);
    bool doctor = text_equal(options->command, "doctor");
    bool ledger = text_equal(options->command, "ledger-verify");
    int status;

    /* The owner's or an auditor's host need not hold what the server needs; the doctor says more.
     */
    if (config == NULL || (!once && !doctor && !ledger && !config_check_files(config, problem))) {
        fprintf(stderr, "duesd: %s\n", problem);
        config_free(config);
        return EXIT_CONFIG;
    }
    if (text_equal(options->command, "serve")) {
        status = serve(config_settings(config));
    } else if (once) {
        status = run_once(config_settings(config), options);
    } else if (doctor) {
        status = examine(config_settings(config), options->json);
    } else if (ledger) {
        status = verify_ledger(config_settings(config), options);
    } else {
        config_print(config, stdout);
        status = EXIT_SUCCESS;
    }
    config_free(config);
    return status;
}

/* getopt's `optarg` is its argument. */
static bool take_option(struct options *options, int option)
{
    switch (option) {
    case 'c':
        options->config = optarg;
        return true;
    case 's':
        options->sandbox_catalogue = true;
        return true;
    case 'C':
        options->revoke.certificate = optarg;
        return true;
    case 'k':
        options->revoke.spki = optarg;
        return true;
    case 'r':
        options->revoke.reason = optarg;
        return true;
    case 'u':
        options->revoke.undo = true;
        return true;
    case 'i':
        options->customer = optarg;
        return true;
    case 'f':
        options->keys.forget_old = true;
        return true;
    case 'o':
        options->json = text_equal(optarg, "json");
        return options->json;
    case 'n':
        options->keys.name = optarg;
        return true;
    case 'K':
        options->ledger.kept = optarg;
        return true;
    case 'R':
        options->ledger.read_only = true;
        return true;
    case 'h':
        options->help = true;
        return true;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"sandbox-catalogue", no_argument, NULL, 's'},
        {"certificate", required_argument, NULL, 'C'},
        {"spki", required_argument, NULL, 'k'},
        {"reason", required_argument, NULL, 'r'},
        {"undo", no_argument, NULL, 'u'},
        {"customer", required_argument, NULL, 'i'},
        {"forget-old", no_argument, NULL, 'f'},
        {"name", required_argument, NULL, 'n'},
        {"kept", required_argument, NULL, 'K'},
        {"read-only", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static const char *const commands[] = {
        "serve",  "migrate",       "revoke",       "rotate-keys", "count-keys", "erase-customer",
        "doctor", "ledger-verify", "check-config", "set-key",     "list-keys",  "end-keys"};
    int option;

    while ((option = getopt_long(argc, argv, "c:o:", longs, NULL)) != -1) {
        if (!take_option(options, option))
            return false;
    }
    if (options->help)
        return true;
    if (optind + 1 != argc || options->config == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (text_equal(argv[optind], commands[i]))
            options->command = commands[i];
    }
    const char *misfit = NULL;
    options->keys.as_json = options->json;
    if (options->command != NULL && is_of_keys(options->command, &options->keys.action))
        misfit = keys_options_misfit(&options->keys);
    else if (options->keys.forget_old || options->keys.name != NULL)
        misfit = "--forget-old and --name are for keys";
    if (options->command == NULL)
        fprintf(stderr, "duesd: there is no command \"%s\"\n", argv[optind]);
    else if (text_equal(options->command, "revoke") && !revoke_options_fit(&options->revoke))
        fputs("duesd: revoke needs --certificate or --spki, and --reason or --undo, one of each\n",
              stderr);
    else if (misfit != NULL)
        fprintf(stderr, "duesd: %s\n", misfit);
    else if (text_equal(options->command, "erase-customer") && options->customer == NULL)
        fputs("duesd: erase-customer needs --customer\n", stderr);
    else
        return true;
    return false;
}

/* What a full disk has swallowed is no success. */
static int ended(int exit_status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_status;
    fputs("duesd: standard output could not be written\n", stderr);
    return exit_status == EXIT_SUCCESS ? EXIT_FAILURE : exit_status;
}

int main(int argc, char **argv)
{
    struct options options = {0};

    if (argc == 2 && text_equal(argv[1], "--version")) {
        printf("duesd %s\n", DUES_VERSION);
        return EXIT_SUCCESS;
    }
    if (!parse_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (options.help) {
        fputs(usage, stdout);
        return ended(EXIT_SUCCESS);
    }
    return ended(run(&options));
}
