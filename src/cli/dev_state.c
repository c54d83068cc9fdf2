/*
 * The state directory: is it ours, is it of this version, does another run use it.
 */
#include "cli/dev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/connection.h"

/* Goes up when an older `dues dev` could not run what this one leaves behind, or the reverse. */
#define STATE_VERSION         "dues-dev 1\n"
#define FILE_SIZE_MAX         (64 << 10)
#define LEFTOVERS_PATIENCE_MS 40000

const char *dev_path(const struct dev *dev, const char *name)
{
    return arena_printf(dev->arena, "%s/%s", dev->directory, name);
}

const char *dev_read(const struct dev *dev, const char *name)
{
    FILE *file = fopen(dev_path(dev, name), "re");
    if (file == NULL)
        return NULL;
    char *text = arena_alloc(dev->arena, FILE_SIZE_MAX);
    size_t size = fread(text, 1, FILE_SIZE_MAX - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

const char *dev_write(const struct dev *dev, const char *name, const char *text, mode_t mode)
{
    const char *path = dev_path(dev, name);
    const char *draft = arena_printf(dev->arena, "%s.new", path);
    size_t size = strlen(text);
    unlink(draft);
    int file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool written = file >= 0 && write(file, text, size) == (ssize_t)size && fsync(file) == 0;
    int trouble = errno;
    if (file >= 0)
        close(file);
    if (written && rename(draft, path) == 0)
        return NULL;
    return arena_printf(dev->arena, "could not write %s: %s", path,
                        strerror(written ? errno : trouble));
}

static const char *make_directories(struct dev *dev, const char *path)
{
    char *prefix = arena_strdup(dev->arena, path);
    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(prefix, 0755);
        *slash = '/';
    }
    if (mkdir(prefix, 0755) != 0 && errno != EEXIST)
        return arena_printf(dev->arena, "could not make %s: %s", path, strerror(errno));
    char *absolute = realpath(path, NULL);
    if (absolute == NULL)
        return arena_printf(dev->arena, "could not open %s: %s", path, strerror(errno));
    dev->directory = arena_strdup(dev->arena, absolute);
    free(absolute);
    return NULL;
}

static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    int count = 0;
    while (count <= 2 && readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count <= 2; /* "." and ".." */
}

/* Whether the directory is ours to use, before anything in it is touched. */
static const char *check_owner(struct dev *dev)
{
    const char *version = dev_read(dev, "version");
    struct stat status;
    if (stat(dev->directory, &status) != 0 || !S_ISDIR(status.st_mode))
        return arena_printf(dev->arena, "%s is not a directory", dev->directory);
    if (status.st_uid != geteuid() && geteuid() != 0)
        return arena_printf(dev->arena, "%s belongs to another user", dev->directory);
    if (version != NULL && !text_equal(version, STATE_VERSION))
        return arena_printf(dev->arena,
                            "%s was made by another version (\"%.*s\", this is \"%.*s\"): choose "
                            "another --state-dir, or remove it",
                            dev->directory, (int)strcspn(version, "\n"), version,
                            (int)strcspn(STATE_VERSION, "\n"), STATE_VERSION);
    if (version == NULL && dev_read(dev, "incomplete") == NULL && !is_empty(dev->directory))
        return arena_printf(dev->arena,
                            "%s is not empty and not a state directory of `dues dev`: choose "
                            "another --state-dir",
                            dev->directory);
    dev->is_new = version == NULL;
    return NULL;
}

/* True when the process that wrote the lock file is alive and a `dues`. */
static bool owner_lives(struct dev *dev, long *pid)
{
    const char *text = dev_read(dev, "lock");
    *pid = text == NULL ? 0 : strtol(text, NULL, 10);
    if (*pid <= 0 || kill((pid_t)*pid, 0) != 0)
        return false;
    char program[PATH_MAX];
    ssize_t size =
        readlink(arena_printf(dev->arena, "/proc/%ld/exe", *pid), program, sizeof(program) - 1);
    /* Somebody else's process cannot be looked at, and then it is a run of theirs. */
    if (size < 0)
        return true;
    program[size] = '\0';
    return strstr(program, "/dues") != NULL;
}

/*
 * The lock is inherited by everything started from here on: when it is free, nothing of an earlier
 * run is alive, be it ended by kill -9.
 */
static const char *take_lock(struct dev *dev)
{
    const struct clock *clock = clock_system();
    int64_t until_us = clock_monotonic_us(clock) + LEFTOVERS_PATIENCE_MS * US_PER_MS;
    int lock = open(dev_path(dev, "lock"), O_RDWR | O_CREAT, 0600); /* no O_CLOEXEC: inherited */
    if (lock < 0)
        return arena_printf(dev->arena, "could not open %s/lock: %s", dev->directory,
                            strerror(errno));
    while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        long pid;
        if (owner_lives(dev, &pid))
            return arena_printf(dev->arena, "%s is in use by process %ld", dev->directory, pid);
        /* Whoever waits for this run must not take the mark of the crashed one for its own. */
        unlink(dev_path(dev, STATE_READY));
        if (clock_monotonic_us(clock) > until_us)
            return arena_printf(dev->arena, "an earlier run in %s has not ended", dev->directory);
        dev_pump(dev, 100);
        if (dev->stopping)
            return "interrupted";
    }
    dev->is_ours = true;
    unlink(dev_path(dev, STATE_READY));
    char text[32];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)size, 0) != size)
        return arena_printf(dev->arena, "could not write %s/lock: %s", dev->directory,
                            strerror(errno));
    return NULL;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* What a crashed run left: marks that say too much, a half-made database. */
static const char *clean_up(struct dev *dev)
{
    const char *socket_directory = dev_read(dev, "socket-directory");
    unlink(dev_path(dev, "postgres/postmaster.pid"));
    /* PostgreSQL would take the socket's lock file for alive while its writer is a zombie. */
    remove_tree(dev_path(dev, "socket"));
    if (socket_directory != NULL && text_starts_with(socket_directory, "/tmp/dues-"))
        remove_tree(socket_directory);
    unlink(dev_path(dev, "socket-directory"));
    if (!dev->is_new)
        return NULL;
    remove_tree(dev_path(dev, "postgres"));
    return dev_write(dev, "incomplete", "", 0644);
}

const char *dev_state_open(struct dev *dev)
{
    const char *problem = make_directories(dev, dev->directory);
    if (problem == NULL)
        problem = check_owner(dev);
    if (problem == NULL)
        problem = take_lock(dev);
    /* Another run may have finished making it while we waited. */
    if (problem == NULL)
        problem = dev_read(dev, "version") != NULL ? check_owner(dev) : NULL;
    if (problem != NULL)
        return problem;
    /* PostgreSQL's user, and whoever pastes the grpcurl lines, must be able to pass. */
    struct stat status;
    if (stat(dev->directory, &status) == 0 && (status.st_mode & 0011) != 0011)
        chmod(dev->directory, (status.st_mode & 07777) | 0011);
    return clean_up(dev);
}

const char *dev_state_complete(struct dev *dev)
{
    const char *problem = dev_write(dev, "version", STATE_VERSION, 0644);
    if (problem == NULL)
        unlink(dev_path(dev, "incomplete"));
    dev->is_new = false;
    return problem;
}
