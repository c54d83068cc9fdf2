/*
 * What `dues doctor`, `dues ledger`, `dues keys` and `dues customers` have in common.
 */
#include "cli/server_command.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <unistd.h>

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

static const char *find_config(const struct server_wish *wish)
{
    const char *state_dir = wish->wish.connection.state_dir;

    if (wish->config != NULL)
        return wish->config;
    if (state_dir == NULL)
        state_dir = state_dir_default(wish->wish.arena);
    return state_dir == NULL ? NULL : arena_printf(wish->wish.arena, "%s/duesd.conf", state_dir);
}

int server_command_become(const struct server_wish *wish, const char *verb, const char *const *rest)
{
    struct arena *arena = wish->wish.arena;
    const char *config = find_config(wish);
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
    if (wish->wish.as_json) {
        writable[count++] = arena_strdup(arena, "-o");
        writable[count++] = arena_strdup(arena, "json");
    }
    execv(duesd, writable);
    return complain("could not run %s: %s", duesd, strerror(errno));
}
