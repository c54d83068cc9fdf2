/*
 * Checkpoints, from the first to the newest: none left out, each fits its hash, its list of heads,
 * the one before and its signature.
 */
#include "ledger/verify_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/time.h"

/* A server that goes away between drawing and signing leaves it to the next round of another. */
#define UNSIGNED_US US_PER_HOUR

const struct pg_statement verify_checkpoints_statement = {
    .name = "ledger_verify_checkpoints",
    .sql =
        "SELECT number, draw_time, head_count, heads_hash, previous_hash, hash, key_id, signature"
        "  FROM ledger_checkpoint WHERE number > $1 ORDER BY number LIMIT $2",
};

const struct pg_statement verify_heads_of_statement = {
    .name = "ledger_verify_heads_of",
    .sql = "SELECT customer_id, position, hash FROM ledger_sealed_head"
           " WHERE checkpoint_number = $1 ORDER BY checkpoint_number, customer_id LIMIT $2",
};

static struct ledger_finding about(const char *kind, int64_t number)
{
    return (struct ledger_finding){.kind = kind, .checkpoint = number};
}

static bool check_heads(struct verify *verify, struct arena *arena,
                        const struct ledger_checkpoint *checkpoint)
{
    uint8_t hash[SHA256_SIZE];
    struct pg_rows rows;

    if (!pg_scan_read(verify->scan, arena, &verify_heads_of_statement,
                      PG_PARAMS(pg_int64(checkpoint->number), pg_int64(PG_ROWS_MAX)), &rows,
                      verify->problem))
        return false;
    uint8_t *list = arena_array(arena, rows.count + 1, LEDGER_HEAD_SIZE);
    for (size_t i = 0; i < rows.count; i++) {
        verify_take_hash(&rows, i, "hash", hash);
        ledger_head_bytes(pg_get_uuid(&rows, i, "customer_id"), pg_get_int64(&rows, i, "position"),
                          hash, list + i * LEDGER_HEAD_SIZE);
    }
    sha256(list, rows.count * LEDGER_HEAD_SIZE, hash);
    if ((int64_t)rows.count == checkpoint->head_count &&
        memcmp(hash, checkpoint->heads_hash, SHA256_SIZE) == 0)
        return true;
    verify_found(verify, about("checkpoint_changed", checkpoint->number),
                 "checkpoint %" PRId64 ": the heads that it sealed were changed (%zu of %" PRId64
                 " are there)",
                 checkpoint->number, rows.count, checkpoint->head_count);
    return true;
}

static void check_signature(struct verify *verify, const struct pg_rows *rows, size_t row,
                            const struct ledger_checkpoint *checkpoint)
{
    const struct ledger_verify_options *options = verify->options;
    const char *key_id = pg_get_text(rows, row, "key_id");
    size_t size;
    const uint8_t *signature = pg_get_bytes(rows, row, "signature", &size);

    if (size == 0) {
        if (options->now_us - checkpoint->draw_time_us > UNSIGNED_US)
            verify_found(verify, about("signature_wrong", checkpoint->number),
                         "checkpoint %" PRId64 ": nobody has signed it", checkpoint->number);
        return;
    }
    for (size_t i = 0; i < options->key_count && size == ES256_SIGNATURE_SIZE; i++) {
        if (text_equal(options->keys[i].key_id, key_id) &&
            ledger_checkpoint_is_signed(options->keys[i].key, checkpoint->hash, signature))
            return;
    }
    verify_found(verify, about("signature_wrong", checkpoint->number),
                 "checkpoint %" PRId64 ": its signature is not of a key of ours",
                 checkpoint->number);
}

static void check_against_kept(struct verify *verify, const struct ledger_checkpoint *checkpoint)
{
    const struct ledger_verify_options *options = verify->options;

    if (checkpoint->number == options->kept_number &&
        memcmp(checkpoint->hash, options->kept_hash, SHA256_SIZE) != 0)
        verify_found(verify, about("checkpoint_lost", checkpoint->number),
                     "checkpoint %" PRId64 ": it is not the one that was kept", checkpoint->number);
}

/* `previous` becomes its hash. */
static bool check_row(struct verify *verify, struct arena *arena, const struct pg_rows *rows,
                      size_t row, uint8_t previous[SHA256_SIZE])
{
    int64_t expected = verify->summary->checkpoints + 1;
    uint8_t hash[SHA256_SIZE];
    struct ledger_checkpoint checkpoint = {
        .number = pg_get_int64(rows, row, "number"),
        .draw_time_us = pg_get_time(rows, row, "draw_time"),
        .head_count = pg_get_int64(rows, row, "head_count"),
    };

    verify_take_hash(rows, row, "heads_hash", checkpoint.heads_hash);
    verify_take_hash(rows, row, "previous_hash", checkpoint.previous_hash);
    verify_take_hash(rows, row, "hash", checkpoint.hash);
    ledger_checkpoint_hash(&checkpoint, hash);
    if (checkpoint.number != expected)
        verify_found(verify, about("checkpoint_missing", expected),
                     "checkpoints %" PRId64 " to %" PRId64 " are missing", expected,
                     checkpoint.number - 1);
    else if (memcmp(previous, checkpoint.previous_hash, SHA256_SIZE) != 0)
        verify_found(verify, about("checkpoint_changed", checkpoint.number),
                     "checkpoint %" PRId64 ": it does not follow the one before",
                     checkpoint.number);
    if (memcmp(hash, checkpoint.hash, SHA256_SIZE) != 0)
        verify_found(verify, about("checkpoint_changed", checkpoint.number),
                     "checkpoint %" PRId64 ": it does not fit its hash", checkpoint.number);
    check_signature(verify, rows, row, &checkpoint);
    check_against_kept(verify, &checkpoint);
    verify->summary->checkpoints = checkpoint.number;
    memcpy(previous, checkpoint.hash, SHA256_SIZE);
    return check_heads(verify, arena, &checkpoint);
}

static bool check_all(struct verify *verify, struct arena *arena)
{
    uint8_t *previous = verify->summary->newest_hash;
    struct pg_rows rows;

    do {
        arena_reset(arena);
        if (!pg_scan_read(verify->scan, arena, &verify_checkpoints_statement,
                          PG_PARAMS(pg_int64(verify->summary->checkpoints), pg_int64(VERIFY_PAGE)),
                          &rows, verify->problem))
            return false;
        AUTO(arena_auto_free) struct arena *heads = arena_new(VERIFY_ARENA_SIZE);
        for (size_t i = 0; i < rows.count; i++) {
            arena_reset(heads);
            if (!check_row(verify, heads, &rows, i, previous))
                return false;
        }
    } while (rows.count == VERIFY_PAGE);
    return true;
}

bool verify_checkpoints(struct verify *verify)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(VERIFY_ARENA_SIZE);

    if (!check_all(verify, arena))
        return false;
    if (verify->options->kept_number > verify->summary->checkpoints)
        verify_found(verify, about("checkpoint_lost", verify->options->kept_number),
                     "checkpoint %" PRId64 ": it was kept elsewhere and is not here; the newest is "
                     "%" PRId64,
                     verify->options->kept_number, verify->summary->checkpoints);
    return true;
}
