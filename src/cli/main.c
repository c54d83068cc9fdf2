/*
 * dues: the command line.  Starts a server to try things out with, calls it, and tells its story.
 */
#include "cli/cli.h"

#include "base/text.h"

static const char help[] =
    "usage: dues dev [--state-dir DIR] [--listen ADDRESS:PORT]\n"
    "           a whole server for trying out: PostgreSQL, certificates, schema, sandbox\n"
    "       dues call [connection] [--token TOKEN | --token-file FILE] SERVICE/METHOD ['{json}' | "
    "-]\n"
    "           one RPC, JSON in and JSON out; `dues call --list` names all methods\n"
    "       dues demo [connection]\n"
    "           the story of a member, told by calls against a sandbox server\n"
    "       dues wait [connection] [--timeout SECONDS]\n"
    "           until the server answers\n"
    "       dues --version | --help\n"
    "\n"
    "connection:\n"
    "  --state-dir DIR      that of `dues dev`; gives the address and the certificates\n"
    "                       (default: $XDG_STATE_HOME/dues or ~/.local/state/dues; for root\n"
    "                       /var/lib/dues-dev)\n"
    "  --as NAME            service-billing (default), app-demo or operator-demo\n"
    "  --target HOST:PORT --ca FILE --cert FILE --key FILE [--server-name NAME]\n"
    "                       any other server\n"
    "  --deadline-ms N      default 10000\n"
    "\n"
    "The token can also be in the environment variable DUES_TOKEN.\n"
    "\n"
    "examples:\n"
    "  dues dev --state-dir /tmp/dues-dev\n"
    "  dues call --state-dir /tmp/dues-dev Membership/ListPlans\n"
    "  dues call --state-dir /tmp/dues-dev Membership/CreateCustomer \\\n"
    "      '{\"customer\": {\"displayName\": \"Ada\"}}'\n"
    "  dues demo --state-dir /tmp/dues-dev\n"
    "\n"
    "exit status: 0 when it worked, 2 for a wrong command line, 64 + the gRPC code when the "
    "server\n"
    "refused, else 1.\n";

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"call", command_call},
                    {"demo", command_demo},
                    {"dev", command_dev},
                    {"wait", command_wait}};

    if (argc < 2) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (text_equal(argv[1], "--version")) {
        printf("dues %s\n", DUES_VERSION);
        return EXIT_SUCCESS;
    }
    if (text_equal(argv[1], "--help") || text_equal(argv[1], "help")) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (text_equal(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    return complain_usage("there is no command \"%s\"", argv[1]);
}
