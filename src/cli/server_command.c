/*
 * What `dues doctor`, `dues ledger`, `dues keys` and `dues customers` have in common.
 */
#include "cli/server_command.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"

#define ARGUMENTS_HEAD 4
#define ARGUMENTS_TAIL 2

/* The server stands beside this program; what PATH has may be of another version. */
static const char *find_server(struct arena *arena)
{
    char *path = arena_alloc(arena, PATH_MAX);
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);

    path[size < 0 ? 0 : size] = '\0';
    return arena_printf(arena, "%s/duesd", dirname(path));
}

int server_command_option(struct server_command *command, int option, const char *value)
{
    switch (option) {
    case OPTION_HELP:
        command->help = true;
        return EXIT_SUCCESS;
    case OPTION_STATE_DIR:
        command->state_dir = value;
        return EXIT_SUCCESS;
    case OPTION_CONFIG:
        command->config = value;
        return EXIT_SUCCESS;
    case 'o':
        command->json = text_equal(value, "json");
        return command->json ? EXIT_SUCCESS : complain_usage("-o knows json");
    default:
        return complain_option(command->name);
    }
}

static const char *find_config(const struct server_command *command, struct arena *arena)
{
    const char *state_dir =
        command->state_dir != NULL ? command->state_dir : state_dir_default(arena);

    if (command->config != NULL)
        return command->config;
    return state_dir == NULL ? NULL : arena_printf(arena, "%s/duesd.conf", state_dir);
}

int server_command_become(const struct server_command *command, struct arena *arena,
                          const char *verb, const char *const *rest)
{
    const char *config = find_config(command, arena);
    const char *duesd = find_server(arena);
    const char *const head[ARGUMENTS_HEAD] = {duesd, verb, "--config", config};
    /* execv takes its strings without const, though it leaves them alone. */
    char *writable[ARGUMENTS_HEAD + SERVER_REST_MAX + ARGUMENTS_TAIL + 1] = {NULL};
    size_t count = 0;

    if (config == NULL)
        return complain_usage("%s", STATE_DIR_UNKNOWN);
    while (count < ARGUMENTS_HEAD) {
        writable[count] = arena_strdup(arena, head[count]);
        count++;
    }
    for (size_t i = 0; i < SERVER_REST_MAX && rest[i] != NULL; i++)
        writable[count++] = arena_strdup(arena, rest[i]);
    if (command->json) {
        writable[count++] = arena_strdup(arena, "-o");
        writable[count++] = arena_strdup(arena, "json");
    }
    execv(duesd, writable);
    return complain("could not run %s: %s", duesd, strerror(errno));
}
