/*
 * What the simulator reads back at its start: a journal that a crash has cut, or that somebody has
 * edited.  It is taken whole or refused with a word, and what is added is read.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "simulator/store.h"

static void note_object(void *arg, const json_t *object)
{
    size_t *count = arg;

    if (!json_is_string(json_object_get(object, "id")))
        bug("an object without an id");
    (*count)++;
}

static void add_and_read(struct store *store)
{
    struct arena *arena = fuzz_arena();
    struct tx tx;

    tx_begin(&tx, store, arena, 0);
    tx_add(&tx, json_pack("{s:s, s:s, s:i}", "id", "ch_added", "object", "charge", "amount", 7));
    if (!tx_commit(&tx, "call", json_pack("{s:i}", "number", 1)))
        bug("the journal takes nothing");
    tx_end(&tx);
    tx_begin(&tx, store, arena, 0);
    const json_t *read = tx_load(&tx, "charge", "ch_added");
    if (json_integer_value(json_object_get(read, "amount")) != 7)
        bug("what was added is not read");
    tx_end(&tx);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    char problem[STORE_PROBLEM_SIZE] = "";
    char path[64];
    size_t objects = 0;
    const struct store_watcher watcher = {.object = note_object, .arg = &objects};
    int file = memfd_create("journal", MFD_CLOEXEC);

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        bug("no file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct store *store = store_open(path, &watcher, problem);
    if (store != NULL)
        add_and_read(store);
    else if (problem[0] == '\0')
        bug("refused without a word");
    store_close(store);
    close(file);
    return 0;
}
