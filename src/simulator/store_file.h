/*
 * The journal's file: JSON lines, appended only.  What was answered is in it, on the disk.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PROBLEM_SIZE 256

struct store_file {
    int descriptor;
    _Atomic int64_t size; /* where the next line begins */
    pthread_mutex_t sync_lock;
    int64_t synced; /* under sync_lock: this much is on the disk */
};

/* Opens or creates the file, for this process alone. */
bool store_file_open(struct store_file *file, const char *path, char problem[STORE_PROBLEM_SIZE]);
void store_file_close(struct store_file *file);

/* Cuts what a crash left behind the last whole step. */
bool store_file_cut(struct store_file *file, int64_t size);

/* One write(2), whole or not at all; callers take turns.  `*offset` is where the bytes begin. */
bool store_file_append(struct store_file *file, const void *bytes, size_t size, int64_t *offset);

/* Returns when all that was appended before is on the disk.  Any thread; one sync serves many. */
bool store_file_sync(struct store_file *file);

bool store_file_read(const struct store_file *file, int64_t offset, void *bytes, size_t size);
