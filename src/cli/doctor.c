/*
 * `dues doctor`: becomes `duesd doctor` on the configuration of a state directory or on a given
 * file.  The server's own binary answers, because it knows what it needs.
 */
#include "cli/cli.h"
#include "cli/connection.h"

#include <getopt.h>

#include "base/text.h"
#include "cli/server_command.h"

#define ARENA_SIZE_MAX (1u << 20)

enum { OPTION_CONFIG = OPTION_OTHER };

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    const char *state_dir = state_dir_default(arena);
    const char *config = NULL;
    bool json = false;
    int option;

    while ((option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help_command("doctor");
        if (option == OPTION_STATE_DIR)
            state_dir = optarg;
        else if (option == OPTION_CONFIG)
            config = optarg;
        else if (option == 'o' && text_equal(optarg, "json"))
            json = true;
        else
            return option == 'o' ? complain_usage("-o knows json") : complain_option("doctor");
    }
    if (optind != argc)
        return complain_usage("doctor takes no \"%s\"", argv[optind]);
    if (config == NULL && state_dir == NULL)
        return complain_usage("%s", STATE_DIR_UNKNOWN);
    if (config == NULL)
        config = arena_printf(arena, "%s/duesd.conf", state_dir);
    const char *const rest[] = {json ? "-o" : NULL, "json", NULL};
    return become_server(arena, "doctor", config, rest);
}

int command_doctor(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
