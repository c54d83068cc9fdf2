/*
 * May this caller use this method?  The row of the table says which kinds of caller and which
 * scope; the certificate gives the kind, an access token makes an app or a device a logged-in user.
 *
 * Scopes: a service's and an operator's are granted in the configuration, a user's are in the
 * token. An app or device with nobody logged in has none: the row that admits its kind is the
 * grant.
 */

#include "base/settings.h"
#include "base/text.h"
#include "rpc/internal.h"

#define TOKEN_LENGTH_MAX 4096

/* What a second look at a session may take. */
#define AGAIN_LIMIT_US (5 * US_PER_SECOND)

const char *caller_kind_name(enum caller_kind kind)
{
    switch (kind) {
    case CALLER_SERVICE:
        return "service";
    case CALLER_OPERATOR:
        return "operator";
    case CALLER_APP:
        return "app";
    case CALLER_APP_USER:
        return "app user";
    case CALLER_DEVICE:
        return "device";
    case CALLER_DEVICE_USER:
        return "device user";
    case CALLER_SYSTEM:
        return "system";
    }
    return "nobody"; /* refused before its certificate was read */
}

bool scope_contains(const char *scopes, const char *wanted)
{
    size_t wanted_length = strlen(wanted);

    for (const char *at = scopes; *at != '\0';) {
        at += strspn(at, " ");
        size_t length = strcspn(at, " ");
        if (length == 1 && *at == '*')
            return true;
        if (length == wanted_length && memcmp(at, wanted, length) == 0)
            return true;
        at += length;
    }
    return false;
}

/* "service/service-billing", or "service" for every service. */
static bool grant_is_for(const struct scope_grant *grant, const struct caller *caller)
{
    const char *kind = caller_kind_name(caller->kind);
    size_t length = strlen(kind);

    if (!text_starts_with(grant->identity, kind))
        return false;
    if (grant->identity[length] == '\0')
        return true;
    return grant->identity[length] == '/' && text_equal(grant->identity + length + 1, caller->name);
}

static bool has_scope(const struct call *call, const char *wanted)
{
    const struct settings *settings = call->house->settings;

    if ((call->caller.kind & CALLER_USERS) != 0)
        return call->caller.scope != NULL && scope_contains(call->caller.scope, wanted);
    if ((call->caller.kind & (CALLER_APP | CALLER_DEVICE)) != 0)
        return true;
    for (int32_t i = 0; i < settings->scope_count; i++) {
        if (grant_is_for(&settings->scopes[i], &call->caller) &&
            scope_contains(settings->scopes[i].scopes, wanted))
            return true;
    }
    return false;
}

/*
 * The token of `authorization: Bearer <token>`; NULL when there is no such metadata.  Twice, too
 * long or another scheme is a token that cannot be good.
 */
static const struct error *bearer_token(const struct rpc_call *rpc, struct call *call,
                                        const char **token)
{
    static const char scheme[] = "bearer ";
    const struct error *bad = NULL;

    *token = NULL;
    for (size_t i = 0; i < rpc->metadata.count; i++) {
        grpc_slice value = rpc->metadata.metadata[i].value;
        const char *text = (const char *)GRPC_SLICE_START_PTR(value);
        size_t length = GRPC_SLICE_LENGTH(value);
        if (grpc_slice_str_cmp(rpc->metadata.metadata[i].key, "authorization") != 0)
            continue;
        if (*token != NULL || bad != NULL || length > TOKEN_LENGTH_MAX || length < sizeof scheme ||
            strncasecmp(text, scheme, sizeof scheme - 1) != 0)
            bad = refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_INVALID",
                         "metadata must have one authorization, 'Bearer <access token>'");
        else
            *token =
                arena_strndup(call->arena, text + sizeof scheme - 1, length - (sizeof scheme - 1));
    }
    return bad;
}

static enum caller_kind user_kind(enum caller_kind kind)
{
    return kind == CALLER_APP ? CALLER_APP_USER : CALLER_DEVICE_USER;
}

static const struct error *admit_kind(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    unsigned admitted = rpc->route->method->callers;
    enum caller_kind kind = call->caller.kind;

    if ((kind & (CALLER_APP | CALLER_DEVICE)) != 0 && (admitted & user_kind(kind)) != 0) {
        const char *token;
        TRY(bearer_token(rpc, call, &token));
        if (token != NULL) {
            TRY(rpc->server->options.verify_token(call, token, &call->caller));
            call->caller.kind = user_kind(kind);
            return NULL;
        }
        if ((admitted & kind) == 0)
            return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_REQUIRED",
                          "method needs a logged-in user: send 'authorization: Bearer <access "
                          "token>'");
    }
    if ((admitted & kind) != 0)
        return NULL;
    return error_with(call->arena,
                      refuse(call, STATUS_PERMISSION_DENIED, "CALLER_NOT_ALLOWED",
                             "method is not for callers of kind '%s'", caller_kind_name(kind)),
                      "caller", "%s", caller_kind_name(kind));
}

const struct error *rpc_authorise(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    const struct rpc_method *method = rpc->route->method;

    if (text_equal(method->scope, RPC_PUBLIC))
        return NULL;
    TRY(admit_kind(rpc));
    if (has_scope(call, method->scope))
        return NULL;
    return error_with(call->arena,
                      refuse(call, STATUS_PERMISSION_DENIED, "SCOPE_MISSING",
                             "caller was not granted the scope '%s'", method->scope),
                      "scope", "%s", method->scope);
}

/*
 * Rows, scopes and grants do not change while the server runs; tokens end, and sessions do.  Only
 * what is certain ends a stream: a database that is away says nothing about a session.
 */
const struct error *rpc_authorise_again(struct rpc_call *rpc, struct arena *arena)
{
    struct call call = rpc->call;
    const char *token;

    if ((call.caller.kind & CALLER_USERS) == 0)
        return NULL;
    call.arena = arena;
    call.now_us = clock_wall_us(call.house->clock);
    call.deadline_us = clock_monotonic_us(call.house->clock) + AGAIN_LIMIT_US;
    call.caller.kind = call.caller.kind == CALLER_APP_USER ? CALLER_APP : CALLER_DEVICE;
    TRY(bearer_token(rpc, &call, &token));
    const struct error *error = rpc->server->options.verify_token(&call, token, &call.caller);
    return error != NULL && error->status == STATUS_UNAUTHENTICATED ? error : NULL;
}
