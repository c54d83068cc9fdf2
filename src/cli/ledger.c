/*
 * `dues ledger verify`: becomes `duesd ledger-verify` on the configuration of a state directory or
 * on a given file.
 */
#include "cli/cli.h"
#include "cli/connection.h"

#include <getopt.h>

#include "base/text.h"
#include "cli/server_command.h"

#define ARENA_SIZE_MAX (1u << 20)

enum { OPTION_CONFIG = OPTION_OTHER, OPTION_KEPT, OPTION_READ_ONLY };

struct wish {
    const char *state_dir;
    const char *config;
    const char *kept;
    bool read_only;
    bool json;
};

static int verify(struct arena *arena, const struct wish *wish)
{
    const char *config =
        wish->config != NULL ? wish->config : arena_printf(arena, "%s/duesd.conf", wish->state_dir);
    const char *rest[SERVER_REST_MAX + 1] = {NULL};
    size_t count = 0;

    if (wish->kept != NULL) {
        rest[count++] = "--kept";
        rest[count++] = wish->kept;
    }
    if (wish->read_only)
        rest[count++] = "--read-only";
    if (wish->json) {
        rest[count++] = "-o";
        rest[count++] = "json";
    }
    return become_server(arena, "ledger-verify", config, rest);
}

static bool take_option(struct wish *wish, int option)
{
    switch (option) {
    case OPTION_STATE_DIR:
        wish->state_dir = optarg;
        return true;
    case OPTION_CONFIG:
        wish->config = optarg;
        return true;
    case OPTION_KEPT:
        wish->kept = optarg;
        return true;
    case OPTION_READ_ONLY:
        wish->read_only = true;
        return true;
    case 'o':
        wish->json = text_equal(optarg, "json");
        return wish->json;
    default:
        return false;
    }
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"kept", required_argument, NULL, OPTION_KEPT},
        {"read-only", no_argument, NULL, OPTION_READ_ONLY},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct wish wish = {.state_dir = state_dir_default(arena)};
    int option;

    while ((option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help_command("ledger");
        if (!take_option(&wish, option))
            return option == 'o' ? complain_usage("-o knows json") : complain_option("ledger");
    }
    if (optind + 1 != argc || !text_equal(argv[optind], "verify"))
        return complain_usage("ledger knows verify");
    if (wish.config == NULL && wish.state_dir == NULL)
        return complain_usage("%s", STATE_DIR_UNKNOWN);
    return verify(arena, &wish);
}

int command_ledger(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);

    arena_free(arena);
    return exit_status;
}
