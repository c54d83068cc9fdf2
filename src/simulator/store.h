/*
 * What the simulated gateway knows: objects by their id, each a JSON object with "id" and "object"
 * (its kind).  They live in the journal; memory holds where.  Members whose name begins with '_'
 * are the simulator's own and never shown.
 *
 *   {"object":{…}}    an object as it is from now on
 *   {"call":{…}}      one request; makes the objects above it, up to the line before, count
 *   {"task":…}, {"delivery":…}, {"clock":…}   other ends of a step, which do the same
 *
 * A step is one write: after a crash it is there as a whole or not at all.  The caller's lock
 * serialises everything but store_sync.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "simulator/store_file.h"

struct store;

/* Told of each object and each end of a step, while the journal is read and then as they happen. */
struct store_watcher {
    void (*object)(void *arg, const json_t *object);
    void (*end)(void *arg, const char *kind, const json_t *value);
    void *arg;
};

/* NULL and one line in `problem`: not to be opened, in use, or no journal of a simulator. */
struct store *store_open(const char *path, const struct store_watcher *watcher,
                         char problem[STORE_PROBLEM_SIZE]);
void store_close(struct store *store);

/* Returns when all steps so far are on the disk. */
bool store_sync(struct store *store);

/* Ids of one kind, newest first; with a field only those where it has, or once had, that value. */
struct store_cursor {
    const struct store_link *next;
};
struct store_cursor store_list(const struct store *store, const char *kind, const char *field,
                               const char *value);
/* NULL at the end. */
const char *store_next(struct store_cursor *cursor);

/* One step: objects are loaded and changed in it, and nothing of it counts before its commit. */
struct tx {
    struct store *store;
    struct arena *arena;
    int64_t now_us;  /* by the simulated clock */
    json_t *cache;   /* id → object */
    json_t *changed; /* id → the same object */
    json_t *kept;    /* other JSON that lives as long as the step */
    json_t *events;  /* ids of the events that it made, in order */
};

void tx_begin(struct tx *tx, struct store *store, struct arena *arena, int64_t now_us);
void tx_end(struct tx *tx);

/* Borrowed; NULL when there is none of this kind. */
json_t *tx_load(struct tx *tx, const char *kind, const char *id);

/* A new object: takes the reference over and lends it back. */
json_t *tx_add(struct tx *tx, json_t *object);

/* An object of this step was changed. */
void tx_change(struct tx *tx, json_t *object);

/* Nothing of this step was changed after all. */
void tx_forget(struct tx *tx);

/* Takes the reference over and lends it back. */
json_t *tx_keep(struct tx *tx, json_t *json);

/* Writes the changed objects and the line {kind: value}; the value's reference is taken over.
 * False: it did not happen. */
bool tx_commit(struct tx *tx, const char *kind, json_t *value);

/* The compact text, or with `indent`; NUL terminated, in the arena. */
char *json_text(struct arena *arena, const json_t *json, size_t indent, size_t *size);
