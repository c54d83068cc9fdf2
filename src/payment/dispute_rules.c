/*
 * How a dispute stands, by what was known and what the gateway says now.
 */

#include "payment/dispute_internal.h"

#include "base/text.h"

#define REASON_LENGTH_MAX 63

static const char *const states[DISPUTE_STATE_COUNT] = {
    [DISPUTE_NEEDS_RESPONSE] = "NEEDS_RESPONSE",
    [DISPUTE_UNDER_REVIEW] = "UNDER_REVIEW",
    [DISPUTE_WON] = "WON",
    [DISPUTE_LOST] = "LOST",
    [DISPUTE_ACCEPTED] = "ACCEPTED",
    [DISPUTE_CLOSED] = "CLOSED",
};

const char *dispute_state_name(enum dispute_state state)
{
    return states[state];
}

bool dispute_state_parse(const char *name, enum dispute_state *state)
{
    for (int i = 0; i < DISPUTE_STATE_COUNT; i++) {
        if (text_equal(states[i], name)) {
            *state = (enum dispute_state)i;
            return true;
        }
    }
    return false;
}

bool dispute_is_open(enum dispute_state state)
{
    return state == DISPUTE_NEEDS_RESPONSE || state == DISPUTE_UNDER_REVIEW;
}

/* The gateway knows no difference between what was lost and what was given up; we do. */
static enum dispute_state state_of(const struct dispute *before, const struct gateway_dispute *news)
{
    bool gave_in = before->state == DISPUTE_ACCEPTED || before->response_action == DISPUTE_ACCEPT;

    switch (news->status) {
    case GATEWAY_DISPUTE_NEEDS_RESPONSE:
        return DISPUTE_NEEDS_RESPONSE;
    case GATEWAY_DISPUTE_UNDER_REVIEW:
        return DISPUTE_UNDER_REVIEW;
    case GATEWAY_DISPUTE_WON:
        return DISPUTE_WON;
    case GATEWAY_DISPUTE_LOST:
        return gave_in ? DISPUTE_ACCEPTED : DISPUTE_LOST;
    case GATEWAY_DISPUTE_CLOSED:
        break;
    }
    return DISPUTE_CLOSED;
}

static bool is_same(const struct dispute *a, const struct dispute *b)
{
    return a->version > 0 && money_same_currency(a->amount, b->amount) &&
           a->amount.minor_units == b->amount.minor_units && text_equal(a->reason, b->reason) &&
           a->is_inquiry == b->is_inquiry && a->state == b->state &&
           a->withdrawn_minor == b->withdrawn_minor && money_same_currency(a->fee, b->fee) &&
           a->fee.minor_units == b->fee.minor_units && a->evidence_due_us == b->evidence_due_us &&
           a->evidence_us == b->evidence_us;
}

bool dispute_after(const struct dispute *before, const struct gateway_dispute *news,
                   int64_t asked_us, int64_t now_us, struct dispute *after)
{
    *after = *before;
    if (before->version > 0 && asked_us < before->asked_us)
        return false;
    after->amount = news->amount;
    after->reason = news->reason;
    after->is_inquiry = news->is_inquiry;
    after->state = state_of(before, news);
    after->withdrawn_minor = news->withdrawn_minor;
    after->fee = news->fee;
    after->evidence_due_us =
        news->status == GATEWAY_DISPUTE_NEEDS_RESPONSE ? news->evidence_due_us : 0;
    if (news->has_evidence && before->evidence_us == 0)
        after->evidence_us = now_us;
    after->asked_us = asked_us;
    after->update_time_us = now_us;
    return !is_same(before, after);
}

bool dispute_news_complete(struct arena *arena, struct gateway_dispute *news)
{
    const char *reason = news->reason == NULL ? "" : news->reason;

    if (news->id == NULL || news->id[0] == '\0' || strlen(news->id) > GATEWAY_DISPUTE_ID_MAX ||
        !currency_known(news->amount.currency, NULL) || news->amount.minor_units <= 0 ||
        news->withdrawn_minor < 0)
        return false;
    news->reason = arena_strndup(arena, reason, strnlen(reason, REASON_LENGTH_MAX));
    if (news->transaction == NULL)
        news->transaction = "";
    if (news->reference == NULL)
        news->reference = "";
    if (!currency_known(news->fee.currency, NULL) || news->fee.minor_units < 0)
        news->fee = money_make(news->amount.currency, 0);
    return true;
}

bool dispute_news_fit(const struct dispute *dispute, const struct gateway_dispute *news)
{
    return text_equal(dispute->gateway_dispute, news->id) &&
           money_same_currency(dispute->amount, news->amount);
}

static bool is_decided(enum gateway_dispute_status status)
{
    switch (status) {
    case GATEWAY_DISPUTE_NEEDS_RESPONSE:
    case GATEWAY_DISPUTE_UNDER_REVIEW: /* also when the time for evidence is over, without any */
        return false;
    case GATEWAY_DISPUTE_WON:
    case GATEWAY_DISPUTE_LOST:
    case GATEWAY_DISPUTE_CLOSED:
        break;
    }
    return true;
}

enum dispute_seen dispute_response_seen(const struct dispute_response *response,
                                        const struct gateway_dispute *news)
{
    bool is_over = is_decided(news->status);

    if (response->action == DISPUTE_ACCEPT) {
        if (!is_over)
            return DISPUTE_SEEN_ABSENT;
        return news->status == GATEWAY_DISPUTE_WON ? DISPUTE_SEEN_REFUSED : DISPUTE_SEEN_DONE;
    }
    if (news->has_evidence)
        return response->had_evidence ? DISPUTE_SEEN_NOTHING : DISPUTE_SEEN_DONE;
    return is_over ? DISPUTE_SEEN_REFUSED : DISPUTE_SEEN_ABSENT;
}
