/*
 * The private PostgreSQL of `dues dev`: initdb with checksums, reachable only through a unix socket
 * in a directory that nobody else can enter, fsync on.
 */
#include "cli/dev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/roles_sql.h"

#define INSTALLATIONS     "/usr/lib/postgresql"
#define SOCKET_FILE       "/.s.PGSQL.5432"
#define START_PATIENCE_MS 60000

/* The highest installed major version, or exactly `wanted` when that is not 0.  0: none. */
static long find_installation(struct dev *dev, long wanted)
{
    long best = 0;
    DIR *directory = opendir(INSTALLATIONS);
    if (directory == NULL)
        return 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        long major = strtol(entry->d_name, NULL, 10);
        const char *initdb =
            arena_printf(dev->arena, "%s/%s/bin/initdb", INSTALLATIONS, entry->d_name);
        if (major > best && (wanted == 0 || major == wanted) && access(initdb, X_OK) == 0)
            best = major;
    }
    closedir(directory);
    return best;
}

static const char *choose_user(struct dev *dev)
{
    dev->postgres_user = geteuid();
    dev->postgres_group = getegid();
    dev->postgres_user_name = "this user";
    if (geteuid() != 0)
        return NULL;
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL)
        user = getpwnam("nobody");
    if (user == NULL)
        return "PostgreSQL does not run as root, and there is no user postgres or nobody";
    dev->postgres_user = user->pw_uid;
    dev->postgres_group = user->pw_gid;
    dev->postgres_user_name = arena_strdup(dev->arena, user->pw_name);
    return NULL;
}

/* Goes into the state directory as PostgreSQL's user; a parent directory may be closed to it. */
static const char *check_reachable(struct dev *dev)
{
    const char *const argv[] = {"/bin/true", NULL};
    const struct child child = {
        .argv = argv, .unprivileged = true, .input = -1, .output = -1, .death_signal = SIGKILL};
    if (dev_run(dev, &child, "true") == NULL || dev->stopping)
        return NULL;
    return arena_printf(dev->arena,
                        "PostgreSQL runs as user %s, who cannot enter %s: choose a --state-dir "
                        "outside of closed directories, for example under /tmp or /var/lib",
                        dev->postgres_user_name, dev->directory);
}

const char *dev_postgres_find(struct dev *dev)
{
    const char *made_by = dev_read(dev, "postgres/PG_VERSION");
    long wanted = made_by == NULL || dev->is_new ? 0 : strtol(made_by, NULL, 10);
    long major = find_installation(dev, wanted);
    if (major == 0 && wanted == 0)
        return "PostgreSQL is missing: there is no " INSTALLATIONS
               "/*/bin/initdb (apt-get install postgresql)";
    if (major == 0)
        return arena_printf(dev->arena,
                            "the database in %s is of PostgreSQL %ld, which is not installed",
                            dev->directory, wanted);
    dev->postgres_bin = arena_printf(dev->arena, "%s/%ld/bin", INSTALLATIONS, major);
    const char *problem = choose_user(dev);
    return problem != NULL ? problem : check_reachable(dev);
}

/* A directory that belongs to PostgreSQL's user alone. */
static const char *make_private(struct dev *dev, const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return arena_printf(dev->arena, "could not make %s: %s", path, strerror(errno));
    if (chown(path, dev->postgres_user, dev->postgres_group) != 0 || chmod(path, 0700) != 0)
        return arena_printf(dev->arena, "could not give %s to user %s: %s", path,
                            dev->postgres_user_name, strerror(errno));
    return NULL;
}

static int open_log(struct dev *dev)
{
    return open(dev_path(dev, "postgres.log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static const char *program(struct dev *dev, const char *name)
{
    return arena_printf(dev->arena, "%s/%s", dev->postgres_bin, name);
}

const char *dev_postgres_make(struct dev *dev)
{
    const char *data = dev_path(dev, "postgres");
    const char *problem = make_private(dev, data);
    if (problem != NULL)
        return problem;
    int log = open_log(dev);
    const char *const argv[] = {program(dev, "initdb"), "--pgdata", data, "--data-checksums",
                                "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres",
                                /* Who can enter the socket's directory is the check. */
                                "--auth=trust", "--no-instructions", NULL};
    const struct child child = {
        .argv = argv, .unprivileged = true, .input = -1, .output = log, .death_signal = SIGKILL};
    problem = dev_run(dev, &child,
                      arena_printf(dev->arena, "initdb (see %s/postgres.log)", dev->directory));
    close(log);
    return problem;
}

/* A path of a unix socket has at most 107 bytes, and lists of such paths have commas and quotes. */
static const char *make_socket_directory(struct dev *dev)
{
    const char *beside = dev_path(dev, "socket");
    if (strlen(beside) + strlen(SOCKET_FILE) < sizeof(((struct sockaddr_un *)0)->sun_path) &&
        strpbrk(beside, ",\"") == NULL) {
        dev->socket_directory = beside;
        return make_private(dev, beside);
    }
    char *elsewhere = arena_strdup(dev->arena, "/tmp/dues-XXXXXX");
    if (mkdtemp(elsewhere) == NULL)
        return arena_printf(dev->arena, "could not make %s: %s", elsewhere, strerror(errno));
    dev->socket_directory = elsewhere;
    const char *problem = dev_write(dev, "socket-directory", elsewhere, 0644);
    return problem != NULL ? problem : make_private(dev, elsewhere);
}

/* True when it accepts connections now. */
static bool accepts(struct dev *dev)
{
    const char *const argv[] = {program(dev, "pg_isready"),
                                "--quiet",
                                "--host",
                                dev->socket_directory,
                                "--port",
                                "5432",
                                NULL};
    const struct child child = {.argv = argv, .input = -1, .output = -1, .death_signal = SIGKILL};
    return dev_run(dev, &child, "pg_isready") == NULL;
}

static const char *wait_until_accepting(struct dev *dev)
{
    const struct clock *clock = clock_system();
    int64_t until_us = clock_monotonic_us(clock) + START_PATIENCE_MS * US_PER_MS;
    while (!accepts(dev)) {
        if (dev->stopping)
            return "interrupted";
        if (dev->postgres.ended)
            return arena_printf(dev->arena,
                                "PostgreSQL ended with %s at its start: see "
                                "%s/postgres.log",
                                dev_end(dev, &dev->postgres), dev->directory);
        if (clock_monotonic_us(clock) > until_us)
            return arena_printf(dev->arena, "PostgreSQL does not answer: see %s/postgres.log",
                                dev->directory);
        dev_pump(dev, 50);
    }
    return NULL;
}

const char *dev_postgres_start(struct dev *dev)
{
    const char *problem = make_socket_directory(dev);
    if (problem != NULL)
        return problem;
    const char *sockets =
        arena_printf(dev->arena, "unix_socket_directories=%s", dev->socket_directory);
    const char *const argv[] = {program(dev, "postgres"),
                                "-D",
                                dev_path(dev, "postgres"),
                                "-p",
                                "5432",
                                "-c",
                                "listen_addresses=",
                                "-c",
                                sockets,
                                "-c",
                                "unix_socket_permissions=0700",
                                "-c",
                                "fsync=on",
                                "-c",
                                "full_page_writes=on",
                                "-c",
                                "synchronous_commit=on",
                                "-c",
                                "logging_collector=off",
                                "-c",
                                "jit=off",
                                NULL};
    int log = open_log(dev);
    /* SIGINT is its fast shutdown. */
    const struct child child = {
        .argv = argv, .unprivileged = true, .input = -1, .output = log, .death_signal = SIGINT};
    problem = dev_spawn(dev, &child, &dev->postgres);
    close(log);
    return problem != NULL ? problem : wait_until_accepting(dev);
}

const char *dev_postgres_roles(struct dev *dev)
{
    int pipe_ends[2];
    if (dues_roles_sql_size > 4096 || pipe2(pipe_ends, O_CLOEXEC) != 0)
        return "could not hand the roles to psql";
    /* A page fits into the pipe, so this does not block. */
    bool written =
        write(pipe_ends[1], dues_roles_sql, dues_roles_sql_size) == (ssize_t)dues_roles_sql_size;
    close(pipe_ends[1]);
    const char *const argv[] = {program(dev, "psql"),
                                "--no-psqlrc",
                                "--quiet",
                                "--set=ON_ERROR_STOP=1",
                                "--host",
                                dev->socket_directory,
                                "--port=5432",
                                "--username=postgres",
                                "--dbname=postgres",
                                NULL};
    const struct child child = {
        .argv = argv, .input = pipe_ends[0], .output = -1, .death_signal = SIGKILL};
    const char *problem =
        written ? dev_run(dev, &child, "making the roles") : "could not hand the roles to psql";
    close(pipe_ends[0]);
    return problem;
}
