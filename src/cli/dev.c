/*
 * `dues dev`: makes what is missing, starts PostgreSQL and the server, says how to call it, and
 * takes everything down again in order.  See dev.h for what lies in the directory.
 */
#include "cli/dev.h"

#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/connection.h"

#define ARENA_SIZE_MAX (16u << 20)
/* duesd lets running calls finish for shutdown_grace_ms, 20 s. */
#define SERVER_PATIENCE_MS    25000
#define POSTGRES_PATIENCE_MS  30000
#define SIMULATOR_PATIENCE_MS 5000

/* Our own libpq variables would lead the children to some other database. */
static void forget_other_databases(void)
{
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGPORT",     "PGDATABASE",
                                        "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE",
                                        "PGDATA", "PGOPTIONS",  "PGSSLMODE",  "PGSERVICEFILE"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unsetenv(names[i]);
}

static const char *find_programs(struct dev *dev)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (size < 0)
        return "could not find this program's own file";
    path[size] = '\0';
    dev->self = arena_strdup(dev->arena, path);
    dev->duesd = arena_printf(dev->arena, "%s/duesd", dirname(path));
    if (access(dev->duesd, X_OK) != 0)
        return arena_printf(dev->arena, "the server is missing: there is no %s", dev->duesd);
    return dev_simulator_find(dev);
}

static const char *make_database(struct dev *dev)
{
    const char *problem = NULL;
    if (dev->is_new) {
        fprintf(stderr, "dues: making a database in %s\n", dev->directory);
        problem = dev_postgres_make(dev);
    }
    if (problem == NULL)
        problem = dev_postgres_start(dev);
    if (problem == NULL && dev->is_new)
        problem = dev_postgres_roles(dev);
    if (problem == NULL && dev->is_new)
        problem = dev_state_complete(dev);
    return problem;
}

static const char *start(struct dev *dev)
{
    static const struct {
        const char *(*run)(struct dev *dev);
    } steps[] = {
        {find_programs},       {dev_state_open},        {dev_address_check},
        {dev_postgres_find},   {dev_certificates_make}, {make_database},
        {dev_simulator_start}, {dev_server_configure},  {dev_server_start},
    };
    const char *problem = NULL;
    for (size_t i = 0; problem == NULL && i < ARRAY_LENGTH(steps); i++)
        problem = steps[i].run(dev);
    return problem;
}

/* A word of a shell's command line. */
static const char *shell_word(struct dev *dev, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+:@%,=";
    if (text[0] != '\0' && strspn(text, plain) == strlen(text))
        return text;
    const char *word = "'";
    for (; *text != '\0'; text++)
        word = *text == '\'' ? arena_printf(dev->arena, "%s'\\''", word)
                             : arena_printf(dev->arena, "%s%c", word, *text);
    return arena_printf(dev->arena, "%s'", word);
}

static void print_grpcurl(struct dev *dev, const char *as, const char *request, const char *call)
{
    const char *certs = dev_path(dev, STATE_CERTIFICATES);
    printf("grpcurl -cacert %s -cert %s -key %s%s %s %s\n",
           shell_word(dev, arena_printf(dev->arena, "%s/ca.pem", certs)),
           shell_word(dev, arena_printf(dev->arena, "%s/%s.pem", certs, as)),
           shell_word(dev, arena_printf(dev->arena, "%s/%s.key", certs, as)), request,
           shell_word(dev, dev->address), call);
}

/* Its health, and an order: of the next charge the gateway's answer never comes. */
static void print_simulator(struct dev *dev)
{
    const char *ca = shell_word(dev, dev_path(dev, STATE_CERTIFICATES "/ca.pem"));

    printf("curl --cacert %s https://localhost:%d/_simulator/health\n", ca, dev->simulator_port);
    printf("curl --cacert %s -H \"Authorization: Bearer $(cat %s)\""
           " -d '{\"fault\": \"reset_after\", \"method\": \"POST\","
           " \"path\": \"/v1/payment_intents\", \"count\": 1}'"
           " https://localhost:%d/_simulator/faults\n",
           ca, shell_word(dev, dev_path(dev, DEV_SIMULATOR_KEY)), dev->simulator_port);
}

static void greet(struct dev *dev)
{
    printf("\ndues is ready at %s (state in %s; Ctrl-C stops it)\n\n", dev->address,
           dev->directory);
    print_grpcurl(dev, "app-demo", "", "list");
    print_grpcurl(dev, "app-demo", "", "dues.membership.v1.MembershipService/ListPlans");
    print_grpcurl(dev, "service-billing", " -d '{\"customer\": {\"displayName\": \"Ada\"}}'",
                  "dues.membership.v1.MembershipService/CreateCustomer");
    printf("curl --unix-socket %s http://localhost/metrics\n",
           shell_word(dev, dev_metrics_path(dev)));
    if (dev_has_simulator(dev))
        print_simulator(dev);
    printf("\n");
    (void)fflush(stdout);
}

static const char *stay(struct dev *dev)
{
    while (!dev->stopping && !dev->server.ended && !dev->postgres.ended && !dev->simulator.ended)
        dev_pump(dev, -1);
    if (dev->stopping)
        return NULL;
    if (dev->simulator.ended)
        return arena_printf(dev->arena, "dues-simulator ended with %s",
                            dev_end(dev, &dev->simulator));
    return dev->server.ended
               ? arena_printf(dev->arena, "duesd ended with %s", dev_end(dev, &dev->server))
               : arena_printf(dev->arena, "PostgreSQL ended with %s (see %s/postgres.log)",
                              dev_end(dev, &dev->postgres), dev->directory);
}

/* SIGTERM ends a server that has not begun to serve; a serving one exits with a status. */
static bool ended_in_order(const struct process *process)
{
    return process->status == 0 ||
           (WIFSIGNALED(process->status) && WTERMSIG(process->status) == SIGTERM);
}

/* False when it did not end of itself, or not well. */
static bool stop_server(struct dev *dev)
{
    if (!dev_is_running(&dev->server))
        return true;
    complain("stopping: waiting for duesd to finish its calls, at most %d s; Ctrl-C again kills it",
             SERVER_PATIENCE_MS / 1000);
    if (dev_stop(dev, &dev->server, SIGTERM, SIGKILL, SERVER_PATIENCE_MS))
        complain(dev->hurried ? "duesd was killed before it had finished"
                              : "duesd did not finish in time and was killed");
    else if (!ended_in_order(&dev->server))
        complain("duesd ended with %s: not all of its calls had finished",
                 dev_end(dev, &dev->server));
    return ended_in_order(&dev->server);
}

static bool stop_postgres(struct dev *dev)
{
    if (!dev_is_running(&dev->postgres))
        return true;
    complain("stopping: waiting for PostgreSQL");
    /* SIGINT is its fast shutdown, SIGQUIT the immediate one: it recovers at the next start. */
    if (!dev_stop(dev, &dev->postgres, SIGINT, SIGQUIT, POSTGRES_PATIENCE_MS))
        return true;
    complain("PostgreSQL was ended without a shutdown, and will recover at the next start");
    return false;
}

/* True when all that ran ended in order. */
static bool stop(struct dev *dev)
{
    if (!dev->is_ours)
        return true;
    unlink(dev_path(dev, STATE_READY));
    bool in_order = stop_server(dev);
    dev_stop(dev, &dev->simulator, SIGTERM, SIGKILL, SIMULATOR_PATIENCE_MS);
    in_order = stop_postgres(dev) && in_order;
    if (dev->socket_directory != NULL) {
        unlink(dev_metrics_path(dev)); /* a server that was killed leaves it */
        rmdir(dev->socket_directory);
        unlink(dev_path(dev, "socket-directory"));
    }
    return in_order;
}

static int run(struct dev *dev)
{
    forget_other_databases();
    dev_signals_block();
    umask(022);
    const char *problem = start(dev);
    if (problem == NULL) {
        greet(dev);
        problem = stay(dev);
    }
    bool failed = problem != NULL && !dev->stopping;
    if (failed)
        complain("%s", problem);
    bool in_order = stop(dev);
    if (dev->stopping)
        complain("stopped");
    return failed || !in_order ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The options into dev; -1, or the exit status when nothing is to be run. */
static int read_options(struct dev *dev, int argc, char **argv)
{
    static const struct option longs[] = {
        {"state-dir", required_argument, NULL, 'd'},
        {"listen", required_argument, NULL, 'l'},
        {"gateway", required_argument, NULL, 'g'},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help_command("dev");
        if (option != 'd' && option != 'l' && option != 'g')
            return complain_option("dev");
        *(option == 'd' ? &dev->directory : option == 'l' ? &dev->listen : &dev->gateway) = optarg;
    }
    if (optind != argc)
        return complain_usage("dev takes no \"%s\"", argv[optind]);
    if (!text_equal(dev->gateway, DEV_GATEWAY_SANDBOX) && !dev_has_simulator(dev))
        return complain_usage("--gateway is " DEV_GATEWAY_SANDBOX " or " DEV_GATEWAY_SIMULATOR
                              ", not \"%s\"",
                              dev->gateway);
    const char *misuse = state_dir_check(dev->directory);
    if (misuse == NULL)
        misuse = dev_address_parse(dev);
    if (misuse != NULL)
        return complain_usage("%s", misuse);
    if (dev->directory == NULL)
        dev->directory = state_dir_default(dev->arena);
    return dev->directory == NULL ? complain(STATE_DIR_UNKNOWN) : -1;
}

int command_dev(int argc, char **argv)
{
    struct dev dev = {.arena = arena_new(ARENA_SIZE_MAX),
                      .listen = DEV_LISTEN_DEFAULT,
                      .gateway = DEV_GATEWAY_SANDBOX};
    int exit_status = read_options(&dev, argc, argv);
    if (exit_status < 0)
        exit_status = run(&dev);
    arena_free(dev.arena);
    return exit_status;
}
