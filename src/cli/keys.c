/*
 * `dues keys` and `dues customers`: become duesd's commands about the keys that seal what the
 * database holds, the one of a customer included.
 */
#include "cli/cli.h"
#include "cli/server_command.h"

#include "base/text.h"

#define ARENA_SIZE_MAX (1u << 20)

/* EXIT_SUCCESS: go on.  What is no option begins at argv[optind]. */
static int read_options(struct server_command *command, int argc, char **argv)
{
    static const struct option longs[] = {SERVER_COMMAND_OPTIONS, {NULL, 0, NULL, 0}};
    int status = EXIT_SUCCESS;
    int option;

    while (status == EXIT_SUCCESS && (option = getopt_long(argc, argv, "", longs, NULL)) != -1)
        status = server_command_option(command, option, optarg);
    return status;
}

/* `keys WORD` or, of the gateways' keys, `keys WORD NAME`; NULL: no such thing. */
static const char *verb_of(const char *word, bool is_named)
{
    static const struct {
        const char *word;
        const char *verb;
        bool is_named;
    } known[] = {
        {"rotate", "rotate-keys", false}, {"count", "count-keys", false},
        {"forget", "count-keys", false},  {"list", "list-keys", false},
        {"set", "set-key", true},         {"end", "end-keys", true},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (text_equal(known[i].word, word) && known[i].is_named == is_named)
            return known[i].verb;
    }
    return NULL;
}

static int run_keys(struct arena *arena, int argc, char **argv)
{
    struct server_command command = {.name = "keys"};
    int status = read_options(&command, argc, argv);

    if (status != EXIT_SUCCESS)
        return status;
    if (command.help)
        return help_command(command.name);
    int words = argc - optind;
    const char *verb = words == 1 || words == 2 ? verb_of(argv[optind], words == 2) : NULL;
    if (verb == NULL)
        return complain_usage("keys takes rotate, count, forget, list, set NAME or end NAME");
    const char *const rest[] = {words == 2                           ? "--name"
                                : text_equal(argv[optind], "forget") ? "--forget-old"
                                                                     : NULL,
                                words == 2 ? argv[optind + 1] : NULL, NULL};
    return server_command_become(&command, arena, verb, rest);
}

static int run_customers(struct arena *arena, int argc, char **argv)
{
    struct server_command command = {.name = "customers"};
    int status = read_options(&command, argc, argv);

    if (status != EXIT_SUCCESS)
        return status;
    if (command.help)
        return help_command(command.name);
    if (argc - optind != 2 || !text_equal(argv[optind], "erase"))
        return complain_usage("customers takes erase and customers/ID");
    const char *const rest[] = {"--customer", argv[optind + 1], NULL};
    return server_command_become(&command, arena, "erase-customer", rest);
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
