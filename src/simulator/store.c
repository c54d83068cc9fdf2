/*
 * Index and steps over the journal.  Each object is found by its id, and by chains of what lists
 * ask for (a customer's charges, events of a type, a pair of metadata), newest first.  A chain only
 * grows: who reads it looks whether the object still has the value.
 */

#include "simulator/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/bug.h"
#include "base/text.h"

#define INDEX_SIZE_MAX  ((size_t)8 * 1024 * 1024 * 1024)
#define BUCKETS_FIRST   4096
#define OBJECT_SIZE_MAX ((size_t)1024 * 1024)

#define FNV_BASIS 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

struct store_link {
    struct store_link *next_in_bucket; /* heads of chains only */
    const struct store_link *older;
    const struct store_link *next_of_record;
    const struct record *record;
    uint64_t hash;
};

struct record {
    struct record *next_in_bucket;
    const char *id;
    struct store_link *links;
    uint64_t hash;
    int64_t offset;
    size_t size;
};

struct store {
    struct store_file file;
    struct arena *arena;
    struct store_watcher watcher;
    struct record **records;
    struct store_link **links; /* the newest of each chain */
    size_t bucket_count;
    size_t record_count;
    size_t chain_count;
};

static uint64_t hash_more(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
    return (hash ^ 0x1f) * FNV_PRIME;
}

static uint64_t hash_chain(const char *kind, const char *field, const char *value)
{
    return hash_more(hash_more(hash_more(FNV_BASIS, kind), field), value);
}

char *json_text(struct arena *arena, const json_t *json, size_t indent, size_t *size)
{
    size_t flags = indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT;
    size_t length = json_dumpb(json, NULL, 0, flags);
    char *text = arena_alloc(arena, length + 1);

    if (length == 0 || json_dumpb(json, text, length, flags) != length)
        bug("JSON that cannot be written");
    if (size != NULL)
        *size = length;
    return text;
}

static struct record *record_find(const struct store *store, const char *id)
{
    uint64_t hash = hash_more(FNV_BASIS, id);
    struct record *record = store->records[hash % store->bucket_count];

    while (record != NULL && !(record->hash == hash && text_equal(record->id, id)))
        record = record->next_in_bucket;
    return record;
}

static struct store_link **chain_find(const struct store *store, uint64_t hash)
{
    struct store_link **slot = &store->links[hash % store->bucket_count];

    while (*slot != NULL && (*slot)->hash != hash)
        slot = &(*slot)->next_in_bucket;
    return slot;
}

/* Twice as many buckets; the old tables stay in the arena. */
static void grow(struct store *store)
{
    size_t old_count = store->bucket_count;
    struct record **records = store->records;
    struct store_link **links = store->links;

    store->bucket_count = old_count == 0 ? BUCKETS_FIRST : 2 * old_count;
    store->records = arena_array(store->arena, store->bucket_count, sizeof *store->records);
    store->links = arena_array(store->arena, store->bucket_count, sizeof *store->links);
    for (size_t i = 0; i < old_count; i++) {
        for (struct record *record = records[i], *next; record != NULL; record = next) {
            struct record **slot = &store->records[record->hash % store->bucket_count];
            next = record->next_in_bucket;
            record->next_in_bucket = *slot;
            *slot = record;
        }
        for (struct store_link *link = links[i], *next; link != NULL; link = next) {
            struct store_link **slot = &store->links[link->hash % store->bucket_count];
            next = link->next_in_bucket;
            link->next_in_bucket = *slot;
            *slot = link;
        }
    }
}

static void link_add(struct store *store, struct record *record, uint64_t hash)
{
    for (const struct store_link *link = record->links; link != NULL; link = link->next_of_record) {
        if (link->hash == hash)
            return;
    }
    struct store_link **slot = chain_find(store, hash);
    struct store_link *link = arena_alloc(store->arena, sizeof *link);
    *link = (struct store_link){
        .older = *slot, .next_of_record = record->links, .record = record, .hash = hash};
    if (*slot != NULL)
        link->next_in_bucket = (*slot)->next_in_bucket;
    else
        store->chain_count++;
    *slot = link;
    record->links = link;
}

static void link_object(struct store *store, struct record *record, const json_t *object)
{
    static const char *const fields[] = {"customer",     "payment_intent", "charge", "source",
                                         "setup_intent", "type",           "email"};
    const char *kind = json_string_value(json_object_get(object, "object"));
    const char *key;
    json_t *value;

    link_add(store, record, hash_chain(kind, "", ""));
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        const char *text = json_string_value(json_object_get(object, fields[i]));
        if (text != NULL)
            link_add(store, record, hash_chain(kind, fields[i], text));
    }
    json_t *metadata = json_object_get(object, "metadata");
    json_object_foreach(metadata, key, value)
    {
        uint64_t hash = hash_more(hash_more(FNV_BASIS, kind), "metadata");
        if (json_is_string(value))
            link_add(store, record, hash_more(hash_more(hash, key), json_string_value(value)));
    }
}

static void learn_object(struct store *store, const json_t *object, int64_t offset, size_t size)
{
    const char *id = json_string_value(json_object_get(object, "id"));
    struct record *record = record_find(store, id);

    if (record == NULL) {
        if (store->record_count + store->chain_count >= store->bucket_count)
            grow(store);
        record = arena_alloc(store->arena, sizeof *record);
        record->id = arena_strdup(store->arena, id);
        record->hash = hash_more(FNV_BASIS, id);
        struct record **slot = &store->records[record->hash % store->bucket_count];
        record->next_in_bucket = *slot;
        *slot = record;
        store->record_count++;
    }
    record->offset = offset;
    record->size = size;
    link_object(store, record, object);
    if (store->watcher.object != NULL)
        store->watcher.object(store->watcher.arg, object);
}

/* What stands around an object in its line. */
#define OBJECT_HEAD "{\"object\":"
#define OBJECT_TAIL "}\n"

static bool is_object(const json_t *object)
{
    return json_is_string(json_object_get(object, "id")) &&
           json_is_string(json_object_get(object, "object"));
}

/* The lines of a step that has not ended yet. */
struct reading {
    struct store *store;
    struct arena *arena; /* of the step */
    struct waiting {
        struct waiting *next;
        json_t *line;
        int64_t offset;
        size_t size;
    } * first, **last;
    const char *path;
    char *problem;
};

static void reading_drop(struct reading *reading)
{
    for (struct waiting *waiting = reading->first; waiting != NULL; waiting = waiting->next)
        json_decref(waiting->line);
    arena_reset(reading->arena);
    reading->first = NULL;
    reading->last = &reading->first;
}

static void reading_end_step(struct reading *reading, json_t *line)
{
    struct store *store = reading->store;
    const char *kind;
    json_t *value;

    for (struct waiting *waiting = reading->first; waiting != NULL; waiting = waiting->next)
        learn_object(store, json_object_get(waiting->line, "object"), waiting->offset,
                     waiting->size);
    json_object_foreach(line, kind, value)
    {
        if (store->watcher.end != NULL)
            store->watcher.end(store->watcher.arg, kind, value);
    }
    reading_drop(reading);
}

/* Takes the line over.  False: it is none of ours. */
static bool reading_take(struct reading *reading, json_t *line, const char *bytes, int64_t offset,
                         size_t size)
{
    const json_t *object = json_object_get(line, "object");
    bool is_ours = json_is_object(line) && json_object_size(line) == 1 &&
                   (object == NULL ||
                    (is_object(object) && memcmp(bytes, OBJECT_HEAD, strlen(OBJECT_HEAD)) == 0));

    if (!is_ours || object == NULL) {
        if (is_ours)
            reading_end_step(reading, line);
        json_decref(line);
        return is_ours;
    }
    struct waiting *waiting = arena_alloc(reading->arena, sizeof *waiting);
    *waiting = (struct waiting){.line = line,
                                .offset = offset + (int64_t)strlen(OBJECT_HEAD),
                                .size = size - strlen(OBJECT_HEAD) - 1};
    *reading->last = waiting;
    reading->last = &waiting->next;
    return true;
}

/* Where the last whole step ends; -1: a line is none of ours. */
static int64_t read_lines(struct reading *reading, const char *bytes, size_t size)
{
    int64_t end = 0;
    size_t at = 0;

    while (at < size) {
        const char *feed = memchr(bytes + at, '\n', size - at);
        if (feed == NULL)
            break;
        size_t length = (size_t)(feed - (bytes + at));
        json_t *line = json_loadb(bytes + at, length, 0, NULL);
        if (!reading_take(reading, line, bytes + at, (int64_t)at, length)) {
            snprintf(reading->problem, STORE_PROBLEM_SIZE,
                     "%s is not a journal of the simulator, at byte %zu", reading->path, at);
            return -1;
        }
        at += length + 1;
        if (reading->first == NULL)
            end = (int64_t)at;
    }
    return end;
}

static bool learn_all(struct store *store, const char *path, const char *bytes, size_t size,
                      char *problem)
{
    struct reading reading = {
        .store = store, .arena = arena_new(INDEX_SIZE_MAX), .path = path, .problem = problem};

    reading.last = &reading.first;
    int64_t end = read_lines(&reading, bytes, size);
    reading_drop(&reading);
    arena_free(reading.arena);
    if (end >= 0 && end < (int64_t)size && !store_file_cut(&store->file, end)) {
        snprintf(problem, STORE_PROBLEM_SIZE, "could not cut the end of the journal");
        return false;
    }
    return end >= 0;
}

struct store *store_open(const char *path, const struct store_watcher *watcher,
                         char problem[STORE_PROBLEM_SIZE])
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL)
        bug("no memory for a store");
    store->arena = arena_new(INDEX_SIZE_MAX);
    store->watcher = *watcher;
    grow(store);
    bool is_read = store_file_open(&store->file, path, problem);
    size_t size = (size_t)store->file.size;
    if (is_read && size > 0) {
        char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, store->file.descriptor, 0);
        is_read = bytes != MAP_FAILED && learn_all(store, path, bytes, size, problem);
        if (bytes != MAP_FAILED)
            munmap(bytes, size);
        else
            snprintf(problem, STORE_PROBLEM_SIZE, "could not read the journal");
    }
    if (is_read)
        return store;
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_file_close(&store->file);
    arena_free(store->arena);
    free(store);
}

bool store_sync(struct store *store)
{
    return store_file_sync(&store->file);
}

struct store_cursor store_list(const struct store *store, const char *kind, const char *field,
                               const char *value)
{
    uint64_t hash = hash_chain(kind, field, value);

    if (text_starts_with(field, "metadata/"))
        hash = hash_more(hash_more(hash_more(hash_more(FNV_BASIS, kind), "metadata"),
                                   field + strlen("metadata/")),
                         value);
    return (struct store_cursor){*chain_find(store, hash)};
}

const char *store_next(struct store_cursor *cursor)
{
    const struct store_link *link = cursor->next;

    if (link == NULL)
        return NULL;
    cursor->next = link->older;
    return link->record->id;
}

void tx_begin(struct tx *tx, struct store *store, struct arena *arena, int64_t now_us)
{
    *tx = (struct tx){
        .store = store,
        .arena = arena,
        .now_us = now_us,
        .cache = json_object(),
        .changed = json_object(),
        .kept = json_array(),
        .events = json_array(),
    };
}

void tx_end(struct tx *tx)
{
    json_decref(tx->cache);
    json_decref(tx->changed);
    json_decref(tx->kept);
    json_decref(tx->events);
    *tx = (struct tx){0};
}

static const char *id_of(const json_t *object)
{
    return json_string_value(json_object_get(object, "id"));
}

json_t *tx_load(struct tx *tx, const char *kind, const char *id)
{
    json_t *object = id == NULL ? NULL : json_object_get(tx->cache, id);

    if (object == NULL) {
        const struct record *record = id == NULL ? NULL : record_find(tx->store, id);
        if (record == NULL)
            return NULL;
        char *bytes = arena_alloc(tx->arena, record->size);
        if (store_file_read(&tx->store->file, record->offset, bytes, record->size))
            object = json_loadb(bytes, record->size, 0, NULL);
        if (object == NULL)
            bug("the journal changed under the simulator, at byte %" PRId64, record->offset);
        json_object_set_new(tx->cache, id, object);
    }
    const char *its_kind = json_string_value(json_object_get(object, "object"));
    return text_equal(its_kind, kind) ? object : NULL;
}

json_t *tx_add(struct tx *tx, json_t *object)
{
    if (!is_object(object))
        bug("an object without id and kind");
    json_object_set_new(tx->cache, id_of(object), object);
    tx_change(tx, object);
    return object;
}

void tx_change(struct tx *tx, json_t *object)
{
    json_object_set(tx->changed, id_of(object), object);
}

void tx_forget(struct tx *tx)
{
    json_object_clear(tx->cache);
    json_object_clear(tx->changed);
    json_array_clear(tx->events);
}

json_t *tx_keep(struct tx *tx, json_t *json)
{
    json_array_append_new(tx->kept, json);
    return json;
}

/* The lines of the step as one text. */
static char *render_step(struct tx *tx, const json_t *end, size_t *size)
{
    size_t count = json_object_size(tx->changed);
    struct {
        const char *text;
        size_t size;
    } *lines = arena_array(tx->arena, count + 1, sizeof *lines);
    size_t total = 0;
    size_t i = 0;
    const char *id;
    json_t *object;

    json_object_foreach(tx->changed, id, object)
    {
        const char *text = json_text(tx->arena, object, 0, NULL);
        lines[i].text = arena_printf(tx->arena, OBJECT_HEAD "%s" OBJECT_TAIL, text);
        lines[i].size = strlen(lines[i].text);
        total += lines[i++].size;
    }
    lines[i].text = arena_printf(tx->arena, "%s\n", json_text(tx->arena, end, 0, NULL));
    lines[i].size = strlen(lines[i].text);
    *size = total + lines[i].size;
    char *bytes = arena_alloc(tx->arena, *size + 1);
    for (size_t j = 0, at = 0; j <= count; at += lines[j++].size)
        memcpy(bytes + at, lines[j].text, lines[j].size);
    return bytes;
}

bool tx_commit(struct tx *tx, const char *kind, json_t *value)
{
    struct store *store = tx->store;
    json_t *end = json_pack("{s:o}", kind, value);

    if (end == NULL)
        bug("a step without an end: %s", kind);
    tx_keep(tx, end);
    size_t size;
    const char *bytes = render_step(tx, end, &size);
    int64_t offset;
    const char *id;
    json_t *object;
    size_t at = 0;

    if (!store_file_append(&store->file, bytes, size, &offset))
        return false;
    json_object_foreach(tx->changed, id, object)
    {
        size_t length = (size_t)((const char *)memchr(bytes + at, '\n', size - at) - (bytes + at));
        learn_object(store, object, offset + (int64_t)(at + strlen(OBJECT_HEAD)),
                     length - strlen(OBJECT_HEAD) - 1);
        at += length + 1;
    }
    if (store->watcher.end != NULL)
        store->watcher.end(store->watcher.arg, kind, value);
    return true;
}
