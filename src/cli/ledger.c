/*
 * `dues ledger verify`: becomes `duesd ledger-verify`.
 */
#include "cli/cli.h"
#include "cli/server_command.h"

struct ledger_wish {
    struct server_wish server;
    const char *kept;
    bool read_only;
};

static int verify(void *given)
{
    const struct ledger_wish *wish = given;
    const char *rest[SERVER_REST_MAX + 1] = {NULL};
    size_t count = 0;

    if (wish->kept != NULL) {
        rest[count++] = "--kept";
        rest[count++] = wish->kept;
    }
    if (wish->read_only)
        rest[count++] = "--read-only";
    return server_command_become(&wish->server, "ledger-verify", rest);
}

int command_ledger(int argc, char **argv)
{
    static const struct command_word words[] = {{"verify", verify, NULL}};
    static const struct command_option options[] = {
        SERVER_OPTIONS,
        {"kept", VALUE_TEXT, .offset = offsetof(struct ledger_wish, kept)},
        {"read-only", VALUE_FLAG, .offset = offsetof(struct ledger_wish, read_only)},
    };
    static const struct command command = {
        .name = "ledger",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .prints_json = true,
    };
    struct ledger_wish wish = {.kept = NULL};

    return command_run(&command, &wish.server.wish, argc, argv);
}
