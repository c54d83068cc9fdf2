/*
 * Finds the server to talk to.  A running `dues dev` leaves its address in DIR/ready and its
 * certificates in DIR/certs, so that `dues call` needs no further arguments.
 */
#include "cli/connection.h"

#include <errno.h>
#include <unistd.h>

#include "base/text.h"

#define ADDRESS_SIZE   256
#define TOKEN_SIZE_MAX 4096

bool connection_option(struct connection *connection, int option, const char *value)
{
    const char **const slots[] = {
        [0] = &connection->state_dir,
        [OPTION_TARGET - OPTION_STATE_DIR] = &connection->target,
        [OPTION_CA - OPTION_STATE_DIR] = &connection->ca,
        [OPTION_CERTIFICATE - OPTION_STATE_DIR] = &connection->certificate,
        [OPTION_KEY - OPTION_STATE_DIR] = &connection->key,
        [OPTION_SERVER_NAME - OPTION_STATE_DIR] = &connection->server_name,
        [OPTION_AS - OPTION_STATE_DIR] = &connection->as,
        [OPTION_DEADLINE_MS - OPTION_STATE_DIR] = &connection->deadline_text,
    };
    if (option < OPTION_STATE_DIR || option >= OPTION_OTHER)
        return false;
    *slots[option - OPTION_STATE_DIR] = value;
    return true;
}

const char *state_dir_check(const char *state_dir)
{
    return state_dir != NULL && state_dir[0] == '\0' ? "--state-dir needs the name of a directory"
                                                     : NULL;
}

const char *connection_check(struct connection *connection)
{
    if ((connection->certificate == NULL) != (connection->key == NULL))
        return "--cert and --key belong together";
    if (connection->deadline_text != NULL) {
        char *end = NULL;
        errno = 0;
        connection->deadline_ms = strtoll(connection->deadline_text, &end, 10);
        if (errno != 0 || *end != '\0' || connection->deadline_ms < 1)
            return "--deadline-ms needs a whole number above 0";
    }
    return state_dir_check(connection->state_dir);
}

const char *state_dir_default(struct arena *arena)
{
    const char *state_home = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state_home != NULL && state_home[0] == '/')
        return arena_printf(arena, "%s/dues", state_home);
    /* Root's home is closed to the unprivileged user that PostgreSQL runs as. */
    if (geteuid() == 0)
        return "/var/lib/dues-dev";
    if (home == NULL || home[0] != '/')
        return NULL;
    return arena_printf(arena, "%s/.local/state/dues", home);
}

/* The address in DIR/ready, "" when there is none. */
static const char *read_address(struct arena *arena, const char *state_dir)
{
    char line[ADDRESS_SIZE] = "";
    FILE *file = fopen(arena_printf(arena, "%s/%s", state_dir, STATE_READY), "re");
    if (file == NULL)
        return "";
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    (void)fclose(file);
    line[strcspn(line, " \n")] = '\0';
    return arena_strdup(arena, line);
}

/* True when the directory is needed for nothing. */
static bool says_all(const struct connection *connection)
{
    return connection->target != NULL && connection->ca != NULL && connection->certificate != NULL;
}

const char *connection_complete(struct connection *connection, struct arena *arena)
{
    if (connection->state_dir == NULL)
        connection->state_dir = state_dir_default(arena);
    if (connection->state_dir == NULL)
        return says_all(connection) ? NULL : STATE_DIR_UNKNOWN;
    if (connection->target == NULL) {
        const char *address = read_address(arena, connection->state_dir);
        if (address[0] == '\0')
            return arena_printf(arena,
                                "no server is running in %s: start one with `dues dev`, or give "
                                "--target",
                                connection->state_dir);
        connection->target = address;
    }
    const char *name = connection->as != NULL ? connection->as : "service-billing";
    const char *certs = arena_printf(arena, "%s/%s", connection->state_dir, STATE_CERTIFICATES);
    if (connection->ca == NULL)
        connection->ca = arena_printf(arena, "%s/ca.pem", certs);
    if (connection->certificate == NULL) {
        connection->certificate = arena_printf(arena, "%s/%s.pem", certs, name);
        connection->key = arena_printf(arena, "%s/%s.key", certs, name);
    }
    return NULL;
}

struct dues_client *connection_open(const struct connection *connection,
                                    char problem[DUES_PROBLEM_SIZE])
{
    const struct dues_client_options options = {
        .target = connection->target,
        .ca_file = connection->ca,
        .certificate_file = connection->certificate,
        .key_file = connection->key,
        .server_name = connection->server_name,
        .deadline_ms = connection->deadline_ms,
    };
    return dues_client_open(&options, problem);
}

const char *token_read(struct arena *arena, const char *path)
{
    char line[TOKEN_SIZE_MAX] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    const char *got = fgets(line, sizeof(line), file);
    (void)fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    return got == NULL ? NULL : arena_strdup(arena, line);
}
