/*
 * dues: the command line.  Starts a server to try things out with, calls it, and tells its story.
 */
#include "cli/cli.h"

#include "base/text.h"

/* An answer that a full disk has swallowed is no success. */
static int ended(int exit_status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_status;
    complain("standard output could not be written");
    return exit_status == EXIT_SUCCESS ? EXIT_FAILURE : exit_status;
}

static int run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"call", command_call},     {"customers", command_customers}, {"demo", command_demo},
        {"dev", command_dev},       {"disputes", command_disputes},   {"doctor", command_doctor},
        {"events", command_events}, {"incidents", command_incidents}, {"keys", command_keys},
        {"ledger", command_ledger}, {"payments", command_payments},   {"top", command_top},
        {"wait", command_wait},     {"webhooks", command_webhooks}};

    if (argc < 2) {
        help_overview(stderr);
        return EXIT_USAGE;
    }
    if (text_equal(argv[1], "--version")) {
        printf("dues %s\n", DUES_VERSION);
        return EXIT_SUCCESS;
    }
    if (text_equal(argv[1], "help") && argc > 2)
        return help_command(argv[2]);
    if (text_equal(argv[1], "--help") || text_equal(argv[1], "help")) {
        help_overview(stdout);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (text_equal(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    return complain_usage("there is no command \"%s\"", argv[1]);
}

int main(int argc, char **argv)
{
    return ended(run(argc, argv));
}
