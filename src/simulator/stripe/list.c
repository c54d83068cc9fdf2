/*
 * Retrieve, list and search of every kind of object, newest first, page by page.
 */

#include <stdio.h>

#include "simulator/stripe/internal.h"

#define LIMIT_USUAL 10
#define LIMIT_MAX   100
#define TERMS_MAX   10
#define TERM_SIZE   600

json_t *stripe_retrieve(struct stripe_call *call)
{
    json_t *object = tx_load(call->tx, call->list_kind, call->id);

    if (object == NULL)
        return stripe_not_found(call, call->list_kind, call->id);
    if (truth_of(object, "_deleted"))
        return tx_keep(call->tx, json_pack("{s:s, s:s, s:b}", "id", call->id, "object",
                                           call->list_kind, "deleted", 1));
    return object;
}

/* What an object must be to be listed. */
struct filter {
    const char *field; /* "customer", "metadata/key" */
    const char *value;
};

struct query {
    struct filter filters[TERMS_MAX];
    size_t filter_count;
    const json_t *types; /* of events: NULL for all */
    int64_t created_from;
    int64_t created_until;
};

static bool filter_holds(const json_t *object, const struct filter *filter)
{
    const char *field = filter->field;

    if (text_starts_with(field, "metadata/")) {
        object = json_object_get(object, "metadata");
        field += strlen("metadata/");
    }
    const json_t *value = json_object_get(object, field);
    if (json_is_integer(value))
        return json_integer_value(value) == strtoll(filter->value, NULL, 10);
    const char *text = json_string_value(value);
    return text != NULL && text_equal(text, filter->value);
}

static bool query_holds(const struct query *query, const json_t *object)
{
    int64_t created = number_of(object, "created");
    bool is_wanted = query->types == NULL;

    for (size_t i = 0; i < query->filter_count; i++) {
        if (!filter_holds(object, &query->filters[i]))
            return false;
    }
    for (size_t i = 0; i < json_array_size(query->types) && !is_wanted; i++)
        is_wanted =
            text_equal(json_string_value(json_array_get(query->types, i)), text_of(object, "type"));
    return is_wanted && created >= query->created_from && created <= query->created_until &&
           !truth_of(object, "_deleted");
}

/* Everything that may hold, by the narrowest chain there is. */
static struct store_cursor query_start(const struct stripe_call *call, const struct query *query)
{
    static const char chained[] = "customer payment_intent charge source type email";

    for (size_t i = 0; i < query->filter_count; i++) {
        const struct filter *filter = &query->filters[i];
        if (text_starts_with(filter->field, "metadata/") || word_in(filter->field, chained))
            return store_list(call->tx->store, call->list_kind, filter->field, filter->value);
    }
    return store_list(call->tx->store, call->list_kind, "", "");
}

struct page {
    int64_t limit;
    const char *after;  /* NULL: from the newest */
    const char *before; /* NULL: from the newest */
};

static json_t *fill(struct stripe_call *call, const struct query *query, const struct page *page,
                    json_t *list)
{
    struct store_cursor cursor = query_start(call, query);
    json_t *data = json_object_get(list, "data");
    bool is_open = page->after == NULL;
    bool has_more = false;

    for (const char *id; (id = store_next(&cursor)) != NULL;) {
        if (page->before != NULL && text_equal(id, page->before))
            break;
        if (!is_open) {
            is_open = text_equal(id, page->after);
            continue;
        }
        const json_t *object = tx_load(call->tx, call->list_kind, id);
        if (object == NULL || !query_holds(query, object))
            continue;
        if (json_array_size(data) == (size_t)page->limit) {
            has_more = true;
            if (page->before == NULL)
                break;
            json_array_remove(data, 0); /* the page ends where `before` begins */
        }
        json_array_append_new(data, stripe_show(object));
    }
    set_truth(list, "has_more", has_more);
    return list;
}

static bool read_page(struct stripe_call *call, struct page *page)
{
    *page = (struct page){.limit = LIMIT_USUAL,
                          .after = param_text(call, "starting_after"),
                          .before = param_text(call, "ending_before")};
    if (!param_integer(call, "limit", &page->limit))
        return false;
    if (page->limit < 1 || page->limit > LIMIT_MAX) {
        stripe_refuse(call, 400, "parameter_invalid_integer", "limit",
                      "This value must be between 1 and %d.", LIMIT_MAX);
        return false;
    }
    const char *cursor = page->after != NULL ? page->after : page->before;
    if (cursor == NULL || tx_load(call->tx, call->list_kind, cursor) != NULL)
        return true;
    stripe_not_found(call, call->list_kind, cursor);
    return false;
}

static bool read_created(struct stripe_call *call, struct query *query)
{
    int64_t after = -1;
    int64_t before = INT64_MAX;

    query->created_until = INT64_MAX;
    if (json_is_string(param_at(call, "created"))) {
        if (!param_integer(call, "created", &query->created_from))
            return false;
        query->created_until = query->created_from;
        return true;
    }
    if (!param_integer(call, "created.gte", &query->created_from) ||
        !param_integer(call, "created.lte", &query->created_until) ||
        !param_integer(call, "created.gt", &after) || !param_integer(call, "created.lt", &before))
        return false;
    if (after >= query->created_from)
        query->created_from = after + 1;
    if (before <= query->created_until)
        query->created_until = before - 1;
    return true;
}

static json_t *list_with(struct stripe_call *call, struct query *query)
{
    static const char *const fields[] = {"customer", "payment_intent", "charge", "source",
                                         "currency", "type",           "email"};
    struct page page;

    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        const char *value = param_text(call, fields[i]);
        if (value != NULL)
            query->filters[query->filter_count++] = (struct filter){fields[i], value};
    }
    query->types = param_at(call, "types");
    if (!read_page(call, &page) || !read_created(call, query))
        return NULL;
    return fill(call, query, &page, stripe_list_of(call, call->exchange->http->path, false));
}

json_t *stripe_list(struct stripe_call *call)
{
    struct query query = {0};

    return list_with(call, &query);
}

json_t *stripe_list_customer_methods(struct stripe_call *call)
{
    struct query query = {.filters = {{"customer", call->id}}, .filter_count = 1};

    if (stripe_load(call, "customer", call->id) == NULL)
        return NULL;
    return list_with(call, &query);
}

/* A text in single or double quotes; NULL when it is none.  `*rest` is what follows. */
static const char *read_quoted(struct arena *arena, const char *text, const char **rest)
{
    char quote = *text;

    if (quote != '\'' && quote != '"')
        return NULL;
    const char *end = strchr(text + 1, quote);
    if (end == NULL)
        return NULL;
    *rest = end + 1;
    return arena_strndup(arena, text + 1, (size_t)(end - text - 1));
}

/* field:'value' or metadata['key']:'value' or amount:100.  False: it is no such term. */
static bool read_term(struct stripe_call *call, const char **at, struct filter *filter)
{
    const char *text = *at;
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_");

    filter->field = arena_strndup(call->arena, text, length);
    text += length;
    if (text_equal(filter->field, "metadata") && *text == '[') {
        const char *key = read_quoted(call->arena, text + 1, &text);
        if (key == NULL || *text != ']')
            return false;
        filter->field = arena_printf(call->arena, "metadata/%s", key);
        text++;
    }
    if (length == 0 || *text != ':')
        return false;
    text++;
    filter->value = read_quoted(call->arena, text, at);
    if (filter->value != NULL)
        return true;
    size_t digits = strspn(text, "0123456789");
    filter->value = arena_strndup(call->arena, text, digits);
    *at = text + digits;
    return digits > 0;
}

static bool read_query(struct stripe_call *call, const char *text, struct query *query)
{
    for (;;) {
        text += strspn(text, " ");
        if (query->filter_count == TERMS_MAX ||
            !read_term(call, &text, &query->filters[query->filter_count++]))
            return false;
        text += strspn(text, " ");
        if (*text == '\0')
            return true;
        if (!text_starts_with(text, "AND "))
            return false;
        text += strlen("AND ");
    }
}

json_t *stripe_search(struct stripe_call *call)
{
    const char *text = param_text(call, "query");
    struct query query = {.created_until = INT64_MAX};
    struct page page;

    if (text == NULL)
        return stripe_missing(call, "query");
    if (!read_query(call, text, &query))
        return stripe_refuse(call, 400, NULL, "query",
                             "We were unable to parse your search query: terms like "
                             "metadata['key']:'value' with AND between them");
    if (!read_page(call, &page))
        return NULL;
    page.after = param_text(call, "page");
    json_t *list =
        fill(call, &query, &page, stripe_list_of(call, call->exchange->http->path, false));
    const json_t *data = json_object_get(list, "data");
    set_text(list, "object", "search_result");
    set_text(list, "next_page",
             truth_of(list, "has_more")
                 ? text_of(json_array_get(data, json_array_size(data) - 1), "id")
                 : NULL);
    return list;
}
