/*
 * `dues ledger verify`: becomes `duesd ledger-verify`.
 */
#include "cli/cli.h"
#include "cli/server_command.h"

#include "base/text.h"

#define ARENA_SIZE_MAX (1u << 20)

enum { OPTION_KEPT = OPTION_SERVER_OTHER, OPTION_READ_ONLY };

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        SERVER_COMMAND_OPTIONS,
        {"kept", required_argument, NULL, OPTION_KEPT},
        {"read-only", no_argument, NULL, OPTION_READ_ONLY},
        {NULL, 0, NULL, 0},
    };
    struct server_command command = {.name = "ledger"};
    const char *kept = NULL;
    bool read_only = false;
    int status = EXIT_SUCCESS;
    int option;

    while (status == EXIT_SUCCESS && (option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (option == OPTION_KEPT)
            kept = optarg;
        else if (option == OPTION_READ_ONLY)
            read_only = true;
        else
            status = server_command_option(&command, option, optarg);
    }
    if (status != EXIT_SUCCESS)
        return status;
    if (command.help)
        return help_command(command.name);
    if (optind + 1 != argc || !text_equal(argv[optind], "verify"))
        return complain_usage("ledger knows verify");
    const char *rest[SERVER_REST_MAX + 1] = {NULL};
    size_t count = 0;
    if (kept != NULL) {
        rest[count++] = "--kept";
        rest[count++] = kept;
    }
    if (read_only)
        rest[count++] = "--read-only";
    return server_command_become(&command, arena, "ledger-verify", rest);
}

int command_ledger(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);

    arena_free(arena);
    return exit_status;
}
