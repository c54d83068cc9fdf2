/*
 * Joining and leaving the test cluster.  Two lock files in its directory, both flock(2):
 *
 *   lock    held while something changes: start, stop, making the template
 *   users   shared by every program that uses the cluster, for as long as it lives
 *
 * The supervisor (db_supervisor.c) stops the server when it can have `users` for itself.
 */
#include "support/db_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg/libpq.h"
#include "pg/migrate.h"
#include "pg/migration_set.h"
#include "support/db_supervisor.h"

#define STOP_WAIT_MS 15000

struct db_cluster {
    char directory[128];
    char socket[160];
    char template_name[64];
    bool is_private;
    pid_t supervisor; /* private only: a child of ours */
    int lock_fd;
    int users_fd;
};

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "test cluster: %s: %s\n", what, why);
    exit(2);
}

static int open_in(const char *directory, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        give_up(path, strerror(errno));
    return fd;
}

static void lock(int fd, int operation)
{
    while (flock(fd, operation) != 0)
        if (errno != EINTR)
            give_up("flock", strerror(errno));
}

#define FNV_BASIS 14695981039346656037U

/* FNV-1a, of several texts when it goes on from the hash of the one before. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 1099511628211U;
    return hash;
}

static void shared_directory(char *directory, size_t size)
{
    uint64_t hash = hash_text(FNV_BASIS, BINARY_DIR);

    snprintf(directory, size, "/tmp/dues-test-%d-%08" PRIx32, (int)getuid(), (uint32_t)hash);
    if (mkdir(directory, 0755) != 0 && errno != EEXIST)
        give_up(directory, strerror(errno));
}

static void private_directory(char *directory, size_t size)
{
    snprintf(directory, size, "/tmp/dues-test-XXXXXX");
    if (mkdtemp(directory) == NULL || chmod(directory, 0755) != 0)
        give_up(directory, strerror(errno));
}

static bool is_running(const struct db_cluster *cluster)
{
    char ready[256];
    char connection[256];

    snprintf(ready, sizeof(ready), "%s/ready", cluster->directory);
    snprintf(connection, sizeof(connection), "host=%s user=postgres dbname=postgres",
             cluster->socket);
    return access(ready, F_OK) == 0 && PQping(connection) == PQPING_OK;
}

/* Blocks until the server runs, roles and all. */
static void start(struct db_cluster *cluster)
{
    int ready[2];

    if (pipe2(ready, O_CLOEXEC) != 0)
        give_up("pipe", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        give_up("fork", strerror(errno));
    if (child == 0) {
        /* Nobody waits for a shared supervisor: it belongs to init. */
        if (!cluster->is_private && fork() != 0)
            _exit(0);
        db_supervise(cluster->directory, ready[1], cluster->is_private);
    }
    close(ready[1]);
    if (cluster->is_private)
        cluster->supervisor = child;
    else
        waitpid(child, NULL, 0);

    char answer[512] = "";
    ssize_t size = read(ready[0], answer, sizeof(answer) - 1);
    close(ready[0]);
    if (size <= 0 || strcmp(answer, "ready") != 0)
        give_up(cluster->directory, size > 0 ? answer : "the supervisor died; see its log there");
}

struct db_cluster *db_cluster_join(bool is_private)
{
    struct db_cluster *cluster = calloc(1, sizeof(*cluster));

    if (cluster == NULL)
        give_up("calloc", "no memory");
    cluster->is_private = is_private;
    if (is_private)
        private_directory(cluster->directory, sizeof(cluster->directory));
    else
        shared_directory(cluster->directory, sizeof(cluster->directory));
    snprintf(cluster->socket, sizeof(cluster->socket), "%s/socket", cluster->directory);
    cluster->lock_fd = open_in(cluster->directory, "lock");
    lock(cluster->lock_fd, LOCK_EX);
    if (!is_running(cluster))
        start(cluster);
    /* Opened only now: a supervisor forked before does not share it. */
    cluster->users_fd = open_in(cluster->directory, "users");
    lock(cluster->users_fd, LOCK_SH);
    lock(cluster->lock_fd, LOCK_UN);
    return cluster;
}

void db_cluster_leave(struct db_cluster *cluster)
{
    close(cluster->users_fd);
    close(cluster->lock_fd);
    if (cluster->is_private)
        waitpid(cluster->supervisor, NULL, 0);
    free(cluster);
}

void db_cluster_stop_shared(void)
{
    struct db_cluster cluster = {0};

    shared_directory(cluster.directory, sizeof(cluster.directory));
    snprintf(cluster.socket, sizeof(cluster.socket), "%s/socket", cluster.directory);
    close(open_in(cluster.directory, "stop"));
    for (int waited_ms = 0; is_running(&cluster) && waited_ms < STOP_WAIT_MS; waited_ms += 50)
        usleep(50 * 1000);
}

const char *db_cluster_socket(const struct db_cluster *cluster)
{
    return cluster->socket;
}

/* Different migrations, different template: programs built apart may share a cluster. */
static uint64_t migrations_hash(void)
{
    const struct migration_set *set = &migration_set_embedded;
    uint64_t hash = FNV_BASIS;

    for (size_t i = 0; i < set->migration_count + set->function_count; i++) {
        const char *checksum = i < set->migration_count
                                   ? set->migrations[i].checksum
                                   : set->functions[i - set->migration_count].checksum;
        hash = hash_text(hash, checksum);
    }
    return hash;
}

static void execute(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        give_up(sql, PQerrorMessage(pg));
    PQclear(result);
}

static bool exists(PGconn *pg, const char *database)
{
    const char *values[] = {database};
    PGresult *result = PQexecParams(pg, "SELECT 1 FROM pg_database WHERE datname = $1", 1, NULL,
                                    values, NULL, NULL, 0);
    bool found = PQntuples(result) == 1;

    PQclear(result);
    return found;
}

static void make_template(struct db_cluster *cluster, PGconn *pg)
{
    char owner[256];
    char rename[256];

    execute(pg, "SET client_min_messages = warning");
    execute(pg, "DROP DATABASE IF EXISTS dues_template_making WITH (FORCE)");
    execute(pg, "CREATE DATABASE dues_template_making OWNER dues_owner");
    snprintf(owner, sizeof(owner), "host=%s user=dues_owner dbname=dues_template_making",
             cluster->socket);
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL || pg_migrate(owner, nowhere, stderr) != 0)
        give_up("template", "the migrations do not apply");
    fclose(nowhere);
    snprintf(rename, sizeof(rename), "ALTER DATABASE dues_template_making RENAME TO %s",
             cluster->template_name);
    execute(pg, rename);
}

const char *db_cluster_template(struct db_cluster *cluster)
{
    char superuser[256];

    snprintf(cluster->template_name, sizeof(cluster->template_name), "dues_template_%016" PRIx64,
             migrations_hash());
    snprintf(superuser, sizeof(superuser), "host=%s user=postgres dbname=postgres",
             cluster->socket);
    lock(cluster->lock_fd, LOCK_EX);
    PGconn *pg = PQconnectdb(superuser);
    if (PQstatus(pg) != CONNECTION_OK)
        give_up("template", PQerrorMessage(pg));
    if (!exists(pg, cluster->template_name))
        make_template(cluster, pg);
    PQfinish(pg);
    lock(cluster->lock_fd, LOCK_UN);
    return cluster->template_name;
}
