/*
 * SignUp makes a user, the customer who pays for it and a first session.
 *
 * The address is what is unique, and it is looked up by itself, so it is reserved first, then all
 * is made in one commit, then the reservation is confirmed.  What a crash leaves between these, the
 * same request again finishes; so does, after a few seconds, any other sign-up with the address.
 */

#include "auth/auth_internal.h"
#include "base/fiber.h"
#include "base/settings.h"
#include "base/text.h"
#include "crypto/password.h"

/* Another sign-up with the address is at work: look again a few times before giving up. */
#define BUSY_PAUSE_US (50 * US_PER_MS)
#define BUSY_TRIES    20

static void check_password(struct field_errors *errors, const char *password)
{
    size_t size = strlen(password);
    if (size < PASSWORD_SIZE_MIN || size > PASSWORD_SIZE_MAX)
        field_error_add(errors, "password", "must have %d to %d bytes", PASSWORD_SIZE_MIN,
                        PASSWORD_SIZE_MAX);
}

static const struct error *validate(struct call *call, const SignUpRequest *req,
                                    struct uuid *test_clock)
{
    struct field_errors errors = {.call = call};

    check_email(&errors, "email", req->email);
    check_password(&errors, req->password);
    check_text(&errors, "display_name", req->display_name, 0, DISPLAY_NAME_LENGTH_MAX);
    *test_clock = UUID_NIL;
    if (req->test_clock[0] != '\0') {
        if (!call->house->settings->sandbox)
            field_error_add(&errors, "test_clock", "is only for servers with the sandbox on");
        else
            check_name(&errors, "test_clock", req->test_clock, "testClocks/{}", test_clock, 1);
    }
    return field_errors_result(&errors);
}

static const struct error *email_taken(struct call *call)
{
    return refuse(call, STATUS_ALREADY_EXISTS, "EMAIL_TAKEN",
                  "a user with this e-mail address exists");
}

/* The address belongs to `customer`: this request's own work, done before, or somebody else's. */
static const struct error *answer_known(struct call *call, struct uuid customer)
{
    bool found;
    TRY(answer_find(call, customer, &found));
    return found ? NULL : email_taken(call);
}

static const struct error *reserve(struct call *call, struct new_user *user,
                                   enum email_outcome *outcome)
{
    for (int tries = 0; tries < BUSY_TRIES; tries++) {
        TRY(email_reserve(call, user->email_key, &user->id, outcome));
        if (*outcome != EMAIL_BUSY)
            return NULL;
        user->id = uuid_make(call->house->random, call->now_us);
        fiber_sleep(BUSY_PAUSE_US);
    }
    return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                              "another sign-up with this e-mail address is at work"),
                       1000);
}

static const struct error *write_answer(struct call *call, const struct new_user *user,
                                        const struct new_session *session, SignUpResponse *res,
                                        struct bytes *answer)
{
    const struct user made = {
        .id = user->id,
        .email = user->email,
        .display_name = user->display_name,
        .create_time_us = session->now_us,
    };
    res->user = arena_alloc(call->arena, sizeof(*res->user));
    dues__auth__v1__user__init(res->user);
    user_to_proto(call->arena, &made, res->user);
    res->customer = res->user->customer;
    res->session = arena_alloc(call->arena, sizeof(*res->session));
    dues__auth__v1__session__init(res->session);
    session_to_proto(call, session, res->session);

    return answer_seal(call, user->id, &res->base, answer);
}

static const struct error *make_user(struct call *call, struct new_user *user, int64_t now_us,
                                     SignUpResponse *res)
{
    enum email_outcome outcome;
    TRY(reserve(call, user, &outcome));
    if (outcome == EMAIL_CONFIRMED)
        return answer_known(call, user->id);

    struct new_session session = session_begin(call, user->id, now_us);
    struct bytes answer;
    TRY(write_answer(call, user, &session, res, &answer));
    bool made;
    TRY(user_record(call, user, &session, answer, &made));
    TRY(email_confirm(call, user->email_key, user->id));
    call->customer = uuid_text(call->arena, user->id);
    return made ? NULL : email_taken(call);
}

const struct error *sign_up(struct call *call, const void *request, void *reply)
{
    const SignUpRequest *req = request;
    struct new_user user = {
        .id = uuid_make(call->house->random, call->now_us),
        .email = req->email,
        .email_key = email_to_key(call->arena, req->email),
        .display_name = req->display_name,
    };

    TRY(validate(call, req, &user.test_clock));
    TRY(password_check_room(call));
    TRY(stranger_request_claim(call));

    struct uuid known;
    bool confirmed;
    TRY(email_find(call, user.email_key, &known, &confirmed));
    if (confirmed)
        return answer_known(call, known);

    int64_t now_us = call->now_us;
    if (!uuid_is_nil(user.test_clock))
        TRY(test_clock_load(call, user.test_clock, &now_us));
    /* Before the reservation, so that a full pool or a slow hash holds up nobody's address. */
    TRY(password_hash(call, req->password, &user.password_hash));
    return make_user(call, &user, now_us, reply);
}
