/*
 * `dues doctor`: becomes `duesd doctor`.
 */
#include "cli/cli.h"
#include "cli/server_command.h"

static int run(void *wish)
{
    static const char *const nothing[] = {NULL};

    return server_command_become(wish, "doctor", nothing);
}

int command_doctor(int argc, char **argv)
{
    static const struct command_word words[] = {{NULL, run, NULL}};
    static const struct command_option options[] = {SERVER_OPTIONS};
    static const struct command command = {
        .name = "doctor",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .prints_json = true,
    };
    struct server_wish wish = {.config = NULL};

    return command_run(&command, &wish.wish, argc, argv);
}
