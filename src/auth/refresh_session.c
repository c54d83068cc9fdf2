/*
 * RefreshSession replaces a refresh token by its successor and gives a new access token.
 *
 * A token presented after it was replaced is in two hands: within the grace it is a repeat and gets
 * the same successor, later it ends the session.  Only the certificate that the session is bound to
 * may refresh it, or a device of the same user that takes it over from the app.
 */

#include "auth/auth_internal.h"
#include "auth/session_cache.h"
#include "base/settings.h"
#include "base/text.h"

static const struct error *validate(struct call *call, const RefreshSessionRequest *req)
{
    struct field_errors errors = {.call = call};
    size_t size = strlen(req->refresh_token);

    if (size == 0 || size > REFRESH_TOKEN_LENGTH_MAX)
        field_error_add(&errors, "refresh_token", "must have 1 to %d bytes",
                        REFRESH_TOKEN_LENGTH_MAX);
    return field_errors_result(&errors);
}

static const struct error *token_unknown(struct call *call, const char *cause)
{
    return error_cause(call->arena,
                       refuse(call, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_INVALID",
                              "refresh token is not valid, or its session has ended"),
                       "refresh token: %s", cause);
}

static const struct error *wrong_certificate(struct call *call)
{
    return refuse(call, STATUS_UNAUTHENTICATED, "TOKEN_WRONG_CERTIFICATE",
                  "refresh token is bound to another client certificate");
}

static bool is_app(const struct call *call, const char *identity)
{
    const char *prefix =
        arena_printf(call->arena, "spiffe://%s/app/", call->house->settings->trust_domain);
    return text_starts_with(identity, prefix);
}

static const struct error *check_sender(struct call *call, struct uuid customer,
                                        const struct session *session)
{
    bool own_device = true;
    if (call->caller.kind == CALLER_DEVICE)
        TRY(device_is_of(call, customer, &own_device));
    if (!own_device)
        return wrong_certificate(call);
    if (text_equal(session->sender, call->caller.spiffe_id))
        return NULL;
    if (call->caller.kind == CALLER_DEVICE && is_app(call, session->sender))
        return NULL;
    return wrong_certificate(call);
}

static const struct error *rotation_result(struct call *call, enum rotation rotation,
                                           struct uuid customer)
{
    switch (rotation) {
    case ROTATION_DONE:
        return NULL;
    case ROTATION_LATE:
        session_cache_forget(call->house->sessions, customer);
        return refuse(call, STATUS_UNAUTHENTICATED, "REFRESH_TOKEN_REUSED",
                      "refresh token had been replaced; its session is ended");
    case ROTATION_MOVED:
        return wrong_certificate(call);
    case ROTATION_ENDED:
        return token_unknown(call, "its session ended");
    }
    return NULL;
}

const struct error *refresh_session(struct call *call, const void *request, void *reply)
{
    const RefreshSessionRequest *req = request;
    struct refresh_token presented;
    struct session session;
    bool found;

    TRY(validate(call, req));
    if (!refresh_token_read(call, req->refresh_token, &presented))
        return token_unknown(call, "not made here");
    TRY(session_find(call, presented.customer, presented.session, &session, &found));
    if (!found)
        return token_unknown(call, "its session is unknown");
    TRY(check_sender(call, presented.customer, &session));
    call->customer = uuid_text(call->arena, presented.customer);
    TRY(answer_find(call, presented.customer, &found));
    if (found)
        return NULL;

    struct new_session successor = {
        .customer = presented.customer,
        .id = presented.session,
        .now_us = session.now_us,
        .expire_time_us = session.expire_time_us,
    };
    refresh_token_make(call, presented.customer, presented.session, presented.generation + 1,
                       &successor.token);
    session_to_proto(call, &successor, reply);
    struct bytes answer;
    TRY(answer_seal(call, successor.customer, reply, &answer));
    enum rotation rotation;
    TRY(session_rotate(call, &presented, &successor, answer, &rotation));
    return rotation_result(call, rotation, presented.customer);
}
