/*
 * One rotation, from wherever the last one stopped.
 */

#include "vault/rotate.h"

#include "base/fiber.h"
#include "base/text.h"
#include "crypto/locked.h"
#include "vault/vault_internal.h"

#define BATCH      500
#define ENTRY_SIZE (sizeof(struct uuid) + WRAPPED_SIZE)
#define ARENA_SIZE ((size_t)16 * 1024 * 1024)
#define PROGRESS   10000
#define LIMIT_US   (60 * US_PER_MINUTE)
#define LATE_WORDS "; run it again, it goes on with what is left"

const struct pg_statement rotate_kek_succeed = {
    .name = "kek_succeed",
    .sql = "SELECT outcome FROM kek_succeed($1, $2, $3, $4)",
};

const struct pg_statement rotate_kek_close = {
    .name = "kek_close",
    .sql = "SELECT outcome FROM kek_close($1)",
};

const struct pg_statement rotate_list_customer_keys = {
    .name = "rotate_list_customer_keys",
    .sql = "SELECT customer_id, wrapped_key FROM customer_data_key"
           " WHERE kek_id = $1 AND customer_id > $2 ORDER BY customer_id LIMIT $3",
};

const struct pg_statement rotate_customer_keys = {
    .name = "customer_data_key_rewrap",
    .sql = "SELECT rewrapped FROM customer_data_key_rewrap($1, $2, $3)",
};

const struct pg_statement rotate_house_key = {
    .name = "house_data_key_rewrap",
    .sql = "SELECT rewrapped FROM house_data_key_rewrap($1, $2, $3)",
};

/* Old: wrapped by another KEK, or sealed as before there were data keys (first byte 1). */
const struct pg_statement rotate_count = {
    .name = "rotate_count",
    .sql = "SELECT 'house_data_key' AS name, count(*) FILTER (WHERE kek_id = $1) AS good,"
           "       count(*) FILTER (WHERE kek_id <> $1) AS old FROM house_data_key"
           " UNION ALL SELECT 'customer_data_key', count(*) FILTER (WHERE kek_id = $1),"
           "       count(*) FILTER (WHERE kek_id <> $1) FROM customer_data_key"
           " UNION ALL SELECT 'signing_key', count(*) FILTER (WHERE f = '\\x02'),"
           "       count(*) FILTER (WHERE f = '\\x01')"
           "  FROM (SELECT substring(sealed_key FROM 1 FOR 1) AS f FROM signing_key) s"
           " UNION ALL SELECT 'payment_method', count(*) FILTER (WHERE f = '\\x02'),"
           "       count(*) FILTER (WHERE f = '\\x01')"
           "  FROM (SELECT substring(token_sealed FROM 1 FOR 1) AS f FROM payment_method) s"
           " UNION ALL SELECT 'gateway_key', count(*), 0 FROM gateway_key"
           " UNION ALL SELECT 'webhook_endpoint', count(*), 0 FROM webhook_endpoint"
           " UNION ALL SELECT 'payment_action', count(*), 0 FROM payment_action"
           " UNION ALL SELECT 'dispute_response', count(*), 0 FROM dispute_response"
           "  WHERE evidence_sealed <> ''"
           " UNION ALL SELECT 'recorded_request', count(*) FILTER (WHERE f = '\\x02'),"
           "       count(*) FILTER (WHERE f = '\\x01')"
           "  FROM (SELECT substring(answer FROM 1 FOR 1) AS f FROM recorded_request) s",
};

/* What a fiber is given and gives back. */
struct rotation {
    struct vault *vault;
    FILE *out;
    char *problem;
    const struct error *(*work)(struct call *call, struct rotation *rotation);
    int64_t bridge_us;
    int64_t old_rows;
    bool as_json; /* the counts */
    bool worked;
};

static void run_work(void *arg)
{
    struct rotation *rotation = arg;
    AUTO(arena_auto_free) struct arena *arena = arena_new(ARENA_SIZE);
    struct call call =
        call_of_house(rotation->vault->house, arena, "system/vault", "vault/rotate", LIMIT_US);
    const struct error *error = rotation->work(&call, rotation);

    rotation->worked = error == NULL;
    if (error != NULL)
        snprintf(rotation->problem, 256, "%s",
                 error->cause != NULL ? error->cause : error->message);
}

static struct data_key first_of_source(struct vault *vault)
{
    pthread_mutex_lock(&vault->mutex);
    struct data_key first = vault->keys->ring.keys[0];
    pthread_mutex_unlock(&vault->mutex);
    return first;
}

bool vault_source_is_current(struct vault *vault)
{
    AUTO(data_key_wipe) struct data_key first = first_of_source(vault);
    AUTO(data_key_wipe) struct data_key in_use = vault_kek_in_use(vault);

    return memcmp(first.id, in_use.id, KEY_ID_SIZE) == 0;
}

/* Is there anything left of a rotation that did not come to its end? */
static const struct error *look_for_rest(struct call *call, struct rotation *rotation, bool *rest)
{
    struct pg_rows rows;

    TRY(vault_learn(call, rotation->vault));
    TRY(pg_read(call, UUID_NIL, &vault_kek_list, (struct pg_params){NULL, 0}, &rows));
    *rest = false;
    for (size_t i = 0; i < rows.count; i++)
        *rest = *rest || pg_get_int64(&rows, i, "old_rows") > 0 || !pg_is_null(&rows, i, "bridge");
    return NULL;
}

static const struct error *succeed(struct call *call, struct vault *vault, FILE *out)
{
    AUTO(data_key_wipe) struct data_key fresh = first_of_source(vault);
    AUTO(data_key_wipe) struct data_key before = vault_kek_in_use(vault);
    const struct seal_place place = vault_place_bridge(call->arena, fresh.id);
    struct bytes bridge = sealed_make(call->arena, call->house->random, &before, &place,
                                      (struct bytes){&fresh, sizeof(fresh)});
    char hex[2 * KEY_ID_SIZE + 1];
    struct pg_rows rows;

    TRY(pg_write(call, UUID_NIL, &rotate_kek_succeed,
                 PG_PARAMS(pg_bytes(fresh.id, KEY_ID_SIZE), pg_bytes(before.id, KEY_ID_SIZE),
                           pg_bytes(bridge.data, bridge.size),
                           pg_time(clock_wall_us(call->house->clock))),
                 &rows));
    hex_encode(fresh.id, KEY_ID_SIZE, hex);
    fprintf(out, "key %s is in use\n", hex);
    return vault_learn(call, vault);
}

/* The new key: one that the operator has put first, or one of our making. */
static const struct error *bring_new_key(struct call *call, struct rotation *rotation)
{
    struct vault *vault = rotation->vault;
    char problem[256];
    bool rest;

    TRY(look_for_rest(call, rotation, &rest));
    if (!vault_source_is_current(vault))
        return succeed(call, vault, rotation->out);
    if (rest) {
        fprintf(rotation->out, "going on with the rotation that was not finished\n");
        return NULL;
    }
    if (!key_source_put_new(vault->source, call->house->random, problem) ||
        !vault_read_source(vault, problem))
        return vault_error(call, "%s", problem);
    fprintf(rotation->out, "a new key stands first in %s\n", vault->source.text);
    return succeed(call, vault, rotation->out);
}

static const struct error *wrap_house_key(struct call *call, struct vault *vault)
{
    const struct seal_place place = vault_place_house_key();
    AUTO(data_key_wipe) struct data_key kek = vault_kek_in_use(vault);
    AUTO(data_key_wipe) struct data_key key = {0};
    struct sealed sealed;
    struct bytes wrapped;
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &vault_house_load, (struct pg_params){NULL, 0}, &rows));
    wrapped.data = pg_get_bytes(&rows, 0, "wrapped_key", &wrapped.size);
    if (!sealed_parse(wrapped, &sealed) || !vault_unwrap(vault, call->arena, &place, wrapped, &key))
        return vault_error(call, "the source lacks the key that wrapped the house's data key");
    if (memcmp(sealed.key_id, kek.id, KEY_ID_SIZE) == 0)
        return NULL;
    struct bytes anew = vault_wrap(call->arena, call->house->random, &kek, &place, &key);
    return pg_write(call, UUID_NIL, &rotate_house_key,
                    PG_PARAMS(pg_bytes(anew.data, anew.size), pg_bytes(sealed.key_id, KEY_ID_SIZE),
                              pg_time(clock_wall_us(call->house->clock))),
                    &rows);
}

/* One batch of what hangs on `before`; `*last` moves on, and is nil at the end. */
static const struct error *wrap_batch(struct call *call, struct vault *vault,
                                      const struct data_key *before, struct uuid *last,
                                      int64_t *count)
{
    AUTO(data_key_wipe) struct data_key kek = vault_kek_in_use(vault);
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &rotate_list_customer_keys,
                PG_PARAMS(pg_bytes(before->id, KEY_ID_SIZE), pg_uuid(*last), pg_int64(BATCH)),
                &rows));
    uint8_t *batch = arena_alloc(call->arena, BATCH * ENTRY_SIZE);
    for (size_t i = 0; i < rows.count; i++) {
        AUTO(data_key_wipe) struct data_key key = {0};
        struct bytes wrapped;
        *last = pg_get_uuid(&rows, i, "customer_id");
        const struct seal_place place = vault_place_customer_key(*last);
        wrapped.data = pg_get_bytes(&rows, i, "wrapped_key", &wrapped.size);
        if (!vault_unwrap(vault, call->arena, &place, wrapped, &key))
            return vault_error(call, "the data key of customer %s does not open",
                               uuid_text(call->arena, *last));
        struct bytes anew = vault_wrap(call->arena, call->house->random, &kek, &place, &key);
        memcpy(batch + i * ENTRY_SIZE, last->bytes, sizeof(last->bytes));
        memcpy(batch + i * ENTRY_SIZE + sizeof(last->bytes), anew.data, anew.size);
    }
    if (rows.count < BATCH)
        *last = UUID_NIL;
    if (rows.count == 0)
        return NULL;
    TRY(pg_write(call, UUID_NIL, &rotate_customer_keys,
                 PG_PARAMS(pg_bytes(batch, rows.count * ENTRY_SIZE),
                           pg_bytes(before->id, KEY_ID_SIZE),
                           pg_time(clock_wall_us(call->house->clock))),
                 &rows));
    *count += pg_get_int64(&rows, 0, "rewrapped");
    return NULL;
}

static const struct error *wrap_customer_keys(struct call *call, struct rotation *rotation,
                                              const struct data_key *before)
{
    struct uuid last = UUID_NIL;
    int64_t count = 0;
    int64_t said = 0;

    do {
        TRY(wrap_batch(call, rotation->vault, before, &last, &count));
        arena_reset(call->arena);
        if (count / PROGRESS > said) {
            said = count / PROGRESS;
            fprintf(rotation->out, "customer_data_key: %lld wrapped anew\n", (long long)count);
            fflush(rotation->out);
        }
    } while (!uuid_is_nil(last));
    fprintf(rotation->out, "customer_data_key: %lld wrapped anew\n", (long long)count);
    return NULL;
}

/* Keys that are not at hand are of no matter unless something hangs on them; the count tells. */
static const struct error *wrap_all(struct call *call, struct rotation *rotation)
{
    struct vault *vault = rotation->vault;
    struct key_ring *ring = locked_new(sizeof(*ring));
    const struct error *error = wrap_house_key(call, vault);

    pthread_mutex_lock(&vault->mutex);
    *ring = vault->keys->ring;
    pthread_mutex_unlock(&vault->mutex);
    AUTO(data_key_wipe) struct data_key in_use = vault_kek_in_use(vault);
    for (size_t i = 0; error == NULL && i < ring->count; i++) {
        if (memcmp(ring->keys[i].id, in_use.id, KEY_ID_SIZE) != 0)
            error = wrap_customer_keys(call, rotation, &ring->keys[i]);
    }
    locked_free(ring, sizeof(*ring));
    return error;
}

/* Servers that have only the key before find the new one over the bridge, until it is closed. */
static const struct error *close_bridge(struct call *call, struct vault *vault, int64_t bridge_us)
{
    AUTO(data_key_wipe) struct data_key in_use = vault_kek_in_use(vault);
    int64_t stands_us = clock_wall_us(call->house->clock) - atomic_load(&vault->in_use_since_us);
    struct pg_rows rows;

    if (stands_us < bridge_us)
        fiber_sleep(bridge_us - (stands_us > 0 ? stands_us : 0));
    return pg_write(call, UUID_NIL, &rotate_kek_close, PG_PARAMS(pg_bytes(in_use.id, KEY_ID_SIZE)),
                    &rows);
}

static void print_count(const struct rotation *rotation, const char *table, const char *key,
                        int64_t good, int64_t old)
{
    if (rotation->as_json)
        fprintf(rotation->out,
                "{\"table\":\"%s\",\"key\":\"%s\",\"rows\":%lld,\"old_rows\":%lld}\n", table, key,
                (long long)good, (long long)old);
    else
        fprintf(rotation->out, "%-18s %16lld %12lld\n", table, (long long)good, (long long)old);
}

static const struct error *count_rows(struct call *call, struct rotation *rotation)
{
    AUTO(data_key_wipe) struct data_key in_use = vault_kek_in_use(rotation->vault);
    char hex[2 * KEY_ID_SIZE + 1];
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &rotate_count, PG_PARAMS(pg_bytes(in_use.id, KEY_ID_SIZE)), &rows));
    hex_encode(in_use.id, KEY_ID_SIZE, hex);
    if (!rotation->as_json)
        fprintf(rotation->out, "%-18s %16s %12s\n", "table", hex, "old keys");
    rotation->old_rows = 0;
    for (size_t i = 0; i < rows.count; i++) {
        int64_t old = pg_get_int64(&rows, i, "old");
        print_count(rotation, pg_get_text(&rows, i, "name"), hex, pg_get_int64(&rows, i, "good"),
                    old);
        rotation->old_rows += old;
    }
    return NULL;
}

static const struct error *rotate(struct call *call, struct rotation *rotation)
{
    TRY(bring_new_key(call, rotation));
    TRY(wrap_all(call, rotation));
    TRY(vault_reseal(call, rotation->out));
    TRY(close_bridge(call, rotation->vault, rotation->bridge_us));
    return count_rows(call, rotation);
}

bool vault_rotate(struct vault *vault, int64_t bridge_us, FILE *out, char problem[256])
{
    struct rotation rotation = {
        .vault = vault, .out = out, .problem = problem, .work = rotate, .bridge_us = bridge_us};

    fiber_run(vault->house->fibers, run_work, &rotation);
    if (!rotation.worked) {
        size_t used = strlen(problem);
        snprintf(problem + used, 256 - used, "%s", LATE_WORDS);
    } else if (rotation.old_rows > 0) {
        snprintf(problem, 256, "%lld rows still hang on an old key" LATE_WORDS,
                 (long long)rotation.old_rows);
    }
    return rotation.worked && rotation.old_rows == 0;
}

bool vault_count(struct vault *vault, bool as_json, FILE *out, int64_t *old_rows, char problem[256])
{
    struct rotation rotation = {
        .vault = vault, .out = out, .problem = problem, .work = count_rows, .as_json = as_json};

    fiber_run(vault->house->fibers, run_work, &rotation);
    *old_rows = rotation.old_rows;
    return rotation.worked;
}
