/*
 * The steps of news.  They have a key of their own, the gateway's name and its id of the news,
 * because they come before we know whose they are.
 */

#include "payment/news_internal.h"

#include "base/bug.h"
#include "base/fail_point.h"
#include "base/text.h"
#include "crypto/secrets.h"
#include "vault/vault.h"

static const char *const state_names[NEWS_STATE_COUNT] = {
    [NEWS_OWED] = "OWED",           [NEWS_APPLIED] = "APPLIED",
    [NEWS_UNMATCHED] = "UNMATCHED", [NEWS_QUARANTINED] = "QUARANTINED",
    [NEWS_IGNORED] = "IGNORED",     [NEWS_DUPLICATE] = "DUPLICATE",
};

const char *news_state_name(enum news_state state)
{
    return state_names[state];
}

static enum news_state state_parse(const char *name)
{
    for (int i = 0; i < NEWS_STATE_COUNT; i++) {
        if (text_equal(state_names[i], name))
            return (enum news_state)i;
    }
    bug("news in unknown state \"%s\"", name);
}

static enum gateway_news_kind kind_parse(const char *name)
{
    for (int i = 0; i < GATEWAY_NEWS_KIND_COUNT; i++) {
        if (text_equal(gateway_news_kind_name((enum gateway_news_kind)i), name))
            return (enum gateway_news_kind)i;
    }
    bug("news of unknown kind \"%s\"", name);
}

/* Their place in the lanes: the same news are never in two. */
static struct uuid lane_key(const char *gateway, const char *event)
{
    const struct bytes pieces[] = {{gateway, strlen(gateway)}, {event, strlen(event)}};
    uint8_t hash[SHA256_SIZE];
    struct uuid key;

    sha256_pieces(pieces, ARRAY_LENGTH(pieces), hash);
    memcpy(key.bytes, hash, sizeof key.bytes);
    return key;
}

/* ROW($1 … $9)::news_told */
#define NEWS_PARAMS(gateway, news, customer, reference)                                            \
    pg_text((gateway)->name), pg_text((news)->event),                                              \
        pg_text(gateway_news_kind_name((news)->kind)), pg_text((news)->type),                      \
        pg_text((news)->object), pg_text((news)->belongs_to), pg_uuid_or_null(customer),           \
        pg_uuid_or_null(reference), pg_time_or_null((news)->created_us)

const struct pg_statement news_store_statement = {
    .name = "news_store",
    .sql = "SELECT news_store(ROW($1, $2, $3, $4, $5, $6, $7, $8, $9)::news_told, $10, $11, $12)"
           " AS state",
};

/* The metadata may hold anything. */
static struct uuid told_id(const char *text)
{
    struct uuid id = UUID_NIL;

    (void)uuid_parse(text, &id);
    return id;
}

const struct error *news_store(struct call *call, const struct gateway *gateway,
                               const struct gateway_news *news, struct bytes body,
                               enum news_state *state)
{
    const struct vault_place place = vault_place_news(call->arena, gateway->name, news->event);
    uint8_t hash[SHA256_SIZE];
    struct bytes sealed;
    struct pg_rows rows;

    sha256(body.data, body.size, hash);
    TRY(vault_seal(call, &place, body, &sealed));
    TRY(FAIL_STEP(call, "news.store", "",
                  pg_write(call, lane_key(gateway->name, news->event), &news_store_statement,
                           PG_PARAMS(NEWS_PARAMS(gateway, news, told_id(news->customer),
                                                 told_id(news->reference)),
                                     pg_bytes(sealed.data, sealed.size),
                                     pg_bytes(hash, sizeof hash), pg_time(call->now_us)),
                           &rows)));
    *state = state_parse(pg_get_text(&rows, 0, "state"));
    return NULL;
}

#define NEWS_COLUMNS                                                                               \
    "gateway, event_id::text AS event_id, kind::text AS kind, type::text AS type,"                 \
    " object_id::text AS object_id, belongs_to::text AS belongs_to, customer_id, reference,"       \
    " state::text AS state, receive_time, due_time"

static void from_row(const struct pg_rows *rows, size_t i, struct news_row *row)
{
    *row = (struct news_row){
        .gateway = pg_get_text(rows, i, "gateway"),
        .told = {.event = pg_get_text(rows, i, "event_id"),
                 .type = pg_get_text(rows, i, "type"),
                 .kind = kind_parse(pg_get_text(rows, i, "kind")),
                 .object = pg_get_text(rows, i, "object_id"),
                 .belongs_to = pg_get_text(rows, i, "belongs_to"),
                 .reference = "",
                 .customer = ""},
        .customer = pg_get_uuid(rows, i, "customer_id"),
        .reference = pg_get_uuid(rows, i, "reference"),
        .state = state_parse(pg_get_text(rows, i, "state")),
        .receive_us = pg_get_time(rows, i, "receive_time"),
        .due_us = pg_get_time(rows, i, "due_time"),
    };
}

const struct pg_statement news_load_statement = {
    .name = "news_load",
    .sql = "SELECT " NEWS_COLUMNS " FROM news WHERE gateway = $1 AND event_id = $2",
};

const struct error *news_load(struct call *call, const char *gateway, const char *event,
                              struct news_row *row, bool *found)
{
    struct pg_rows rows;

    TRY(pg_read(call, lane_key(gateway, event), &news_load_statement,
                PG_PARAMS(pg_text(gateway), pg_text(event)), &rows));
    *found = rows.count > 0;
    if (*found)
        from_row(&rows, 0, row);
    return NULL;
}

const struct pg_statement news_list_statement = {
    .name = "news_list_due",
    .sql = "SELECT " NEWS_COLUMNS " FROM news WHERE state = 'UNMATCHED' AND due_time <= $1"
           " ORDER BY due_time LIMIT $2",
};

const struct error *news_list_due(struct call *call, int64_t now_us, int64_t limit,
                                  struct news_row **list, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &news_list_statement, PG_PARAMS(pg_time(now_us), pg_int64(limit)),
                &rows));
    *list = arena_array(call->arena, rows.count + 1, sizeof **list);
    for (size_t i = 0; i < rows.count; i++)
        from_row(&rows, i, &(*list)[i]);
    *count = rows.count;
    return NULL;
}

const struct pg_statement news_claim_statement = {
    .name = "news_claim",
    .sql = "SELECT news_claim($1, $2, $3, $4) AS claimed",
};

const struct error *news_claim(struct call *call, const struct news_row *row, int64_t until_us,
                               bool *claimed)
{
    struct pg_rows rows;

    TRY(pg_write(call, lane_key(row->gateway, row->told.event), &news_claim_statement,
                 PG_PARAMS(pg_text(row->gateway), pg_text(row->told.event), pg_time(row->due_us),
                           pg_time(until_us)),
                 &rows));
    *claimed = pg_get_bool(&rows, 0, "claimed");
    return NULL;
}

const struct pg_statement news_match_statement = {
    .name = "news_match",
    .sql = "SELECT news_match($1, $2, $3, $4, $5) AS state",
};

const struct error *news_match(struct call *call, const struct news_row *row, struct uuid customer,
                               struct uuid reference, enum news_state *state)
{
    struct pg_rows rows;

    TRY(pg_write(call, lane_key(row->gateway, row->told.event), &news_match_statement,
                 PG_PARAMS(pg_text(row->gateway), pg_text(row->told.event),
                           pg_uuid_or_null(customer), pg_uuid_or_null(reference),
                           pg_time(call->now_us)),
                 &rows));
    *state = state_parse(pg_get_text(&rows, 0, "state"));
    return NULL;
}

const struct pg_statement news_end_statement = {
    .name = "news_end",
    .sql = "SELECT news_end($1, $2, $3, $4) AS ended",
};

const struct error *news_end(struct call *call, const struct news_row *row, enum news_state state)
{
    struct pg_rows rows;

    return pg_write(call, lane_key(row->gateway, row->told.event), &news_end_statement,
                    PG_PARAMS(pg_text(row->gateway), pg_text(row->told.event),
                              pg_text(news_state_name(state)), pg_time(call->now_us)),
                    &rows);
}

const struct pg_statement news_apply_statement = {
    .name = "news_apply",
    .sql = "SELECT news_apply($1, $2, $3, $4, $5) AS held",
};

const struct error *news_applied(struct call *call, const struct news_row *row,
                                 struct uuid customer, int64_t epoch)
{
    struct pg_rows rows;

    return FAIL_STEP(
        call, "news.apply", "",
        pg_write(call, customer, &news_apply_statement,
                 PG_PARAMS(pg_uuid(customer), pg_text(row->gateway), pg_text(row->told.event),
                           pg_int64(epoch), pg_time(call->now_us)),
                 &rows));
}

const struct pg_statement news_backlog_statement = {
    .name = "news_backlog",
    .sql = "SELECT count(*) AS count, min(receive_time) AS oldest"
           "  FROM (SELECT receive_time FROM news WHERE state IN ('OWED', 'UNMATCHED')"
           "         ORDER BY receive_time LIMIT 10000) AS open",
};

const struct error *news_backlog(struct call *call, int64_t *count, int64_t *oldest_us)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &news_backlog_statement, (struct pg_params){0}, &rows));
    *count = pg_get_int64(&rows, 0, "count");
    *oldest_us = pg_get_time(&rows, 0, "oldest");
    return NULL;
}

const struct pg_statement news_sweep_statement = {
    .name = "news_sweep",
    .sql = "SELECT news_sweep($1, $2) AS swept",
};

const struct error *news_sweep(struct call *call, int64_t before_us, int32_t limit, int64_t *swept)
{
    struct pg_rows rows;

    TRY(pg_write(call, UUID_NIL, &news_sweep_statement,
                 PG_PARAMS(pg_time(before_us), pg_int32(limit)), &rows));
    *swept = pg_get_int64(&rows, 0, "swept");
    return NULL;
}
