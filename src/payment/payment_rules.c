/*
 * Which moves of a payment, an attempt and a refund are legal.  The guards in SQL (attempt_sources,
 * payment_sources, the WHERE of each UPDATE) repeat these tables against races; tests compare them
 * pair by pair.
 */

#include "base/text.h"
#include "payment/capture.h"
#include "payment/payment.h"
#include "payment/refund.h"

static const char *const payment_states[PAYMENT_STATE_COUNT] = {
    [PAYMENT_PROCESSING] = "PROCESSING",
    [PAYMENT_REQUIRES_ACTION] = "REQUIRES_ACTION",
    [PAYMENT_REQUIRES_CAPTURE] = "REQUIRES_CAPTURE",
    [PAYMENT_SUCCEEDED] = "SUCCEEDED",
    [PAYMENT_FAILED] = "FAILED",
    [PAYMENT_CANCELED] = "CANCELED",
};

static const char *const attempt_states[ATTEMPT_STATE_COUNT] = {
    [ATTEMPT_SENDING] = "SENDING",
    [ATTEMPT_UNKNOWN] = "UNKNOWN",
    [ATTEMPT_RESOLVING] = "RESOLVING",
    [ATTEMPT_SUCCEEDED] = "SUCCEEDED",
    [ATTEMPT_DECLINED] = "DECLINED",
    [ATTEMPT_FAILED] = "FAILED",
    [ATTEMPT_REQUIRES_ACTION] = "REQUIRES_ACTION",
    [ATTEMPT_MANUAL] = "MANUAL",
};

static const char *const refund_states[REFUND_STATE_COUNT] = {
    [REFUND_PENDING] = "PENDING",
    [REFUND_SUCCEEDED] = "SUCCEEDED",
    [REFUND_FAILED] = "FAILED",
};

/* One bit a state. */
#define TO(state) (1U << (state))

#define PAYMENT_RESULTS (TO(PAYMENT_REQUIRES_CAPTURE) | TO(PAYMENT_SUCCEEDED) | TO(PAYMENT_FAILED))

static const unsigned payment_moves[PAYMENT_STATE_COUNT] = {
    [PAYMENT_PROCESSING] = TO(PAYMENT_REQUIRES_ACTION) | PAYMENT_RESULTS,
    [PAYMENT_REQUIRES_ACTION] = PAYMENT_RESULTS | TO(PAYMENT_CANCELED),
    [PAYMENT_REQUIRES_CAPTURE] = TO(PAYMENT_SUCCEEDED) | TO(PAYMENT_CANCELED),
};

#define ATTEMPT_RESULTS                                                                            \
    (TO(ATTEMPT_SUCCEEDED) | TO(ATTEMPT_DECLINED) | TO(ATTEMPT_FAILED) |                           \
     TO(ATTEMPT_REQUIRES_ACTION) | TO(ATTEMPT_MANUAL))

/*
 * A result moves on only into the hands of people: late opposite evidence never flips it.  An
 * action is no result: whoever asks what the customer did takes the attempt over.
 */
static const unsigned attempt_moves[ATTEMPT_STATE_COUNT] = {
    [ATTEMPT_SENDING] = TO(ATTEMPT_UNKNOWN) | TO(ATTEMPT_RESOLVING) | ATTEMPT_RESULTS,
    [ATTEMPT_UNKNOWN] = TO(ATTEMPT_RESOLVING) | ATTEMPT_RESULTS,
    [ATTEMPT_RESOLVING] = TO(ATTEMPT_UNKNOWN) | TO(ATTEMPT_RESOLVING) | ATTEMPT_RESULTS,
    [ATTEMPT_SUCCEEDED] = TO(ATTEMPT_MANUAL),
    [ATTEMPT_DECLINED] = TO(ATTEMPT_MANUAL),
    [ATTEMPT_FAILED] = TO(ATTEMPT_MANUAL),
    [ATTEMPT_REQUIRES_ACTION] = TO(ATTEMPT_RESOLVING) | TO(ATTEMPT_MANUAL),
};

static const unsigned refund_moves[REFUND_STATE_COUNT] = {
    [REFUND_PENDING] = TO(REFUND_SUCCEEDED) | TO(REFUND_FAILED),
    [REFUND_SUCCEEDED] = TO(REFUND_FAILED), /* a bank sent it back */
};

static bool name_find(const char *const *names, size_t count, const char *name, size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(names[i], name)) {
            *index = i;
            return true;
        }
    }
    return false;
}

const char *payment_state_name(enum payment_state state)
{
    return payment_states[state];
}

bool payment_state_parse(const char *name, enum payment_state *state)
{
    size_t index;

    if (!name_find(payment_states, PAYMENT_STATE_COUNT, name, &index))
        return false;
    *state = (enum payment_state)index;
    return true;
}

bool payment_may_move(enum payment_state from, enum payment_state to)
{
    return (payment_moves[from] & TO(to)) != 0;
}

const char *attempt_state_name(enum attempt_state state)
{
    return attempt_states[state];
}

bool attempt_state_parse(const char *name, enum attempt_state *state)
{
    size_t index;

    if (!name_find(attempt_states, ATTEMPT_STATE_COUNT, name, &index))
        return false;
    *state = (enum attempt_state)index;
    return true;
}

bool attempt_may_move(enum attempt_state from, enum attempt_state to)
{
    return (attempt_moves[from] & TO(to)) != 0;
}

bool attempt_is_over(enum attempt_state state)
{
    return state == ATTEMPT_REQUIRES_ACTION || !attempt_may_move(state, ATTEMPT_RESOLVING);
}

const char *refund_state_name(enum refund_state state)
{
    return refund_states[state];
}

bool refund_state_parse(const char *name, enum refund_state *state)
{
    size_t index;

    if (!name_find(refund_states, REFUND_STATE_COUNT, name, &index))
        return false;
    *state = (enum refund_state)index;
    return true;
}

bool refund_may_move(enum refund_state from, enum refund_state to)
{
    return (refund_moves[from] & TO(to)) != 0;
}

int64_t payment_refundable(const struct payment *payment)
{
    if (payment->state != PAYMENT_SUCCEEDED)
        return 0;
    int64_t left = payment->captured_minor - payment->refunded_minor -
                   payment->refund_pending_minor - payment->disputed_minor;
    return left > 0 ? left : 0;
}

struct payment payment_after_capture(const struct payment *payment, const struct capture *capture,
                                     const struct gateway_answer *answer, int64_t now_us)
{
    struct payment after = *payment;
    int64_t reserved =
        capture->is_final ? payment->capture_pending_minor : capture->amount.minor_units;

    after.update_time_us = now_us;
    after.capture_pending_minor -= reserved;
    if (answer->outcome != GATEWAY_SUCCEEDED) {
        after.capturable_minor += reserved;
        return after;
    }
    if (capture->operation == GATEWAY_CAPTURE) {
        after.captured_minor += answer->amount.minor_units;
        if (!capture->is_final)
            after.capturable_minor += reserved - answer->amount.minor_units;
        if (after.capturable_minor < 0)
            after.capturable_minor = 0;
    }
    if (capture->is_final || after.capturable_minor + after.capture_pending_minor == 0)
        after.state = after.captured_minor > 0 ? PAYMENT_SUCCEEDED : PAYMENT_CANCELED;
    return after;
}
