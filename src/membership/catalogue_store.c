/*
 * Reading the catalogue.  It is put by the owner role (migrations/functions/catalogue.sql).
 */
#include "membership/catalogue.h"

#include "base/text.h"
#include "membership/statements.h"

#define PLAN_COLUMNS                                                                               \
    "plan_id, tier_id, display_name, currency, price_minor, period_unit, period_count, trial_days"

/* Sorted by code point, whatever the database's collation. */
#define TIER_COLUMNS                                                                               \
    "t.tier_id, t.display_name, t.rank,"                                                           \
    " (SELECT coalesce(string_agg(e.entitlement, ' ' ORDER BY e.entitlement COLLATE \"C\"), '')"   \
    "    FROM tier_entitlement e WHERE e.tier_id = t.tier_id) AS entitlements"

int32_t plan_period_months(const struct plan *plan)
{
    return plan->is_yearly ? 12 * plan->period_count : plan->period_count;
}

static void plan_from_row(const struct pg_rows *rows, size_t row, struct plan *plan)
{
    *plan = (struct plan){
        .id = pg_get_text(rows, row, "plan_id"),
        .tier = pg_get_text(rows, row, "tier_id"),
        .display_name = pg_get_text(rows, row, "display_name"),
        .price =
            money_make(pg_get_text(rows, row, "currency"), pg_get_int64(rows, row, "price_minor")),
        .is_yearly = text_equal(pg_get_text(rows, row, "period_unit"), "YEAR"),
        .period_count = (int32_t)pg_get_int64(rows, row, "period_count"),
        .trial_days = (int32_t)pg_get_int64(rows, row, "trial_days"),
    };
}

const struct pg_statement plan_find_statement = {
    .name = "plan_find",
    .sql = "SELECT " PLAN_COLUMNS " FROM plan WHERE plan_id = $1",
};

const struct error *plan_load(struct call *call, const char *id, struct plan *plan)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &plan_find_statement, PG_PARAMS(pg_text(id)), &rows));
    if (rows.count == 0)
        return not_found(call, "PLAN_NOT_FOUND", arena_printf(call->arena, "plans/%s", id));
    plan_from_row(&rows, 0, plan);
    return NULL;
}

const struct pg_statement plan_list_statement = {
    .name = "plan_list",
    .sql = "SELECT " PLAN_COLUMNS "  FROM plan WHERE plan_id COLLATE \"C\" > $1"
           " ORDER BY plan_id COLLATE \"C\" LIMIT $2",
};

const struct error *plan_list(struct call *call, const char *after, int64_t limit,
                              struct plan **plans, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &plan_list_statement, PG_PARAMS(pg_text(after), pg_int64(limit)),
                &rows));
    struct plan *list = arena_array(call->arena, rows.count, sizeof(*list));
    for (size_t i = 0; i < rows.count; i++)
        plan_from_row(&rows, i, &list[i]);
    *plans = list;
    *count = rows.count;
    return NULL;
}

static void split_entitlements(struct arena *arena, const char *text, struct tier *tier)
{
    size_t count = text[0] == '\0' ? 0 : 1;

    for (const char *c = text; *c != '\0'; c++)
        count += *c == ' ';
    tier->entitlements = arena_array(arena, count, sizeof(*tier->entitlements));
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(text, " ");
        tier->entitlements[i] = arena_strndup(arena, text, length);
        text += length + 1;
    }
    tier->entitlement_count = count;
}

static void tier_from_row(struct arena *arena, const struct pg_rows *rows, size_t row,
                          struct tier *tier)
{
    *tier = (struct tier){
        .id = pg_get_text(rows, row, "tier_id"),
        .display_name = pg_get_text(rows, row, "display_name"),
        .rank = (int32_t)pg_get_int64(rows, row, "rank"),
    };
    split_entitlements(arena, pg_get_text(rows, row, "entitlements"), tier);
}

const struct pg_statement tier_find_statement = {
    .name = "tier_find",
    .sql = "SELECT " TIER_COLUMNS " FROM tier t WHERE t.tier_id = $1",
};

const struct error *tier_load(struct call *call, const char *id, struct tier *tier)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &tier_find_statement, PG_PARAMS(pg_text(id)), &rows));
    if (rows.count == 0)
        return not_found(call, "TIER_NOT_FOUND", arena_printf(call->arena, "tiers/%s", id));
    tier_from_row(call->arena, &rows, 0, tier);
    return NULL;
}

const struct pg_statement tier_list_statement = {
    .name = "tier_list",
    .sql = "SELECT " TIER_COLUMNS "  FROM tier t"
           " WHERE t.rank > $1 OR (t.rank = $1 AND t.tier_id COLLATE \"C\" > $2)"
           " ORDER BY t.rank, t.tier_id COLLATE \"C\" LIMIT $3",
};

const struct error *tier_list(struct call *call, int32_t after_rank, const char *after_id,
                              int64_t limit, struct tier **tiers, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, UUID_NIL, &tier_list_statement,
                PG_PARAMS(pg_int32(after_rank), pg_text(after_id), pg_int64(limit)), &rows));
    struct tier *list = arena_array(call->arena, rows.count, sizeof(*list));
    for (size_t i = 0; i < rows.count; i++)
        tier_from_row(call->arena, &rows, i, &list[i]);
    *tiers = list;
    *count = rows.count;
    return NULL;
}
