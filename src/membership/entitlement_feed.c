/*
 * One statement every ENTITLEMENT_POLL_US tells whose entitlements changed since the snapshot of
 * the last one, and whether the catalogue is still the same.
 *
 * Nothing is missed: a change is a row with the id of its transaction, and the next poll asks for
 * rows that the last snapshot did not see.  What that rests on is checked, and in doubt everything
 * is forgotten: ids of transactions are of one run of one server (after a crash an id that was
 * given to nobody's commit is given again), so each poll must come over a connection that is older
 * than the one before; and rows are deleted some time after, so no poll may come too late.
 */
#include "membership/entitlement_feed.h"

#include "base/bug.h"
#include "base/watch.h"
#include "membership/entitlement_cache.h"
#include "membership/statements.h"
#include "pg/pg.h"

#define POLL_LIMIT_US (2 * US_PER_SECOND)

/* Rows are kept so long, and a follower that was away for half of it begins anew. */
#define RETENTION_US (10 * US_PER_MINUTE)

/* More changes between two polls than these are not told one by one. */
#define CUSTOMERS_MAX 20000

#define POLL_ARENA_SIZE (2 * 1024 * 1024)
#define KEPT_ARENA_SIZE (256 * 1024)

/* Where the last poll stood. */
struct position {
    const char *snapshot; /* NULL: there was none */
    int64_t database_us;  /* the database's clock */
    int64_t server_start_us;
    int64_t catalogue;
};

struct entitlement_feed {
    const struct house *house;
    struct watch *watch;

    /* The watching fiber's own: */
    struct arena *kept; /* of the position */
    struct position last;
    char forget_before[24]; /* an id that was the oldest running at: */
    int64_t forget_since_us;
};

/*
 * Ids at or beyond the snapshot's end come from a restored dump.  The sums are the catalogue's
 * fingerprint: whatever is changed in it, by whatever way, is another one.
 */
const struct pg_statement entitlement_poll_statement = {
    .name = "entitlement_poll",
    .sql = "SELECT pg_current_snapshot()::text AS snapshot,"
           "       pg_snapshot_xmin(pg_current_snapshot())::text AS oldest,"
           "       clock_timestamp() AS database_time,"
           "       pg_postmaster_start_time() AS server_start,"
           "       (SELECT s.backend_start FROM pg_stat_get_activity(pg_backend_pid()) s)"
           "           AS session_start,"
           "       coalesce((SELECT bit_xor(hashtextextended(t.tier_id, t.open_to_all::integer))"
           "                   FROM tier t), 0)"
           "     # coalesce((SELECT bit_xor(hashtextextended(e.tier_id || ' ' || e.entitlement, 2))"
           "                   FROM tier_entitlement e), 0) AS catalogue,"
           "       coalesce((SELECT string_agg(uuid_send(c.customer_id), '') FROM ("
           "           SELECT e.customer_id FROM entitlement_change e"
           "            WHERE e.recorded >= pg_snapshot_xmin($1::text::pg_snapshot)"
           "              AND e.recorded < pg_snapshot_xmax(pg_current_snapshot())"
           "              AND NOT pg_visible_in_snapshot(e.recorded, $1::text::pg_snapshot)"
           "            LIMIT $2) c), '') AS customers",
};

const struct pg_statement entitlement_change_forget_statement = {
    .name = "entitlement_change_forget",
    .sql = "SELECT entitlement_change_forget($1)",
};

static bool is_in_doubt(const struct position *last, const struct pg_rows *rows)
{
    int64_t database_us = pg_get_time(rows, 0, "database_time");

    return last->snapshot == NULL ||
           last->server_start_us != pg_get_time(rows, 0, "server_start") ||
           pg_get_time(rows, 0, "session_start") >= last->database_us ||
           database_us - last->database_us > RETENTION_US / 2 || database_us < last->database_us;
}

static void forget_changed(struct entitlement_feed *feed, const struct pg_rows *rows)
{
    struct entitlement_cache *cache = feed->house->entitlements;
    size_t size;
    const uint8_t *customers = pg_get_bytes(rows, 0, "customers", &size);
    struct uuid customer;

    if (is_in_doubt(&feed->last, rows) || size > CUSTOMERS_MAX * sizeof(customer.bytes) ||
        pg_get_int64(rows, 0, "catalogue") != feed->last.catalogue) {
        entitlement_cache_forget_all(cache);
        return;
    }
    for (size_t i = 0; i < size; i += sizeof(customer.bytes)) {
        memcpy(customer.bytes, customers + i, sizeof(customer.bytes));
        entitlement_cache_forget(cache, customer);
    }
}

static void keep_position(struct entitlement_feed *feed, const struct pg_rows *rows)
{
    arena_reset(feed->kept);
    feed->last = (struct position){
        .snapshot = arena_strdup(feed->kept, pg_get_text(rows, 0, "snapshot")),
        .database_us = pg_get_time(rows, 0, "database_time"),
        .server_start_us = pg_get_time(rows, 0, "server_start"),
        .catalogue = pg_get_int64(rows, 0, "catalogue"),
    };
}

/* Now and then, what everybody has seen.  Another server may do the same; nothing is hurt. */
static const struct error *clean(struct entitlement_feed *feed, struct call *call,
                                 const struct pg_rows *rows)
{
    int64_t age_us = feed->last.database_us - feed->forget_since_us;
    struct pg_rows nothing;

    if (age_us >= 0 && age_us < RETENTION_US)
        return NULL;
    if (feed->forget_before[0] != '\0' && age_us >= 0)
        TRY(pg_write(call, UUID_NIL, &entitlement_change_forget_statement,
                     PG_PARAMS(pg_text(feed->forget_before)), &nothing));
    snprintf(feed->forget_before, sizeof(feed->forget_before), "%s",
             pg_get_text(rows, 0, "oldest"));
    feed->forget_since_us = feed->last.database_us;
    return NULL;
}

static const struct error *ask(void *owner, struct call *call)
{
    struct entitlement_feed *feed = owner;
    int64_t asked_us = clock_monotonic_us(feed->house->clock);
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &entitlement_poll_statement,
                PG_PARAMS(pg_text(feed->last.snapshot), pg_int64(CUSTOMERS_MAX + 1)), &rows));
    forget_changed(feed, &rows);
    keep_position(feed, &rows);
    entitlement_cache_followed(feed->house->entitlements, asked_us);
    return clean(feed, call, &rows);
}

struct entitlement_feed *entitlement_feed_open(const struct house *house)
{
    struct entitlement_feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        bug("no memory for the feed of entitlements");
    feed->house = house;
    feed->kept = arena_new(KEPT_ARENA_SIZE);
    feed->watch = watch_open(&(struct watch_question){
        .house = house,
        .caller = "system/entitlements",
        .method = "entitlements/poll",
        .every_us = ENTITLEMENT_POLL_US,
        .limit_us = POLL_LIMIT_US,
        .arena_size = POLL_ARENA_SIZE,
        .ask = ask,
        .owner = feed,
        .trouble_event = "entitlements.cannot_follow",
    });
    watch_start(feed->watch);
    return feed;
}

void entitlement_feed_close(struct entitlement_feed *feed)
{
    if (feed == NULL)
        return;
    watch_close(feed->watch);
    arena_free(feed->kept);
    free(feed);
}
