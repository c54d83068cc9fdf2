/*
 * Whose thing is it?  The one place that knows `customers/me` and that turns somebody else's object
 * into NOT_FOUND.
 */

#include "base/owner.h"

#include "base/text.h"

static bool is_user(const struct call *call)
{
    return ((unsigned)call->caller.kind & CALLER_USERS) != 0;
}

/* What follows "customers/me" or "users/me" in `value`, or NULL when it does not begin so. */
static const char *after_me(const char *value, const char *pattern)
{
    size_t collection_length = strcspn(pattern, "/") + 1;

    if (strncmp(value, pattern, collection_length) != 0)
        return NULL;
    value += collection_length;
    if (!text_starts_with(value, "me") || (value[2] != '/' && value[2] != '\0'))
        return NULL;
    return value + 2;
}

void check_owned_name(struct field_errors *errors, const char *field, const char *value,
                      const char *pattern, struct uuid *ids, size_t id_count)
{
    struct call *call = errors->call;
    const char *rest = value == NULL ? NULL : after_me(value, pattern);

    if (rest != NULL) {
        if (!is_user(call)) {
            field_error_add(errors, field, "may say 'me' only with a user's access token");
            return;
        }
        int collection_length = (int)strcspn(pattern, "/");
        value = arena_printf(call->arena, "%.*s/%s%s", collection_length, pattern,
                             uuid_text(call->arena, call->caller.user), rest);
    }
    check_name(errors, field, value, pattern, ids, id_count);
}

static bool may_touch(const struct call *call, struct uuid customer)
{
    switch (call->caller.kind) {
    case CALLER_SERVICE:
    case CALLER_OPERATOR:
    case CALLER_SYSTEM:
        return true;
    case CALLER_APP_USER:
    case CALLER_DEVICE_USER:
        return uuid_equal(call->caller.user, customer);
    case CALLER_APP:
    case CALLER_DEVICE:
        return false;
    }
    return false;
}

const struct error *owner_check(struct call *call, struct uuid customer, const char *reason,
                                const char *name)
{
    if (!may_touch(call, customer))
        return not_found(call, reason, name);
    call->customer = uuid_text(call->arena, customer);
    return NULL;
}
