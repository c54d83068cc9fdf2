/*
 * Watchers in a table by their customer, and one statement every EVENT_POLL_US for all of them: the
 * count in a customer's row is the number of its last event, committed with it.  Without a watcher
 * nothing is asked.
 *
 * A write of this server is told here after its commit, whatever it was.  Most concern nobody who
 * watches: they cost one look at a counter.
 */
#include "customer/event_feed.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/bug.h"
#include "base/measure.h"
#include "base/watch.h"
#include "pg/lanes.h"
#include "pg/pg.h"

#define POLL_LIMIT_US   (2 * US_PER_SECOND)
#define POLL_ARENA_SIZE (8 * 1024 * 1024)

/* A power of two. */
#define SLOTS 4096

struct event_feed {
    const struct house *house;
    struct watch *watch;
    atomic_int counts[SLOTS]; /* of watchers */
    atomic_int_least64_t polls;
    atomic_int_least64_t wakes;

    pthread_mutex_t mutex; /* guards the rest */
    struct event_watcher *slots[SLOTS];
    size_t watcher_count;
};

/* The last bytes of our ids are random. */
static size_t slot_of(struct uuid customer)
{
    return ((size_t)customer.bytes[14] << 8 | customer.bytes[15]) & (SLOTS - 1);
}

void event_watch_begin(struct event_feed *feed, struct event_watcher *watcher, struct uuid customer,
                       struct stream *stream)
{
    size_t slot = slot_of(customer);

    *watcher = (struct event_watcher){.stream = stream, .customer = customer};
    pthread_mutex_lock(&feed->mutex);
    watcher->after = feed->slots[slot];
    if (watcher->after != NULL)
        watcher->after->before = watcher;
    feed->slots[slot] = watcher;
    feed->watcher_count++;
    pthread_mutex_unlock(&feed->mutex);
    /* Whoever writes after this sees it; what was written before, the watcher reads. */
    atomic_fetch_add(&feed->counts[slot], 1);
}

void event_watch_seen(struct event_feed *feed, struct event_watcher *watcher, int64_t sequence)
{
    pthread_mutex_lock(&feed->mutex);
    watcher->seen = sequence;
    pthread_mutex_unlock(&feed->mutex);
}

void event_watch_end(struct event_feed *feed, struct event_watcher *watcher)
{
    size_t slot = slot_of(watcher->customer);

    atomic_fetch_sub(&feed->counts[slot], 1);
    pthread_mutex_lock(&feed->mutex);
    if (watcher->before != NULL)
        watcher->before->after = watcher->after;
    else
        feed->slots[slot] = watcher->after;
    if (watcher->after != NULL)
        watcher->after->before = watcher->before;
    feed->watcher_count--;
    pthread_mutex_unlock(&feed->mutex);
}

/* Those of the customer who have not seen `sequence`. */
static void wake(struct event_feed *feed, struct uuid customer, int64_t sequence)
{
    pthread_mutex_lock(&feed->mutex);
    for (struct event_watcher *at = feed->slots[slot_of(customer)]; at != NULL; at = at->after) {
        if (at->seen < sequence && uuid_equal(at->customer, customer)) {
            stream_wake(at->stream);
            atomic_fetch_add_explicit(&feed->wakes, 1, memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&feed->mutex);
}

static void on_written(void *listener, struct uuid key)
{
    struct event_feed *feed = listener;

    if (atomic_load(&feed->counts[slot_of(key)]) > 0)
        wake(feed, key, INT64_MAX);
}

/*
 * One row whatever comes: the ids and counts of those customers who have more events than somebody
 * has seen.
 */
const struct pg_statement event_poll_statement = {
    .name = "event_poll",
    .sql =
        "SELECT coalesce(string_agg(uuid_send(c.customer_id) || int8send(c.event_count), ''), '')"
        "           AS news"
        "  FROM unnest(string_to_array($1, ',')::uuid[], string_to_array($2, ',')::bigint[])"
        "           AS w (customer_id, seen)"
        "  JOIN customer c ON c.customer_id = w.customer_id"
        " WHERE c.event_count > w.seen",
};

struct lists {
    char *customers;
    char *seen;
};

#define SEEN_LENGTH_MAX 20

/* NULL lists when nobody watches. */
static struct lists list_watchers(struct event_feed *feed, struct arena *arena)
{
    struct lists lists = {NULL, NULL};

    pthread_mutex_lock(&feed->mutex);
    size_t count = feed->watcher_count;
    if (count > 0) {
        lists.customers = arena_alloc(arena, count * (UUID_TEXT_LENGTH + 1) + 1);
        lists.seen = arena_alloc(arena, count * (SEEN_LENGTH_MAX + 1) + 1);
    }
    char *customer = lists.customers;
    char *seen = lists.seen;
    for (size_t slot = 0; count > 0 && slot < SLOTS; slot++) {
        for (struct event_watcher *at = feed->slots[slot]; at != NULL; at = at->after) {
            const char *comma = --count > 0 ? "," : "";
            uuid_format(at->customer, customer);
            customer += UUID_TEXT_LENGTH;
            *customer = comma[0];
            customer += strlen(comma);
            seen += snprintf(seen, SEEN_LENGTH_MAX + 2, "%" PRId64 "%s", at->seen, comma);
        }
    }
    pthread_mutex_unlock(&feed->mutex);
    return lists;
}

static int64_t read_int64(const uint8_t *bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof(number); i++)
        number = number << 8 | bytes[i];
    return (int64_t)number;
}

static const struct error *ask(void *owner, struct call *call)
{
    struct event_feed *feed = owner;
    struct lists lists = list_watchers(feed, call->arena);
    struct pg_rows rows;
    struct uuid customer;
    size_t size;

    if (lists.customers == NULL)
        return NULL;
    TRY(pg_read(call, UUID_NIL, &event_poll_statement,
                PG_PARAMS(pg_text(lists.customers), pg_text(lists.seen)), &rows));
    atomic_fetch_add_explicit(&feed->polls, 1, memory_order_relaxed);
    const uint8_t *news = pg_get_bytes(&rows, 0, "news", &size);
    size_t step = sizeof(customer.bytes) + sizeof(int64_t);
    for (size_t at = 0; at + step <= size; at += step) {
        memcpy(customer.bytes, news + at, sizeof(customer.bytes));
        wake(feed, customer, read_int64(news + at + sizeof(customer.bytes)));
    }
    return NULL;
}

struct event_feed *event_feed_open(const struct house *house)
{
    struct event_feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        bug("no memory for the feed of events");
    feed->house = house;
    pthread_mutex_init(&feed->mutex, NULL);
    pg_tell_written(house->pg, on_written, feed);
    feed->watch = watch_open(&(struct watch_question){
        .house = house,
        .caller = "system/events",
        .method = "events/poll",
        .every_us = EVENT_POLL_US,
        .limit_us = POLL_LIMIT_US,
        .arena_size = POLL_ARENA_SIZE,
        .ask = ask,
        .owner = feed,
        .trouble_event = "events.cannot_follow",
    });
    watch_start(feed->watch);
    return feed;
}

void event_feed_close(struct event_feed *feed)
{
    if (feed == NULL)
        return;
    watch_close(feed->watch);
    pthread_mutex_destroy(&feed->mutex);
    free(feed);
}

void event_feed_measure(struct event_feed *feed, struct measures *out)
{
    static const struct measure watchers = {"dues_event_watchers",
                                            "Streams that watch a customer's events.",
                                            MEASURE_GAUGE, MEASURE_PLAIN};
    static const struct measure polls = {
        "dues_event_polls_total",
        "Statements that asked for other servers' events, for all watchers.", MEASURE_COUNTER,
        MEASURE_PLAIN};
    static const struct measure wakes = {"dues_event_wakes_total",
                                         "Watchers woken by a write or by a poll.", MEASURE_COUNTER,
                                         MEASURE_PLAIN};

    pthread_mutex_lock(&feed->mutex);
    size_t count = feed->watcher_count;
    pthread_mutex_unlock(&feed->mutex);
    measure_number(out, &watchers, MEASURE_NO_LABELS, (int64_t)count);
    measure_number(out, &polls, MEASURE_NO_LABELS,
                   atomic_load_explicit(&feed->polls, memory_order_relaxed));
    measure_number(out, &wakes, MEASURE_NO_LABELS,
                   atomic_load_explicit(&feed->wakes, memory_order_relaxed));
}
