/*
 * Reading events.  They are written by SQL event_append alone.
 */
#include "customer/event.h"

#include "base/text.h"

/* In a packed list of data; no value of ours has a control character. */
#define AFTER_KEY   '\x1f'
#define AFTER_VALUE '\x1e'

const struct pg_statement event_head_statement = {
    .name = "event_head",
    .sql = "SELECT event_count FROM customer WHERE customer_id = $1",
    .is_lookup = true,
};

const struct error *event_head(struct call *call, struct uuid customer, int64_t *head)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &event_head_statement, PG_PARAMS(pg_uuid(customer)), &rows));
    if (rows.count == 0)
        return not_found(call, "CUSTOMER_NOT_FOUND",
                         name_make(call->arena, "customers/{}", &customer));
    *head = pg_get_int64(&rows, 0, "event_count");
    return NULL;
}

static size_t count_of(const char *text, char wanted)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == wanted;
    return count;
}

static void unpack_data(struct arena *arena, const char *packed, struct event *event)
{
    size_t count = count_of(packed, AFTER_VALUE);

    event->data = arena_array(arena, count + 1, sizeof *event->data);
    for (event->data_count = 0; event->data_count < count; event->data_count++) {
        const char *after_key = strchr(packed, AFTER_KEY);
        const char *after_value = strchr(packed, AFTER_VALUE);
        if (after_key == NULL || after_key > after_value)
            return;
        event->data[event->data_count] = (struct event_datum){
            .key = arena_strndup(arena, packed, (size_t)(after_key - packed)),
            .value = arena_strndup(arena, after_key + 1, (size_t)(after_value - after_key - 1)),
        };
        packed = after_value + 1;
    }
}

const char *event_datum(const struct event *event, const char *key)
{
    for (size_t i = 0; i < event->data_count; i++) {
        if (text_equal(event->data[i].key, key))
            return event->data[i].value;
    }
    return "";
}

const struct pg_statement event_list_statement = {
    .name = "event_list",
    .sql = "SELECT e.sequence, e.type, e.subject_id, e.create_time,"
           "       coalesce((SELECT string_agg(d.key || E'\\x1f' || coalesce(d.value, '')"
           "                                   || E'\\x1e', '' ORDER BY d.key)"
           "                   FROM jsonb_each_text(e.data) d), '') AS data"
           "  FROM event e WHERE e.customer_id = $1 AND e.sequence > $2"
           " ORDER BY e.sequence LIMIT $3",
};

const struct error *event_list(struct call *call, struct uuid customer, int64_t after,
                               int64_t limit, struct event **events, size_t *count)
{
    struct pg_rows rows;

    TRY(pg_read(call, customer, &event_list_statement,
                PG_PARAMS(pg_uuid(customer), pg_int64(after), pg_int64(limit)), &rows));
    *events = arena_array(call->arena, rows.count + 1, sizeof **events);
    for (size_t i = 0; i < rows.count; i++) {
        struct event *event = &(*events)[i];
        *event = (struct event){
            .sequence = pg_get_int64(&rows, i, "sequence"),
            .type = arena_strdup(call->arena, pg_get_text(&rows, i, "type")),
            .subject = pg_get_uuid(&rows, i, "subject_id"),
            .create_time_us = pg_get_time(&rows, i, "create_time"),
        };
        unpack_data(call->arena, pg_get_text(&rows, i, "data"), event);
    }
    *count = rows.count;
    return NULL;
}
