/*
 * The sandbox's bank, customers and rules.  Nothing is changed here: a verdict becomes true when
 * its line is in the journal.
 */

#include "gateway/sandbox/judge.h"

#include "base/text.h"

static const char *const prefixes[GATEWAY_OPERATION_COUNT] = {
    [GATEWAY_CHARGE] = "ch", [GATEWAY_AUTHORIZE] = "au", [GATEWAY_CAPTURE] = "ca",
    [GATEWAY_VOID] = "vo",   [GATEWAY_REFUND] = "re",
};

static const char *make_transaction(struct judge judge, struct arena *arena,
                                    enum gateway_operation operation)
{
    uint8_t bytes[12];
    char hex[2 * sizeof bytes + 1];

    random_fill(judge.random, bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, hex);
    return arena_printf(arena, "%s_%s", prefixes[operation], hex);
}

static struct verdict approve(struct judge judge, struct arena *arena,
                              enum gateway_operation operation)
{
    return (struct verdict){"APPROVED", "", "", make_transaction(judge, arena, operation), false};
}

static struct verdict decline(const char *code)
{
    return (struct verdict){"DECLINED", code, "", "", false};
}

static struct verdict wrong(const char *error)
{
    return (struct verdict){"NOT_DONE", "", error, "", false};
}

/* A charge or an authorization. */
static struct verdict judge_card(struct judge judge, struct arena *arena,
                                 const struct gateway_request *request, bool is_first)
{
    const struct sandbox_token *token = sandbox_token_find(request->token);
    struct verdict approved = approve(judge, arena, request->operation);

    if (token == NULL)
        return wrong("no such token");
    switch (token->behaviour) {
    case SANDBOX_APPROVES:
    case SANDBOX_REFUND_PENDS:
    case SANDBOX_REFUND_FAILS:
    case SANDBOX_REFUND_FAILS_LATER:
    case SANDBOX_CAPTURE_FAILS:
    case SANDBOX_DISPUTED_FRAUD:
    case SANDBOX_DISPUTED_GOODS:
    case SANDBOX_DISPUTED_INQUIRY:
    case SANDBOX_DISPUTED_TWICE:
        return approved;
    case SANDBOX_DECLINES:
        return decline(token->decline_code);
    case SANDBOX_AUTHENTICATES:
    case SANDBOX_AUTHENTICATED:
    case SANDBOX_AUTHENTICATED_APP:
    case SANDBOX_AUTHENTICATION_FAILS:
        if (request->off_session)
            return decline("authentication_required");
        return (struct verdict){"ACTION_REQUIRED", "authentication_required", "",
                                approved.transaction, false};
    case SANDBOX_LOSES_ANSWER:
        approved.answer_lost = true;
        return approved;
    case SANDBOX_LOSES_REQUEST:
        if (is_first)
            return (struct verdict){"NOT_DONE", "", "", "", true};
        return approved;
    case SANDBOX_DECLINES_FROM_SECOND:
        if (memory_charge_count(judge.memory, request->token) == 0)
            return approved;
        return decline(token->decline_code);
    }
    return wrong("no such behaviour");
}

static bool has_behaviour(const struct memory_request *request, enum sandbox_behaviour behaviour)
{
    return request->token != NULL && request->token->behaviour == behaviour;
}

static bool is_held(struct judge judge, const struct memory_request *authorization)
{
    return authorization->outcome == GATEWAY_SUCCEEDED && !authorization->is_released &&
           authorization->captured_minor < authorization->amount_minor &&
           judge.now_us < authorization->time_us + SANDBOX_HOLD_US;
}

static struct verdict judge_capture(struct judge judge, struct arena *arena,
                                    const struct gateway_request *request, bool is_first)
{
    const struct memory_request *authorization =
        memory_find_transaction(judge.memory, request->transaction);

    if (authorization == NULL || authorization->operation != GATEWAY_AUTHORIZE)
        return wrong("no such authorization");
    if (!text_equal(authorization->currency, request->amount.currency))
        return wrong("the authorization was in another currency");
    if (!is_held(judge, authorization))
        return wrong(SANDBOX_NOTHING_HELD);
    if (request->amount.minor_units > authorization->amount_minor - authorization->captured_minor)
        return wrong("more than is held");
    if (has_behaviour(authorization, SANDBOX_CAPTURE_FAILS))
        return decline(authorization->token->decline_code);
    if (has_behaviour(authorization, SANDBOX_LOSES_REQUEST) && is_first)
        return (struct verdict){"NOT_DONE", "", "", "", true};
    struct verdict approved = approve(judge, arena, GATEWAY_CAPTURE);
    approved.answer_lost = has_behaviour(authorization, SANDBOX_LOSES_ANSWER);
    return approved;
}

static struct verdict judge_void(struct judge judge, struct arena *arena,
                                 const struct gateway_request *request, bool is_first)
{
    const struct memory_request *held = memory_find_transaction(judge.memory, request->transaction);

    if (held == NULL)
        return wrong("no such authorization");
    if (held->outcome == GATEWAY_SUCCEEDED && held->captured_minor == held->amount_minor)
        return wrong("the money was taken");
    if (has_behaviour(held, SANDBOX_LOSES_REQUEST) && is_first)
        return (struct verdict){"NOT_DONE", "", "", "", true};
    struct verdict approved = approve(judge, arena, GATEWAY_VOID);
    approved.answer_lost = has_behaviour(held, SANDBOX_LOSES_ANSWER);
    return approved;
}

static struct verdict judge_refund(struct judge judge, struct arena *arena,
                                   const struct gateway_request *request, bool is_first)
{
    const struct memory_request *charge =
        memory_find_transaction(judge.memory, request->transaction);

    if (charge == NULL || charge->outcome != GATEWAY_SUCCEEDED)
        return wrong("no such charge");
    if (!text_equal(charge->currency, request->amount.currency))
        return wrong("the charge was in another currency");
    if (request->amount.minor_units >
        charge->captured_minor - charge->refunded_minor - charge->disputed_minor)
        return wrong("more than is left of the charge");
    if (has_behaviour(charge, SANDBOX_REFUND_FAILS))
        return decline(charge->token->decline_code);
    if (has_behaviour(charge, SANDBOX_REFUND_PENDS) && is_first)
        return (struct verdict){"NOT_DONE", "", "", "", false};
    return approve(judge, arena, GATEWAY_REFUND);
}

struct verdict judge_request(struct judge judge, struct arena *arena,
                             const struct gateway_request *request, bool is_first)
{
    if (request->amount.minor_units <= 0)
        return wrong("the amount must be positive");
    switch (request->operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
        return judge_card(judge, arena, request, is_first);
    case GATEWAY_CAPTURE:
        return judge_capture(judge, arena, request, is_first);
    case GATEWAY_VOID:
        return judge_void(judge, arena, request, is_first);
    case GATEWAY_REFUND:
        return judge_refund(judge, arena, request, is_first);
    case GATEWAY_OPERATION_COUNT:
        break;
    }
    return wrong("no such operation");
}

/* The customer of a charge that waits for it. */
static bool judge_customer(struct judge judge, const struct memory_request *known,
                           struct verdict *happened)
{
    if (known->is_released || judge.now_us >= known->time_us + SANDBOX_ACTION_US) {
        *happened = decline("authentication_not_handled");
        return true;
    }
    if (has_behaviour(known, SANDBOX_AUTHENTICATION_FAILS)) {
        *happened = decline(known->token->decline_code);
        return true;
    }
    *happened = (struct verdict){"APPROVED", "", "", known->transaction, false};
    return has_behaviour(known, SANDBOX_AUTHENTICATED) ||
           has_behaviour(known, SANDBOX_AUTHENTICATED_APP);
}

bool judge_event(struct judge judge, const struct memory_request *known, struct verdict *happened)
{
    if (known->is_done && known->outcome == GATEWAY_REQUIRES_ACTION)
        return judge_customer(judge, known, happened);
    if (known->operation == GATEWAY_REFUND && known->is_done &&
        known->outcome == GATEWAY_SUCCEEDED) {
        const struct memory_request *charge =
            memory_find_transaction(judge.memory, known->acted_on);
        if (charge != NULL && has_behaviour(charge, SANDBOX_REFUND_FAILS_LATER)) {
            *happened = (struct verdict){"REVERSED", charge->token->decline_code, "",
                                         known->transaction, false};
            return true;
        }
    }
    return false;
}
