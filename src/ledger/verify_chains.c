/*
 * Chains: three streams in the order of customers, read side by side.  Some customers at a time are
 * looked at in one state of the database, so what a running server posts meanwhile is either seen
 * whole or not at all.
 *
 *   customers   how many entries each has, and its head
 *   entries     in the order of their positions
 *   heads       as checkpoints sealed them, in the same order
 */
#include "ledger/verify_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

/* Customers of one look. */
#define LOOK_CUSTOMERS 200
#define CURRENCIES_MAX 16

static const struct uuid uuid_last = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

const struct pg_statement verify_customers_statement = {
    .name = "ledger_verify_customers",
    .sql = "SELECT customer_id, ledger_count,"
           "       substr(ledger_tail, greatest(length(ledger_tail) - 31, 1)) AS head"
           "  FROM customer WHERE customer_id > $1 ORDER BY customer_id LIMIT $2",
};

#define BETWEEN                                                                                    \
    " WHERE (customer_id, position) > ($1, $2) AND customer_id <= $3"                              \
    " ORDER BY customer_id, position LIMIT $4"

const struct pg_statement verify_entries_statement = {
    .name = "ledger_verify_entries",
    .sql = "SELECT customer_id, position, group_id, kind, line_no, account,"
           "       currency::text AS currency, amount, create_time, hash"
           "  FROM ledger_entry" BETWEEN,
};

const struct pg_statement verify_heads_statement = {
    .name = "ledger_verify_heads",
    .sql = "SELECT customer_id, position, hash, checkpoint_number FROM ledger_sealed_head" BETWEEN,
};

const struct pg_statement verify_newest_statement = {
    .name = "ledger_verify_newest",
    .sql = "SELECT coalesce(max(number), 0) AS newest FROM ledger_checkpoint",
};

/* One of the streams: the page that is being read, and where in it. */
struct stream {
    struct arena *arena;
    const struct pg_statement *statement;
    struct pg_rows rows;
    size_t row;
    struct uuid customer; /* of the row; uuid_last and `ended` behind the last */
    int64_t position;
    bool ended;
};

/* Sums of the lines of one group. */
struct sums {
    size_t count;
    struct {
        char currency[8];
        int64_t total;
    } list[CURRENCIES_MAX];
};

/* One customer's chain, as far as it was read. */
struct chain {
    struct uuid customer;
    int64_t position;
    uint8_t hash[SHA256_SIZE];    /* of its last entry, as stored */
    uint8_t earlier[SHA256_SIZE]; /* of the one before: two that changed places do not blame it */
    uint8_t made[SHA256_SIZE];    /* as made here: an edited hash alone does not blame the next */
    int64_t sealed;               /* position of the last sealed head */
    struct uuid group;
    char kind[64];
    bool is_damaged;   /* of the last entry something was said already */
    bool is_spoiled;   /* of the group, or of its neighbour: it need not sum to zero */
    bool is_rewritten; /* of the chain that was said already */
    struct sums sums;
};

struct walk {
    struct verify *verify;
    struct stream customers, entries, heads;
    struct uuid until; /* the look's last customer */
    int64_t newest;    /* checkpoint, in this look */
};

/* Takes the row where the stream stands. */
static void settle(struct stream *stream)
{
    stream->ended = stream->row >= stream->rows.count;
    if (stream->ended)
        return;
    stream->customer = pg_get_uuid(&stream->rows, stream->row, "customer_id");
    if (stream->statement != &verify_customers_statement)
        stream->position = pg_get_int64(&stream->rows, stream->row, "position");
}

static bool read_page(struct walk *walk, struct stream *stream)
{
    struct verify *verify = walk->verify;

    arena_reset(stream->arena);
    stream->row = 0;
    if (!pg_scan_read(verify->scan, stream->arena, stream->statement,
                      PG_PARAMS(pg_uuid(stream->customer), pg_int64(stream->position),
                                pg_uuid(walk->until), pg_int64(VERIFY_PAGE)),
                      &stream->rows, verify->problem))
        return false;
    settle(stream);
    return true;
}

static bool step(struct walk *walk, struct stream *stream)
{
    stream->row++;
    if (stream->row == stream->rows.count && stream->rows.count == VERIFY_PAGE)
        return read_page(walk, stream);
    settle(stream);
    return true;
}

static bool is_of(const struct stream *stream, struct uuid customer)
{
    return !stream->ended && uuid_equal(stream->customer, customer);
}

static struct ledger_finding about(const char *kind, const struct chain *chain, int64_t position)
{
    return (struct ledger_finding){
        .kind = kind, .in_chain = true, .customer = chain->customer, .position = position};
}

static void check_sums(struct verify *verify, struct chain *chain)
{
    char customer[UUID_TEXT_LENGTH + 1];
    char group[UUID_TEXT_LENGTH + 1];

    for (size_t i = 0; i < chain->sums.count && !chain->is_spoiled; i++) {
        if (chain->sums.list[i].total == 0)
            continue;
        uuid_format(chain->customer, customer);
        uuid_format(chain->group, group);
        verify_found(verify, about("group_unbalanced", chain, chain->position),
                     "customers/%s entry %" PRId64 " and before: the lines of \"%s\" of %s do not "
                     "sum to zero",
                     customer, chain->position, chain->kind, group);
        chain->is_spoiled = true;
    }
}

static void begin_group(struct chain *chain, const struct ledger_entry *entry, bool is_spoiled)
{
    chain->group = entry->group;
    snprintf(chain->kind, sizeof chain->kind, "%s", entry->kind);
    chain->is_spoiled = is_spoiled;
    chain->sums.count = 0;
}

/* `was_damaged`: the entry before, which may have been taken out of this group. */
static void add_up(struct verify *verify, struct chain *chain, const struct ledger_entry *entry,
                   bool was_damaged)
{
    struct sums *sums = &chain->sums;
    size_t i = 0;

    chain->is_spoiled = chain->is_spoiled || chain->is_damaged;
    if (!uuid_equal(chain->group, entry->group) ||
        strncmp(chain->kind, entry->kind, sizeof chain->kind - 1) != 0) {
        check_sums(verify, chain);
        begin_group(chain, entry, was_damaged || chain->is_damaged);
    }
    while (i < sums->count && !text_equal(sums->list[i].currency, entry->currency))
        i++;
    if (i == CURRENCIES_MAX)
        return;
    if (i == sums->count) {
        snprintf(sums->list[i].currency, sizeof sums->list[i].currency, "%s", entry->currency);
        sums->list[i].total = 0;
        sums->count++;
    }
    if (__builtin_add_overflow(sums->list[i].total, entry->amount, &sums->list[i].total))
        sums->list[i].total = INT64_MAX;
}

static void miss(struct verify *verify, struct chain *chain, int64_t from, int64_t to,
                 const char *who)
{
    char customer[UUID_TEXT_LENGTH + 1];

    uuid_format(chain->customer, customer);
    chain->is_damaged = true;
    if (from == to)
        verify_found(verify, about("entries_missing", chain, from),
                     "customers/%s entry %" PRId64 ": it is missing%s", customer, from, who);
    else
        verify_found(verify, about("entries_missing", chain, from),
                     "customers/%s entries %" PRId64 " to %" PRId64 ": they are missing%s",
                     customer, from, to, who);
}

/*
 * Behind a damaged entry (`was_damaged`) the next is not blamed for what that one is now: its hash
 * may go over the entry as it was, or over the one before it, when two have changed places.
 */
static bool fits(struct chain *chain, const struct ledger_entry *entry, bool was_damaged,
                 const uint8_t stored[SHA256_SIZE])
{
    uint8_t made_before[SHA256_SIZE];
    uint8_t made[SHA256_SIZE];

    memcpy(made_before, chain->made, SHA256_SIZE);
    ledger_entry_hash(entry, chain->hash, chain->made);
    if (memcmp(chain->made, stored, SHA256_SIZE) == 0)
        return true;
    if (!was_damaged)
        return false;
    ledger_entry_hash(entry, made_before, made);
    if (memcmp(made, stored, SHA256_SIZE) == 0)
        return true;
    ledger_entry_hash(entry, chain->earlier, made);
    return memcmp(made, stored, SHA256_SIZE) == 0;
}

static void check_entry(struct verify *verify, struct chain *chain,
                        const struct ledger_entry *entry, bool was_damaged,
                        const uint8_t stored[SHA256_SIZE])
{
    char customer[UUID_TEXT_LENGTH + 1];
    char group[UUID_TEXT_LENGTH + 1];

    if (entry->position != chain->position + 1) {
        /* What went before it is not there, so it is believed. */
        miss(verify, chain, chain->position + 1, entry->position - 1, "");
        memcpy(chain->made, stored, SHA256_SIZE);
        return;
    }
    if (fits(chain, entry, was_damaged, stored))
        return;
    uuid_format(chain->customer, customer);
    uuid_format(entry->group, group);
    verify_found(verify, about("entry_changed", chain, entry->position),
                 "customers/%s entry %" PRId64
                 ": it does not fit its hash and place (\"%s\" of %s, line %" PRId64 ")",
                 customer, entry->position, entry->kind, group, entry->line);
    chain->is_damaged = true;
}

/* Heads up to the entry that was just read. */
static bool check_sealed(struct walk *walk, struct chain *chain)
{
    struct stream *heads = &walk->heads;
    char customer[UUID_TEXT_LENGTH + 1];
    uint8_t sealed[SHA256_SIZE];

    while (is_of(heads, chain->customer) && heads->position <= chain->position) {
        int64_t number = pg_get_int64(&heads->rows, heads->row, "checkpoint_number");
        struct ledger_finding finding = about("head_rewritten", chain, heads->position);
        finding.checkpoint = number;
        uuid_format(chain->customer, customer);
        verify_take_hash(&heads->rows, heads->row, "hash", sealed);
        if (heads->position == chain->position && memcmp(sealed, chain->hash, SHA256_SIZE) != 0 &&
            !chain->is_spoiled && !chain->is_rewritten) {
            chain->is_rewritten = true;
            verify_found(walk->verify, finding,
                         "customers/%s entry %" PRId64 ": checkpoint %" PRId64
                         " sealed another; one of the entries from %" PRId64
                         " to here was rewritten, with all hashes behind it",
                         customer, heads->position, number, chain->sealed + 1);
        }
        finding.kind = "checkpoint_missing";
        if (number > walk->newest)
            verify_found(walk->verify, finding,
                         "checkpoint %" PRId64 ": it sealed customers/%s entry %" PRId64
                         " and is gone",
                         number, customer, heads->position);
        chain->sealed = heads->position;
        if (!step(walk, heads))
            return false;
    }
    return true;
}

static bool read_entry(struct walk *walk, struct chain *chain)
{
    struct verify *verify = walk->verify;
    const struct pg_rows *rows = &walk->entries.rows;
    size_t row = walk->entries.row;
    bool was_damaged = chain->is_damaged;
    uint8_t stored[SHA256_SIZE];
    const struct ledger_entry entry = {
        .customer = chain->customer,
        .position = walk->entries.position,
        .group = pg_get_uuid(rows, row, "group_id"),
        .kind = pg_get_text(rows, row, "kind"),
        .line = pg_get_int64(rows, row, "line_no"),
        .account = pg_get_text(rows, row, "account"),
        .currency = pg_get_text(rows, row, "currency"),
        .amount = pg_get_int64(rows, row, "amount"),
        .create_time_us = pg_get_time(rows, row, "create_time"),
    };

    verify_take_hash(rows, row, "hash", stored);
    chain->is_damaged = false;
    check_entry(verify, chain, &entry, was_damaged, stored);
    add_up(verify, chain, &entry, was_damaged);
    chain->position = entry.position;
    memcpy(chain->earlier, chain->hash, SHA256_SIZE);
    memcpy(chain->hash, stored, SHA256_SIZE);
    verify->summary->entries++;
    return check_sealed(walk, chain) && step(walk, &walk->entries);
}

/* What checkpoints sealed behind the end of the chain. */
static bool check_cut(struct walk *walk, struct chain *chain, int64_t count)
{
    int64_t end = chain->position > count ? chain->position : count;
    struct stream *heads = &walk->heads;
    int64_t position = 0;
    int64_t number = 0;
    char who[64];

    while (is_of(heads, chain->customer)) {
        position = heads->position;
        number = pg_get_int64(&heads->rows, heads->row, "checkpoint_number");
        if (!step(walk, heads))
            return false;
    }
    snprintf(who, sizeof who, ", and checkpoint %" PRId64 " sealed %s", number,
             position == end + 1 ? "it" : "them");
    if (position > end)
        miss(walk->verify, chain, end + 1, position, who);
    return true;
}

/* `has_row`: the customer's row is where its stream stands. */
static void check_end(struct walk *walk, struct chain *chain, bool has_row, int64_t count)
{
    struct verify *verify = walk->verify;
    char customer[UUID_TEXT_LENGTH + 1];
    uint8_t head[SHA256_SIZE];

    uuid_format(chain->customer, customer);
    check_sums(verify, chain);
    if (!has_row) {
        verify_found(verify, about("entries_stray", chain, 1),
                     "customers/%s: there are entries or sealed heads, but no such customer",
                     customer);
        return;
    }
    verify_take_hash(&walk->customers.rows, walk->customers.row, "head", head);
    if (chain->position < count)
        miss(verify, chain, chain->position + 1, count, " at the end of the chain");
    else if (chain->position > count)
        verify_found(verify, about("entries_beyond", chain, count + 1),
                     "customers/%s entry %" PRId64 ": the customer's row knows of %" PRId64
                     " entries only",
                     customer, count + 1, count);
    else if (memcmp(head, chain->hash, SHA256_SIZE) != 0)
        verify_found(verify, about("head_changed", chain, 0),
                     "customers/%s: the head in the customer's row is not that of entry %" PRId64,
                     customer, count);
}

static struct uuid smaller(struct uuid a, const struct stream *stream)
{
    return !stream->ended && memcmp(stream->customer.bytes, a.bytes, sizeof a.bytes) < 0
               ? stream->customer
               : a;
}

static bool read_chain(struct walk *walk, struct uuid customer)
{
    struct chain chain = {.customer = customer};
    bool has_row = is_of(&walk->customers, customer);
    int64_t count =
        has_row ? pg_get_int64(&walk->customers.rows, walk->customers.row, "ledger_count") : 0;

    while (is_of(&walk->entries, customer)) {
        if (!read_entry(walk, &chain))
            return false;
    }
    check_end(walk, &chain, has_row, count);
    if (!check_cut(walk, &chain, count))
        return false;
    walk->verify->summary->unsealed += chain.position - chain.sealed;
    walk->verify->summary->customers += chain.position > 0 || count > 0 ? 1 : 0;
    if (has_row) {
        walk->customers.row++;
        settle(&walk->customers);
    }
    return true;
}

static bool read_newest(struct walk *walk)
{
    struct verify *verify = walk->verify;
    struct pg_rows rows;

    if (!pg_scan_read(verify->scan, walk->customers.arena, &verify_newest_statement,
                      (struct pg_params){0}, &rows, verify->problem))
        return false;
    walk->newest = pg_get_int64(&rows, 0, "newest");
    return true;
}

/* The customers behind `after`; `*more`: there may be others behind them. */
static bool look(struct walk *walk, struct uuid after, bool *more)
{
    struct verify *verify = walk->verify;
    struct stream *customers = &walk->customers;

    arena_reset(customers->arena);
    if (!pg_scan_read(verify->scan, customers->arena, customers->statement,
                      PG_PARAMS(pg_uuid(after), pg_int64(LOOK_CUSTOMERS)), &customers->rows,
                      verify->problem) ||
        !read_newest(walk))
        return false;
    customers->row = 0;
    *more = customers->rows.count == LOOK_CUSTOMERS;
    walk->until =
        *more ? pg_get_uuid(&customers->rows, LOOK_CUSTOMERS - 1, "customer_id") : uuid_last;
    settle(customers);
    walk->entries.customer = walk->heads.customer = after;
    /* Nothing of the customer before is left, whatever the position; before the first is nobody. */
    walk->entries.position = walk->heads.position = uuid_is_nil(after) ? INT64_MIN : INT64_MAX;
    if (!read_page(walk, &walk->entries) || !read_page(walk, &walk->heads))
        return false;
    while (!customers->ended || !walk->entries.ended || !walk->heads.ended) {
        struct uuid next =
            smaller(smaller(smaller(uuid_last, customers), &walk->entries), &walk->heads);
        if (!read_chain(walk, next))
            return false;
    }
    return true;
}

static bool walk_all(struct walk *walk)
{
    struct verify *verify = walk->verify;
    struct uuid after = UUID_NIL;
    bool more = true;

    while (more) {
        if (!pg_scan_begin(verify->scan, verify->problem) || !look(walk, after, &more) ||
            !pg_scan_end(verify->scan, verify->problem))
            return false;
        after = walk->until;
    }
    return true;
}

bool verify_chains(struct verify *verify)
{
    AUTO(arena_auto_free) struct arena *customers = arena_new(VERIFY_ARENA_SIZE);
    AUTO(arena_auto_free) struct arena *entries = arena_new(VERIFY_ARENA_SIZE);
    AUTO(arena_auto_free) struct arena *heads = arena_new(VERIFY_ARENA_SIZE);
    struct walk walk = {
        .verify = verify,
        .customers = {.arena = customers, .statement = &verify_customers_statement},
        .entries = {.arena = entries, .statement = &verify_entries_statement},
        .heads = {.arena = heads, .statement = &verify_heads_statement},
    };

    return walk_all(&walk);
}
