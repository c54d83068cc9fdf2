/*
 * `dues keys` and `dues customers`: become duesd on the configuration of a state directory or on a
 * given file.
 */
#include "cli/server_command.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/connection.h"

#define ARENA_SIZE_MAX (1u << 20)
#define ARGUMENTS_HEAD 4

enum { OPTION_CONFIG = OPTION_OTHER };

/* The server stands beside this program; what PATH has may be of another version. */
static const char *find_server(struct arena *arena)
{
    char *path = arena_alloc(arena, PATH_MAX);
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);

    path[size < 0 ? 0 : size] = '\0';
    return arena_printf(arena, "%s/duesd", dirname(path));
}

int become_server(struct arena *arena, const char *command, const char *config,
                  const char *const *rest)
{
    const char *duesd = find_server(arena);
    const char *const head[ARGUMENTS_HEAD] = {duesd, command, "--config", config};
    /* execv takes its strings without const, though it leaves them alone. */
    char *writable[ARGUMENTS_HEAD + SERVER_REST_MAX + 1] = {NULL};

    for (size_t i = 0; i < ARGUMENTS_HEAD; i++)
        writable[i] = arena_strdup(arena, head[i]);
    for (size_t i = 0; i < SERVER_REST_MAX && rest[i] != NULL; i++)
        writable[ARGUMENTS_HEAD + i] = arena_strdup(arena, rest[i]);
    execv(duesd, writable);
    return complain("could not run %s: %s", duesd, strerror(errno));
}

struct wish {
    const char *config;
    bool help;
    char **words; /* what is no option */
    int word_count;
};

/* EXIT_SUCCESS: go on. */
static int read_wish(struct arena *arena, int argc, char **argv, struct wish *wish)
{
    static const struct option longs[] = {
        {"state-dir", required_argument, NULL, OPTION_STATE_DIR},
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    const char *state_dir = state_dir_default(arena);
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            wish->help = true;
        else if (option == OPTION_STATE_DIR)
            state_dir = optarg;
        else if (option == OPTION_CONFIG)
            wish->config = optarg;
        else
            return complain_option(argv[0]);
    }
    wish->words = argv + optind;
    wish->word_count = argc - optind;
    if (wish->help)
        return EXIT_SUCCESS;
    if (wish->config == NULL && state_dir == NULL)
        return complain_usage("%s", STATE_DIR_UNKNOWN);
    if (wish->config == NULL)
        wish->config = arena_printf(arena, "%s/duesd.conf", state_dir);
    return EXIT_SUCCESS;
}

static int run_keys(struct arena *arena, int argc, char **argv)
{
    static const char *const nothing[] = {NULL};
    static const char *const forget[] = {"--forget-old", NULL};
    struct wish wish = {.config = NULL};
    int status = read_wish(arena, argc, argv, &wish);

    if (status != EXIT_SUCCESS)
        return status;
    if (wish.help)
        return help_command("keys");
    if (wish.word_count == 1) {
        if (text_equal(wish.words[0], "rotate"))
            return become_server(arena, "rotate-keys", wish.config, nothing);
        if (text_equal(wish.words[0], "count"))
            return become_server(arena, "count-keys", wish.config, nothing);
        if (text_equal(wish.words[0], "forget"))
            return become_server(arena, "count-keys", wish.config, forget);
    }
    return complain_usage("keys takes rotate, count or forget");
}

static int run_customers(struct arena *arena, int argc, char **argv)
{
    struct wish wish = {.config = NULL};
    int status = read_wish(arena, argc, argv, &wish);

    if (status != EXIT_SUCCESS)
        return status;
    if (wish.help)
        return help_command("customers");
    if (wish.word_count != 2 || !text_equal(wish.words[0], "erase"))
        return complain_usage("customers takes erase and customers/ID");
    const char *const rest[] = {"--customer", wish.words[1], NULL};
    return become_server(arena, "erase-customer", wish.config, rest);
}

int command_keys(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run_keys(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}

int command_customers(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run_customers(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
