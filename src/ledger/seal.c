/*
 * One round: look for what is not sealed, draw checkpoints over it, sign each.
 *
 * The database finds what is new by its transactions (ledger_checkpoint_look); where that is not
 * known, at the very first round or after a restore, all customers are walked, as far as a round
 * gets, and the next goes on.  A checkpoint that nobody signed, because its server went away, is
 * signed by the next round of any server.
 */
#include "ledger/seal.h"

#include <pthread.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "base/watch.h"
#include "ledger/chain.h"
#include "ledger/read.h"

#define ROUND_LIMIT_US (60 * US_PER_SECOND)
#define ARENA_SIZE     ((size_t)64 * 1024 * 1024)

/* Heads of one checkpoint: a recorded step that keeps its lane for milliseconds. */
#define SLICE_MAX 500
/* What one look tells, and how many looks and pages of a walk one round takes. */
#define LOOK_MAX  10000
#define LOOKS_MAX 10
#define PAGES_MAX 200

/* "uuid,uuid,…" */
#define LISTED_SIZE (UUID_TEXT_LENGTH + 1)

struct standing {
    int64_t sealed_us;   /* monotonic, when all was known to be sealed */
    int64_t checkpoint;  /* the newest number seen */
    int64_t verified_us; /* wall, when the last verification finished; 0: never */
    int64_t findings;    /* of it */
};

struct ledger_sealer {
    struct ledger_seal_options options;
    struct watch *watch;
    int64_t open_us; /* wall */

    /* The sealing fiber's own: */
    int64_t next;    /* number of the next checkpoint */
    bool is_walking; /* all customers are walked, and this is how far: */
    struct uuid walked;
    int64_t walk_seen_until; /* as seen when the walk began */

    pthread_mutex_t mutex; /* guards the rest */
    struct standing standing;
};

static const struct measure sealed_age = {
    "dues_ledger_sealed_age_seconds",
    "Since all that was posted to the ledger was last known to be sealed by signed checkpoints.",
    MEASURE_GAUGE, MEASURE_SECONDS};
static const struct measure checkpoint_number = {"dues_ledger_checkpoint_number",
                                                 "Number of the newest checkpoint of the ledger.",
                                                 MEASURE_GAUGE, MEASURE_PLAIN};
static const struct measure verified_age = {
    "dues_ledger_verified_age_seconds",
    "Since a walk through all chains of the ledger last came to its end; without any, since this "
    "server started.",
    MEASURE_GAUGE, MEASURE_SECONDS};
static const struct measure verified_findings = {"dues_ledger_verify_findings",
                                                 "What that walk found to be damaged.",
                                                 MEASURE_GAUGE, MEASURE_PLAIN};

static const struct pg_statement look_statement = {
    .name = "ledger_checkpoint_look",
    .sql = "SELECT newest, unsigned_number, known_until, seen_until, customers, customer_count"
           "  FROM ledger_checkpoint_look($1)",
};

static const struct pg_statement walk_statement = {
    .name = "ledger_walk_customers",
    .sql = "SELECT coalesce(string_agg(c.customer_id::text, ','), '') AS customers,"
           "       count(*) AS customer_count"
           "  FROM (SELECT w.customer_id FROM customer w WHERE w.customer_id > $1"
           "         ORDER BY w.customer_id LIMIT $2) c",
};

static const struct pg_statement draw_statement = {
    .name = "ledger_checkpoint_draw",
    .sql = "SELECT is_new, number, draw_time, head_count, heads_hash, previous_hash, hash,"
           "       signature FROM ledger_checkpoint_draw($1, $2, $3, $4)",
};

static const struct pg_statement sign_statement = {
    .name = "ledger_checkpoint_sign",
    .sql = "SELECT ledger_checkpoint_sign($1, $2, $3)",
};

static const struct pg_statement verified_statement = {
    .name = "ledger_verified",
    .sql = "SELECT finish_time, finding_count FROM ledger_verification"
           " ORDER BY finish_time DESC LIMIT 1",
};

static bool take_hash(const struct pg_rows *rows, const char *column, uint8_t hash[SHA256_SIZE])
{
    size_t size;
    const uint8_t *bytes = pg_get_bytes(rows, 0, column, &size);

    if (size != SHA256_SIZE)
        return false;
    memcpy(hash, bytes, SHA256_SIZE);
    return true;
}

/* Only what is one of ours gets our signature. */
static const struct error *read_checkpoint(struct call *call, const struct pg_rows *rows,
                                           struct ledger_checkpoint *checkpoint)
{
    uint8_t expected[SHA256_SIZE];

    checkpoint->number = pg_get_int64(rows, 0, "number");
    checkpoint->draw_time_us = pg_get_time(rows, 0, "draw_time");
    checkpoint->head_count = pg_get_int64(rows, 0, "head_count");
    if (take_hash(rows, "heads_hash", checkpoint->heads_hash) &&
        take_hash(rows, "previous_hash", checkpoint->previous_hash) &&
        take_hash(rows, "hash", checkpoint->hash)) {
        ledger_checkpoint_hash(checkpoint, expected);
        if (memcmp(expected, checkpoint->hash, SHA256_SIZE) == 0)
            return NULL;
    }
    return error_cause(call->arena,
                       error_make(call->arena, STATUS_DATA_LOSS, "INTERNAL",
                                  "a checkpoint of the ledger does not fit its hash"),
                       "checkpoint %lld", (long long)checkpoint->number);
}

static const struct error *sign(struct ledger_sealer *sealer, struct call *call,
                                const struct pg_rows *rows)
{
    struct ledger_checkpoint checkpoint;
    uint8_t signature[ES256_SIGNATURE_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    struct pg_rows nothing;

    TRY(read_checkpoint(call, rows, &checkpoint));
    ledger_checkpoint_sign(sealer->options.key, checkpoint.hash, signature);
    TRY(pg_write(call, UUID_NIL, &sign_statement,
                 PG_PARAMS(pg_int64(checkpoint.number), pg_text(sealer->options.key_id),
                           pg_bytes(signature, sizeof signature)),
                 &nothing));
    /* Logs leave the machine; so does, with this, what the ledger was. */
    hex_encode(checkpoint.hash, SHA256_SIZE, hex);
    log_write(call->house->log, LOG_INFO, "ledger.sealed",
              LOG_FIELDS(LOG_NUMBER("checkpoint", checkpoint.number),
                         LOG_NUMBER("heads", checkpoint.head_count), LOG_TEXT("hash", hex)));
    return NULL;
}

/*
 * Another server may have drawn the number with other customers; then these are for the next.
 * `seen_until` 0: more is to follow.
 */
static const struct error *draw(struct ledger_sealer *sealer, struct call *call,
                                const char *customers, int64_t seen_until)
{
    struct pg_rows rows;
    bool is_new = false;

    while (!is_new) {
        TRY(pg_write(call, UUID_NIL, &draw_statement,
                     PG_PARAMS(pg_int64(sealer->next), pg_text(customers),
                               seen_until != 0 ? pg_int64(seen_until) : pg_null(PG_INT64),
                               pg_time(call->now_us)),
                     &rows));
        if (rows.count == 0)
            return NULL;
        if (pg_is_null(&rows, 0, "signature"))
            TRY(sign(sealer, call, &rows));
        is_new = pg_get_bool(&rows, 0, "is_new");
        sealer->next++;
    }
    return NULL;
}

/* All that are listed, the last slice with `seen_until`. */
static const struct error *draw_listed(struct ledger_sealer *sealer, struct call *call,
                                       const char *customers, size_t count, int64_t seen_until)
{
    for (size_t first = 0; first < count; first += SLICE_MAX) {
        size_t part = count - first < SLICE_MAX ? count - first : SLICE_MAX;
        const char *slice =
            arena_strndup(call->arena, customers + first * LISTED_SIZE, part * LISTED_SIZE - 1);
        TRY(draw(sealer, call, slice, first + part == count ? seen_until : 0));
    }
    return NULL;
}

static const struct error *sign_forgotten(struct ledger_sealer *sealer, struct call *call,
                                          int64_t number)
{
    struct pg_rows rows;

    TRY(pg_write(call, UUID_NIL, &draw_statement,
                 PG_PARAMS(pg_int64(number), pg_text(""), pg_null(PG_INT64), pg_time(call->now_us)),
                 &rows));
    return rows.count == 1 && pg_is_null(&rows, 0, "signature") ? sign(sealer, call, &rows) : NULL;
}

/* `*done`: the walk came to its end. */
static const struct error *walk(struct ledger_sealer *sealer, struct call *call, bool *done)
{
    struct pg_rows rows;

    *done = false;
    for (int page = 0; page < PAGES_MAX && !*done; page++) {
        TRY(pg_read(call, UUID_NIL, &walk_statement,
                    PG_PARAMS(pg_uuid(sealer->walked), pg_int64(SLICE_MAX)), &rows));
        size_t count = (size_t)pg_get_int64(&rows, 0, "customer_count");
        const char *customers = pg_get_text(&rows, 0, "customers");
        TRY(draw(sealer, call, customers, count < SLICE_MAX ? sealer->walk_seen_until : 0));
        *done = count < SLICE_MAX;
        if (!*done && !uuid_parse(customers + (count - 1) * LISTED_SIZE, &sealer->walked))
            bug("a list of customers ends in \"%s\"", customers + (count - 1) * LISTED_SIZE);
    }
    sealer->is_walking = !*done;
    return NULL;
}

static void begin_walk(struct ledger_sealer *sealer, int64_t seen_until)
{
    if (sealer->is_walking)
        return;
    sealer->is_walking = true;
    sealer->walked = UUID_NIL;
    sealer->walk_seen_until = seen_until;
}

/* `*done`: all that was posted when the round began is sealed. */
static const struct error *seal(struct ledger_sealer *sealer, struct call *call, bool *done)
{
    struct pg_rows rows;

    *done = false;
    for (int look = 0; look < LOOKS_MAX && !*done; look++) {
        TRY(pg_read(call, UUID_NIL, &look_statement, PG_PARAMS(pg_int32(LOOK_MAX)), &rows));
        int64_t seen_until = pg_get_int64(&rows, 0, "seen_until");
        size_t count = (size_t)pg_get_int64(&rows, 0, "customer_count");
        sealer->next = pg_get_int64(&rows, 0, "newest") + 1;
        if (!pg_is_null(&rows, 0, "unsigned_number"))
            TRY(sign_forgotten(sealer, call, pg_get_int64(&rows, 0, "unsigned_number")));
        if (pg_is_null(&rows, 0, "known_until")) {
            begin_walk(sealer, seen_until);
            return walk(sealer, call, done);
        }
        *done = count < LOOK_MAX;
        TRY(draw_listed(sealer, call, pg_get_text(&rows, 0, "customers"), count,
                        *done ? seen_until : 0));
    }
    return NULL;
}

const struct error *ledger_seal(struct ledger_sealer *sealer, struct call *call)
{
    int64_t began_us = clock_monotonic_us(call->house->clock);
    struct pg_rows rows;
    bool done;

    TRY(seal(sealer, call, &done));
    TRY(pg_read(call, UUID_NIL, &verified_statement, (struct pg_params){0}, &rows));
    pthread_mutex_lock(&sealer->mutex);
    struct standing *standing = &sealer->standing;
    if (done)
        standing->sealed_us = began_us;
    standing->checkpoint = sealer->next - 1;
    standing->verified_us = rows.count == 1 ? pg_get_time(&rows, 0, "finish_time") : 0;
    standing->findings = rows.count == 1 ? pg_get_int64(&rows, 0, "finding_count") : 0;
    pthread_mutex_unlock(&sealer->mutex);
    return NULL;
}

static const struct error *ask(void *owner, struct call *call)
{
    return ledger_seal(owner, call);
}

struct ledger_sealer *ledger_sealer_open(const struct ledger_seal_options *options)
{
    struct ledger_sealer *sealer = calloc(1, sizeof *sealer);

    if (sealer == NULL)
        bug("no memory to seal the ledger");
    sealer->options = *options;
    sealer->open_us = clock_wall_us(options->house->clock);
    sealer->standing.sealed_us = clock_monotonic_us(options->house->clock);
    pthread_mutex_init(&sealer->mutex, NULL);
    sealer->watch = watch_open(&(struct watch_question){
        .house = options->house,
        .caller = "system/ledger",
        .method = "ledger/seal",
        .every_us = options->every_us,
        .limit_us = ROUND_LIMIT_US,
        .arena_size = ARENA_SIZE,
        .ask = ask,
        .owner = sealer,
        .trouble_event = "ledger.cannot_seal",
    });
    return sealer;
}

void ledger_sealer_start(struct ledger_sealer *sealer)
{
    watch_start(sealer->watch);
}

void ledger_sealer_stop(struct ledger_sealer *sealer)
{
    if (sealer != NULL)
        watch_stop(sealer->watch);
}

void ledger_sealer_close(struct ledger_sealer *sealer)
{
    if (sealer == NULL)
        return;
    watch_close(sealer->watch);
    pthread_mutex_destroy(&sealer->mutex);
    free(sealer);
}

void ledger_sealer_measure(struct ledger_sealer *sealer, struct measures *out)
{
    const struct clock *clock = sealer->options.house->clock;

    pthread_mutex_lock(&sealer->mutex);
    const struct standing standing = sealer->standing;
    pthread_mutex_unlock(&sealer->mutex);
    measure_number(out, &sealed_age, MEASURE_NO_LABELS,
                   clock_monotonic_us(clock) - standing.sealed_us);
    measure_number(out, &checkpoint_number, MEASURE_NO_LABELS, standing.checkpoint);
    measure_number(out, &verified_age, MEASURE_NO_LABELS,
                   clock_wall_us(clock) -
                       (standing.verified_us != 0 ? standing.verified_us : sealer->open_us));
    measure_number(out, &verified_findings, MEASURE_NO_LABELS, standing.findings);
}

pg_statement_list ledger_statements = {
    &look_statement,     &walk_statement,           &draw_statement,        &sign_statement,
    &verified_statement, &ledger_balance_statement, &ledger_list_statement, NULL,
};
