/*
 * `dues doctor`: becomes `duesd doctor`.
 */
#include "cli/cli.h"
#include "cli/server_command.h"

#define ARENA_SIZE_MAX (1u << 20)

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {SERVER_COMMAND_OPTIONS, {NULL, 0, NULL, 0}};
    static const char *const nothing[] = {NULL};
    struct server_command command = {.name = "doctor"};
    int option;

    while ((option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        int status = server_command_option(&command, option, optarg);
        if (status != EXIT_SUCCESS)
            return status;
    }
    if (command.help)
        return help_command(command.name);
    if (optind != argc)
        return complain_usage("doctor takes no \"%s\"", argv[optind]);
    return server_command_become(&command, arena, "doctor", nothing);
}

int command_doctor(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
