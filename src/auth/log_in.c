/*
 * LogIn opens a session for who knows the password.
 *
 * An unknown address, a wrong password and another user's device take the same steps to the same
 * answer, and count alike as guesses.  The replay is looked for after the password was checked: a
 * request_id alone opens nothing.
 */

#include "auth/auth_internal.h"
#include "auth/guess_guard.h"
#include "crypto/password.h"

static const struct error *validate(struct call *call, const LogInRequest *req)
{
    struct field_errors errors = {.call = call};
    size_t password_size = strlen(req->password);

    check_email(&errors, "email", req->email);
    if (password_size == 0 || password_size > PASSWORD_SIZE_MAX)
        field_error_add(&errors, "password", "must have 1 to %d bytes", PASSWORD_SIZE_MAX);
    return field_errors_result(&errors);
}

static const struct error *delayed(struct call *call, int64_t wait_us)
{
    return error_retry(refuse(call, STATUS_RESOURCE_EXHAUSTED, "LOG_IN_DELAYED",
                              "too many wrong passwords were tried for this e-mail address"),
                       wait_us / US_PER_MS + 1);
}

static const struct error *compare(struct call *call, const LogInRequest *req,
                                   const char *email_key, struct user *user, bool *matches)
{
    bool own_device = true;
    struct uuid id;
    bool confirmed;

    TRY(email_find(call, email_key, &id, &confirmed));
    TRY(user_find(call, id, user));
    if (call->caller.kind == CALLER_DEVICE)
        TRY(device_is_of(call, id, &own_device));
    TRY(password_verify(call, user->password_hash, req->password, matches));
    *matches = *matches && own_device;
    return NULL;
}

static const struct error *check_credentials(struct call *call, const LogInRequest *req,
                                             struct user *user)
{
    const char *email_key = email_to_key(call->arena, req->email);
    const char *device = call->caller.kind == CALLER_DEVICE ? call->caller.spiffe_id : "";
    struct guess_guard *guesses = call->house->guesses;
    bool matches;

    int64_t wait_us = guess_guard_begin(guesses, email_key, device);
    if (wait_us > 0)
        return delayed(call, wait_us);
    const struct error *error = compare(call, req, email_key, user, &matches);
    if (error != NULL) {
        guess_guard_untold(guesses, email_key, device);
        return error;
    }
    if (!matches) {
        guess_guard_wrong(guesses, email_key, device);
        return refuse(call, STATUS_UNAUTHENTICATED, "CREDENTIALS_INVALID",
                      "e-mail address and password do not match a user");
    }
    guess_guard_right(guesses, email_key, device);
    return NULL;
}

const struct error *log_in(struct call *call, const void *request, void *reply)
{
    const LogInRequest *req = request;
    struct user user = {.id = UUID_NIL};

    TRY(validate(call, req));
    TRY(password_check_room(call));
    TRY(check_credentials(call, req, &user));
    call->customer = uuid_text(call->arena, user.id);
    TRY(stranger_request_claim(call));
    bool found;
    TRY(answer_find(call, user.id, &found));
    if (found)
        return NULL;

    struct customer customer;
    TRY(customer_load(call, user.id, &customer));
    const char *new_hash = NULL;
    if (password_is_outdated(user.password_hash))
        TRY(password_hash(call, req->password, &new_hash));

    struct new_session session = session_begin(call, user.id, customer.now_us);
    session_to_proto(call, &session, reply);
    struct bytes answer;
    TRY(answer_seal(call, session.customer, reply, &answer));
    return session_record(call, &session, user.password_hash, new_hash, answer);
}
