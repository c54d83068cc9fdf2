/*
 * The list is a hash set of the hashes themselves, with a mark for those that were withdrawn.  A
 * fiber reads every second what is newer than what it has read; one row says each change, and
 * versions are committed in order, so nothing is read twice or missed.
 */

#include "rpc/deny_list.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/time.h"
#include "base/watch.h"
#include "pg/pg.h"
#include "rpc/internal.h"

#define POLL_US US_PER_SECOND
/* Of one poll: the database is asked again soon enough. */
#define POLL_LIMIT_US (2 * US_PER_SECOND)
#define FIRST_TRIES   8
#define ROWS_MAX      1000 /* read with one statement */
#define ARENA_SIZE    (1024 * 1024)
#define SLOTS_MIN     1024
/* `duesd revoke` stops at a fifth of it. */
#define SLOTS_MAX (1024 * 1024)

enum slot_state { SLOT_EMPTY, SLOT_REVOKED, SLOT_WITHDRAWN };

struct slot {
    uint8_t key[SHA256_SIZE];
    uint8_t state;
};

struct deny_list {
    const struct house *house;
    struct watch *watch; /* NULL: the house has no database */
    int64_t version;     /* of the last row read; the watching fiber's */
    atomic_uint generation;
    _Atomic int64_t read_us; /* monotonic: when the list was last known to be whole */

    pthread_mutex_t mutex; /* of everything below */
    struct arena *arena;   /* of the slots */
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t slots_used;
    size_t revoked_count;
};

/* Nothing newer: one row all the same, to see that the table has not gone back in time. */
static const struct pg_statement revoked_key_list = {
    .name = "revoked_key_list",
    .sql = "SELECT m.latest, k.version, k.spki_hash, k.withdraw_time IS NOT NULL AS withdrawn"
           " FROM (SELECT coalesce(max(version), 0) AS latest FROM revoked_key) m"
           " LEFT JOIN LATERAL (SELECT version, spki_hash, withdraw_time FROM revoked_key"
           "   WHERE version > $1 ORDER BY version LIMIT $2) k ON true"
           " ORDER BY k.version",
};

pg_statement_list rpc_statements = {&revoked_key_list, NULL};

/* The slot of the key, or the empty one where it belongs.  The mutex is held. */
static struct slot *find_slot(const struct deny_list *list, const uint8_t key[SHA256_SIZE])
{
    size_t index;

    memcpy(&index, key, sizeof index); /* hashes are spread evenly as they are */
    for (;; index++) {
        struct slot *slot = &list->slots[index & (list->slot_count - 1)];
        if (slot->state == SLOT_EMPTY || memcmp(slot->key, key, SHA256_SIZE) == 0)
            return slot;
    }
}

/* The mutex is held. */
static void make_room(struct deny_list *list)
{
    struct arena *old_arena = list->arena;
    const struct slot *old = list->slots;
    size_t old_count = list->slot_count;

    list->slot_count = old_count == 0 ? SLOTS_MIN : 2 * old_count;
    list->arena = arena_new((list->slot_count + 1) * sizeof *list->slots);
    list->slots = arena_array(list->arena, list->slot_count, sizeof *list->slots);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].state != SLOT_EMPTY)
            *find_slot(list, old[i].key) = old[i];
    }
    arena_free(old_arena);
}

/* False: the list is full.  The mutex is held. */
static bool put(struct deny_list *list, const uint8_t key[SHA256_SIZE], bool withdrawn)
{
    if (2 * (list->slots_used + 1) > list->slot_count && list->slot_count < SLOTS_MAX)
        make_room(list);
    struct slot *slot = find_slot(list, key);
    if (slot->state == SLOT_EMPTY) {
        if (2 * (list->slots_used + 1) > list->slot_count)
            return false;
        memcpy(slot->key, key, SHA256_SIZE);
        list->slots_used++;
    }
    list->revoked_count += !withdrawn;
    list->revoked_count -= slot->state == SLOT_REVOKED;
    slot->state = withdrawn ? SLOT_WITHDRAWN : SLOT_REVOKED;
    return true;
}

static void take(struct deny_list *list, const struct pg_rows *rows)
{
    bool full = false;

    pthread_mutex_lock(&list->mutex);
    for (size_t i = 0; i < rows->count; i++) {
        size_t size;
        const uint8_t *key = pg_get_bytes(rows, i, "spki_hash", &size);
        if (size == SHA256_SIZE)
            full = !put(list, key, pg_get_bool(rows, i, "withdrawn")) || full;
        list->version = pg_get_int64(rows, i, "version");
    }
    pthread_mutex_unlock(&list->mutex);
    atomic_fetch_add_explicit(&list->generation, 1, memory_order_release);
    if (full)
        log_write(list->house->log, LOG_ERROR, "revocation.full",
                  LOG_FIELDS(LOG_TEXT("message", "more keys are revoked than a server can hold")));
}

static const struct error *read_news(struct deny_list *list, struct call *call)
{
    for (;;) {
        struct pg_rows rows;
        TRY(pg_read(call, UUID_NIL, &revoked_key_list,
                    PG_PARAMS(pg_int64(list->version), pg_int64(ROWS_MAX)), &rows));
        if (pg_get_int64(&rows, 0, "latest") < list->version) {
            /* The database is an older one again.  What was revoked stays so until a restart. */
            list->version = 0;
            continue;
        }
        if (pg_is_null(&rows, 0, "version"))
            return NULL;
        take(list, &rows);
        bool more = rows.count == ROWS_MAX;
        arena_reset(call->arena);
        if (!more)
            return NULL;
    }
}

static const struct error *ask(void *owner, struct call *call)
{
    struct deny_list *list = owner;

    TRY(read_news(list, call));
    atomic_store(&list->read_us, clock_monotonic_us(clock_system()));
    return NULL;
}

/*
 * After an outage all is read anew: the database may be one that was restored, and what it has been
 * told since then may carry versions that this list has seen.  Once, so that a long list that needs
 * several polls gets on.
 */
static void read_anew(void *owner)
{
    struct deny_list *list = owner;

    list->version = 0;
}

static bool read_first(struct deny_list *list)
{
    bool read = false;

    for (int tries = 0; !read && tries < FIRST_TRIES; tries++)
        read = watch_ask_now(list->watch);
    return read;
}

struct deny_list *deny_list_open(const struct house *house, char problem[RPC_PROBLEM_SIZE])
{
    struct deny_list *list = calloc(1, sizeof *list);

    if (list == NULL)
        bug("rpc: out of memory");
    list->house = house;
    pthread_mutex_init(&list->mutex, NULL);
    make_room(list);
    if (house->pg == NULL)
        return list;
    list->watch = watch_open(&(struct watch_question){
        .house = house,
        .caller = "system/revocation",
        .method = "revocation/read",
        .every_us = POLL_US,
        .limit_us = POLL_LIMIT_US,
        .arena_size = ARENA_SIZE,
        .ask = ask,
        .owner = list,
        .trouble_event = "revocation.cannot_read",
        .trouble_message = "the revoked keys stay as they were last read",
        .trouble = read_anew,
    });
    if (!read_first(list)) {
        snprintf(problem, RPC_PROBLEM_SIZE, "could not read the revoked keys from the database");
        deny_list_close(list);
        return NULL;
    }
    watch_start(list->watch);
    return list;
}

void deny_list_close(struct deny_list *list)
{
    if (list == NULL)
        return;
    watch_close(list->watch);
    arena_free(list->arena);
    pthread_mutex_destroy(&list->mutex);
    free(list);
}

unsigned deny_list_generation(const struct deny_list *list)
{
    return atomic_load_explicit(&list->generation, memory_order_acquire);
}

bool deny_list_has(struct deny_list *list, const uint8_t (*keys)[SHA256_SIZE], size_t count)
{
    bool has = false;

    pthread_mutex_lock(&list->mutex);
    for (size_t i = 0; i < count && !has; i++)
        has = find_slot(list, keys[i])->state == SLOT_REVOKED;
    pthread_mutex_unlock(&list->mutex);
    return has;
}

void deny_list_measure(struct deny_list *list, struct measures *out)
{
    static const struct measure keys = {"dues_revoked_keys", "Keys that are refused.",
                                        MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure age = {"dues_revoked_keys_age_seconds",
                                       "Time since the list of revoked keys was last read.",
                                       MEASURE_GAUGE, MEASURE_SECONDS};

    pthread_mutex_lock(&list->mutex);
    size_t count = list->revoked_count;
    pthread_mutex_unlock(&list->mutex);
    measure_number(out, &keys, MEASURE_NO_LABELS, (int64_t)count);
    if (list->house->pg != NULL)
        measure_number(out, &age, MEASURE_NO_LABELS,
                       clock_monotonic_us(clock_system()) - atomic_load(&list->read_us));
}
