/*
 * Objects of the store: making, loading, showing, expanding, and events about them.
 */

#include "simulator/stripe/templates.h"

#define ID_LENGTH     24
#define EXPAND_MAX    20
#define EXPAND_DEPTH  4
#define SEGMENT_SIZE  64
#define EVENT_VERSION "2026-08-26.dahlia"

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

int64_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool truth_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

void set_text(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, value == NULL ? json_null() : json_string(value));
}

void set_number(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

void set_truth(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

json_t *stripe_new(struct stripe_call *call, enum stripe_template template)
{
    const struct stripe_shape *shape = &stripe_shapes[template];
    json_t *object = json_loads(shape->text, 0, NULL);

    set_text(object, "id", simulator_id(call->simulator, call->arena, shape->prefix, ID_LENGTH));
    set_number(object, "created", call->now_s);
    return tx_add(call->tx, object);
}

json_t *stripe_load(struct stripe_call *call, const char *kind, const char *id)
{
    json_t *object = tx_load(call->tx, kind, id);

    if (object == NULL || truth_of(object, "_deleted"))
        return stripe_not_found(call, kind, id);
    return object;
}

json_t *stripe_load_any(struct stripe_call *call, const char *id)
{
    for (size_t i = 0; i < TEMPLATE_COUNT; i++) {
        if (text_starts_with(id, stripe_shapes[i].prefix))
            return tx_load(call->tx, stripe_shapes[i].kind, id);
    }
    return NULL;
}

json_t *stripe_show(const json_t *object)
{
    const char *key;
    json_t *value;

    if (json_is_array(object)) {
        json_t *shown = json_array();
        for (size_t i = 0; i < json_array_size(object); i++)
            json_array_append_new(shown, stripe_show(json_array_get(object, i)));
        return shown;
    }
    if (!json_is_object(object))
        return json_deep_copy(object);
    json_t *shown = json_object();
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (key[0] != '_')
            json_object_set_new(shown, key, stripe_show(value));
    }
    return shown;
}

void stripe_event(struct stripe_call *call, const char *type, const json_t *object)
{
    const char *id = simulator_id(call->simulator, call->arena, "evt_", ID_LENGTH);
    json_t *request = json_pack("{s:n, s:n}", "id", "idempotency_key");

    if (call->exchange != NULL) {
        set_text(request, "id", call->exchange->request_id);
        if (call->exchange->key[0] != '\0')
            set_text(request, "idempotency_key", call->exchange->key);
    }
    tx_add(call->tx,
           json_pack("{s:s, s:s, s:s, s:I, s:{s:o}, s:b, s:i, s:o, s:s}", "id", id, "object",
                     "event", "api_version", EVENT_VERSION, "created", (json_int_t)call->now_s,
                     "data", "object", stripe_show(object), "livemode", 0, "pending_webhooks",
                     simulator_has_webhook(call->simulator) ? 1 : 0, "request", request, "type",
                     type));
    json_array_append_new(call->tx->events, json_string(id));
}

json_t *stripe_list_of(struct stripe_call *call, const char *url, bool has_more)
{
    return tx_keep(call->tx, json_pack("{s:s, s:[], s:b, s:s}", "object", "list", "data",
                                       "has_more", (int)has_more, "url", url));
}

/* The refunds of a charge, which are only there when they are asked for. */
static json_t *refunds_of(struct stripe_call *call, const char *charge)
{
    json_t *list =
        stripe_list_of(call, arena_printf(call->arena, "/v1/charges/%s/refunds", charge), false);
    json_t *data = json_object_get(list, "data");
    struct store_cursor cursor = store_list(call->tx->store, "refund", "charge", charge);

    for (const char *id; (id = store_next(&cursor)) != NULL;) {
        json_t *refund = tx_load(call->tx, "refund", id);
        json_array_append_new(data, stripe_show(refund));
    }
    return json_incref(list);
}

static bool expand_path(struct stripe_call *call, json_t *shown, const char *path, int depth);

/* The member named by the path's first segment. */
static bool expand_member(struct stripe_call *call, json_t *shown, const char *path, int depth)
{
    size_t length = strcspn(path, ".");
    char key[SEGMENT_SIZE];

    snprintf(key, sizeof key, "%.*s", (int)length, path);
    if (text_equal(key, "refunds") && text_equal(text_of(shown, "object"), "charge") &&
        json_object_get(shown, key) == NULL)
        json_object_set_new(shown, key, refunds_of(call, text_of(shown, "id")));
    json_t *member = json_object_get(shown, key);
    if (member == NULL) {
        stripe_refuse(call, 400, NULL, "expand", "This property cannot be expanded (%s).", path);
        return false;
    }
    if (json_is_string(member)) {
        const json_t *object = stripe_load_any(call, json_string_value(member));
        if (object == NULL) {
            stripe_refuse(call, 400, NULL, "expand", "This property cannot be expanded (%s).",
                          path);
            return false;
        }
        json_object_set_new(shown, key, stripe_show(object));
        member = json_object_get(shown, key);
    }
    if (path[length] == '\0' || json_is_null(member))
        return true;
    return expand_path(call, member, path + length + 1, depth + 1);
}

static bool expand_path(struct stripe_call *call, json_t *shown, const char *path, int depth)
{
    if (depth > EXPAND_DEPTH) {
        stripe_refuse(call, 400, NULL, "expand", "You cannot expand more than %d levels.",
                      EXPAND_DEPTH);
        return false;
    }
    if (!json_is_array(shown))
        return expand_member(call, shown, path, depth);
    for (size_t i = 0; i < json_array_size(shown); i++) {
        if (!expand_member(call, json_array_get(shown, i), path, depth))
            return false;
    }
    return true;
}

bool stripe_expand(struct stripe_call *call, json_t *shown, const json_t *paths)
{
    if (json_array_size(paths) > EXPAND_MAX) {
        stripe_refuse(call, 400, NULL, "expand", "Too many properties to expand");
        return false;
    }
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));
        if (path == NULL || !expand_path(call, shown, path, 1))
            return false;
    }
    return true;
}
