/*
 * The supervisor: initdb, postgres as its child, deploy/postgresql/roles.sql, then wait until the
 * last user has gone, stop the server and remove its data.  Should it be killed itself, the kernel
 * takes the server along (PR_SET_PDEATHSIG).
 */
#include "support/db_supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg/libpq.h"

/* The next test program usually starts within a moment. */
#define LINGER_MS 4000
#define POLL_MS   100
#define START_MS  60000

struct supervisor {
    char directory[128];
    char binaries[128]; /* where initdb and postgres are */
    int ready_fd;
    int lock_fd;
    int users_fd;
    bool is_private;
    pid_t postgres;
};

static _Noreturn void give_up(const struct supervisor *self, const char *what)
{
    char text[256];
    int length = snprintf(text, sizeof(text), "%s; see %s/log", what, self->directory);

    if (write(self->ready_fd, text, (size_t)length) < 0)
        _exit(3);
    _exit(2);
}

static const char *in_directory(const struct supervisor *self, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", self->directory, name);
    return path;
}

static int open_file(const struct supervisor *self, const char *name)
{
    char path[256];
    int fd = open(in_directory(self, name, path), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        give_up(self, "cannot open a lock file");
    return fd;
}

static void find_binaries(struct supervisor *self)
{
    glob_t found;
    const char *chosen = getenv("DUES_POSTGRESQL_BINARIES");

    if (chosen != NULL) {
        snprintf(self->binaries, sizeof(self->binaries), "%s", chosen);
        return;
    }
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        give_up(self, "PostgreSQL's server is not installed (apt-get install postgresql)");
    const char *newest = found.gl_pathv[found.gl_pathc - 1];
    snprintf(self->binaries, sizeof(self->binaries), "%.*s",
             (int)(strlen(newest) - strlen("/initdb")), newest);
    globfree(&found);
}

/* The server refuses to run as root. */
static void become_unprivileged(void)
{
    if (geteuid() != 0)
        return;
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0)
        _exit(126);
}

#define ARGUMENTS_MAX 32

static pid_t spawn(const struct supervisor *self, const char *const arguments[])
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child != 0)
        return child;
    become_unprivileged();
    /* After setuid, which clears it. */
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent || chdir("/") != 0)
        _exit(127);
    char path[256];
    const char *whole[ARGUMENTS_MAX + 1] = {path};
    snprintf(path, sizeof(path), "%s/%s", self->binaries, arguments[0]);
    /* By its whole path: initdb looks for postgres beside the name that it was called by. */
    for (size_t i = 1; i < ARGUMENTS_MAX && arguments[i] != NULL; i++)
        whole[i] = arguments[i];
    /* execv promises not to write to them; its type is older than const. */
    execv(path, (char *const *)(uintptr_t)whole);
    _exit(127);
}

static void run(const struct supervisor *self, const char *const arguments[])
{
    int status = 0;

    if (waitpid(spawn(self, arguments), &status, 0) < 0 || status != 0) {
        if (self->postgres > 0)
            kill(self->postgres, SIGQUIT);
        give_up(self, arguments[0]);
    }
}

static void remove_tree(const char *path)
{
    pid_t child = fork();

    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", path, (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

static void make_folder(const struct supervisor *self, const char *name)
{
    char path[256];
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;

    in_directory(self, name, path);
    remove_tree(path);
    if (mkdir(path, strcmp(name, "data") == 0 ? 0700 : 0755) != 0 ||
        (user != NULL && chown(path, user->pw_uid, user->pw_gid) != 0))
        give_up(self, "cannot make a folder");
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void start_server(struct supervisor *self)
{
    char data[256];
    char socket[256];
    char connection[320];

    make_folder(self, "data");
    make_folder(self, "socket");
    in_directory(self, "data", data);
    in_directory(self, "socket", socket);
    run(self, ARGUMENTS("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                        "--locale=C.UTF-8", "--no-sync"));
    self->postgres = spawn(
        self, ARGUMENTS("postgres", "-D", data, "-k", socket, "-c", "listen_addresses=", "-c",
                        "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=100",
                        "-c", "shared_buffers=64MB", "-c", "max_wal_size=256MB"));
    snprintf(connection, sizeof(connection), "host=%s user=postgres dbname=postgres", socket);
    for (int waited_ms = 0; PQping(connection) != PQPING_OK; waited_ms += 20) {
        if (waited_ms > START_MS || waitpid(self->postgres, NULL, WNOHANG) != 0)
            give_up(self, "postgres does not start");
        usleep(20 * 1000);
    }
}

static void create_roles(const struct supervisor *self)
{
    char socket[256];

    in_directory(self, "socket", socket);
    /* The file is read by us: user postgres may not see our sources. */
    int fd = open(SOURCE_DIR "/deploy/postgresql/roles.sql", O_RDONLY);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
        give_up(self, "cannot read deploy/postgresql/roles.sql");
    close(fd);
    run(self, ARGUMENTS("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U", "postgres",
                        "-d", "postgres", "-f", "-"));
}

/* With both locks held nobody uses the cluster and nobody can join. */
static bool is_unused(const struct supervisor *self)
{
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return false;
    if (flock(self->users_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    flock(self->lock_fd, LOCK_UN);
    return false;
}

static void wait_for_the_last_user(const struct supervisor *self)
{
    char stop[256];
    int idle_ms = 0;

    in_directory(self, "stop", stop);
    for (;;) {
        usleep(POLL_MS * 1000);
        if (waitpid(self->postgres, NULL, WNOHANG) != 0)
            return;
        if (!is_unused(self)) {
            idle_ms = 0;
            continue;
        }
        idle_ms += POLL_MS;
        if (self->is_private || idle_ms >= LINGER_MS || access(stop, F_OK) == 0)
            return;
        flock(self->users_fd, LOCK_UN);
        flock(self->lock_fd, LOCK_UN);
    }
}

static void stop_server(const struct supervisor *self)
{
    char path[256];

    unlink(in_directory(self, "ready", path));
    kill(self->postgres, SIGQUIT);
    waitpid(self->postgres, NULL, 0);
    if (self->is_private) {
        remove_tree(self->directory);
        return;
    }
    remove_tree(in_directory(self, "data", path));
    remove_tree(in_directory(self, "socket", path));
    unlink(in_directory(self, "stop", path));
}

/* Nothing of the program that forked us stays open: its reader would wait for us. */
static void detach(struct supervisor *self, int ready_fd)
{
    char path[256];

    if (dup2(ready_fd, 3) < 0)
        _exit(3);
    self->ready_fd = 3;
    close_range(4, ~0U, 0);
    int null = open("/dev/null", O_RDWR);
    int log = open(in_directory(self, "log", path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        give_up(self, "cannot open the log");
    fcntl(self->ready_fd, F_SETFD, FD_CLOEXEC);
    setsid();
    /* The server outlives Ctrl-C in the program's terminal; the locks say when to go. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

_Noreturn void db_supervise(const char *directory, int ready_fd, bool is_private)
{
    struct supervisor self = {.is_private = is_private};
    char path[256];

    snprintf(self.directory, sizeof(self.directory), "%s", directory);
    detach(&self, ready_fd);
    self.lock_fd = open_file(&self, "lock");
    self.users_fd = open_file(&self, "users");
    unlink(in_directory(&self, "stop", path));
    find_binaries(&self);
    start_server(&self);
    create_roles(&self);
    close(open_file(&self, "ready"));
    if (write(self.ready_fd, "ready", 5) != 5)
        kill(self.postgres, SIGQUIT);
    close(self.ready_fd);
    wait_for_the_last_user(&self);
    stop_server(&self);
    _exit(0);
}
