/*
 * Finds the server to talk to.  A running `dues dev` leaves its address in DIR/ready and its
 * certificates in DIR/certs, so that `dues call` needs no further arguments.
 */
#include "cli/connection.h"

#include <errno.h>
#include <unistd.h>

#include "base/text.h"

#define ADDRESS_SIZE 256

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
        [OPTION_DEADLINE_MS - OPTION_STATE_DIR] = &connection->deadline_ms,
    };
    if (option < OPTION_STATE_DIR || option >= OPTION_OTHER)
        return false;
    *slots[option - OPTION_STATE_DIR] = value;
    return true;
}

const char *state_dir_default(struct arena *arena)
{
    const char *state_home = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state_home != NULL && state_home[0] == '/')
        return arena_printf(arena, "%s/dues", state_home);
    /* Root's home is closed to the unprivileged user that PostgreSQL runs as. */
    if (geteuid() == 0 || home == NULL)
        return "/var/lib/dues-dev";
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

const char *connection_complete(struct connection *connection, struct arena *arena)
{
    if (connection->state_dir == NULL)
        connection->state_dir = state_dir_default(arena);
    if (connection->target == NULL) {
        connection->target = read_address(arena, connection->state_dir);
        if (connection->target[0] == '\0')
            return arena_printf(arena,
                                "no server is running in %s: start one with `dues dev`, or give "
                                "--target",
                                connection->state_dir);
    }
    const char *name = connection->as != NULL ? connection->as : "service-billing";
    const char *certs = arena_printf(arena, "%s/%s", connection->state_dir, STATE_CERTIFICATES);
    if ((connection->certificate == NULL) != (connection->key == NULL))
        return "--cert and --key belong together";
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
    struct dues_client_options options = {
        .target = connection->target,
        .ca_file = connection->ca,
        .certificate_file = connection->certificate,
        .key_file = connection->key,
        .server_name = connection->server_name,
    };
    if (connection->deadline_ms != NULL) {
        char *end = NULL;
        errno = 0;
        options.deadline_ms = strtoll(connection->deadline_ms, &end, 10);
        if (errno != 0 || *end != '\0' || options.deadline_ms < 1) {
            snprintf(problem, DUES_PROBLEM_SIZE,
                     "--deadline-ms needs a whole number above 0, not \"%.40s\"",
                     connection->deadline_ms);
            return NULL;
        }
    }
    return dues_client_open(&options, problem);
}
