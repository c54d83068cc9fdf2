/*
 * The journal's file.  An append that failed half-way is cut off again, so a line is in it whole or
 * not at all; kill -9 loses nothing that write(2) took, the sync is for power cuts.
 */

#include "simulator/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool store_file_open(struct store_file *file, const char *path, char problem[STORE_PROBLEM_SIZE])
{
    struct stat status;

    pthread_mutex_init(&file->sync_lock, NULL);
    file->descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file->descriptor < 0 || fstat(file->descriptor, &status) != 0) {
        snprintf(problem, STORE_PROBLEM_SIZE, "could not open the journal \"%s\": %s", path,
                 strerror(errno));
        return false;
    }
    if (flock(file->descriptor, LOCK_EX | LOCK_NB) != 0) {
        snprintf(problem, STORE_PROBLEM_SIZE, "the journal \"%s\" is in use by another process",
                 path);
        return false;
    }
    file->size = status.st_size;
    return true;
}

void store_file_close(struct store_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
    pthread_mutex_destroy(&file->sync_lock);
}

bool store_file_cut(struct store_file *file, int64_t size)
{
    if (ftruncate(file->descriptor, size) != 0)
        return false;
    file->size = size;
    return true;
}

bool store_file_append(struct store_file *file, const void *bytes, size_t size, int64_t *offset)
{
    const char *next = bytes;
    size_t left = size;

    *offset = file->size;
    while (left > 0) {
        ssize_t written = write(file->descriptor, next, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            if (ftruncate(file->descriptor, *offset) != 0)
                return false;
            return false;
        }
        next += written;
        left -= (size_t)written;
    }
    file->size = *offset + (int64_t)size;
    return true;
}

bool store_file_sync(struct store_file *file)
{
    int64_t wanted = file->size;
    bool is_synced = true;

    pthread_mutex_lock(&file->sync_lock);
    if (file->synced < wanted) {
        int64_t size = file->size;
        is_synced = fdatasync(file->descriptor) == 0;
        if (is_synced)
            file->synced = size;
    }
    pthread_mutex_unlock(&file->sync_lock);
    return is_synced;
}

bool store_file_read(const struct store_file *file, int64_t offset, void *bytes, size_t size)
{
    char *next = bytes;

    while (size > 0) {
        ssize_t got = pread(file->descriptor, next, size, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        next += got;
        offset += got;
        size -= (size_t)got;
    }
    return true;
}
