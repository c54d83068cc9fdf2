/*
 * Asking a gateway, whatever for.  Here are the two rules that make it safe: nothing leaves unless
 * enough of the lease is left to hear the answer, and an answer that does not fit what was asked is
 * not believed.  One of another amount is asked about again by another way; what the gateway then
 * goes on saying is for people.
 */

#include "payment/payment_internal.h"

#include "base/fail_point.h"
#include "base/fiber.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/secrets.h"
#include "gateway/decline.h"
#include "payment/payment_measure.h"
#include "pg/replay.h"

/* What is added to the gateway's timeout, and how much of it may be gone before the request leaves.
 */
#define LEASE_MARGIN_MS 10000
#define LEASE_GONE_MS   6000

/* 128 bits as hex: 32 characters, what every gateway takes. */
#define GATEWAY_KEY_BYTES 16

#define AWAIT_FIRST_US   (20 * US_PER_MS)
#define AWAIT_LONGEST_US (200 * US_PER_MS)
#define AWAIT_IN_ALL_US  (3 * US_PER_SECOND)
#define RETRY_RUNNING_MS 500

static const uint8_t key_letters[GATEWAY_OPERATION_COUNT] = {
    [GATEWAY_CHARGE] = 'C', [GATEWAY_AUTHORIZE] = 'A', [GATEWAY_CAPTURE] = 'K',
    [GATEWAY_VOID] = 'V',   [GATEWAY_REFUND] = 'R',
};

const char *gateway_key_make(struct call *call, struct uuid id, uint8_t letter)
{
    uint8_t input[sizeof id.bytes + 1];
    uint8_t tag[SHA256_SIZE];
    char hex[2 * GATEWAY_KEY_BYTES + 1];

    memcpy(input, id.bytes, sizeof id.bytes);
    input[sizeof id.bytes] = letter;
    secret_hmac(call->house->secrets, SECRET_GATEWAY_KEY, input, sizeof input, tag);
    hex_encode(tag, GATEWAY_KEY_BYTES, hex);
    return arena_strdup(call->arena, hex);
}

const char *attempt_gateway_key(struct call *call, struct uuid attempt,
                                enum gateway_operation operation)
{
    return gateway_key_make(call, attempt, key_letters[operation]);
}

void attempt_be_patient(struct call *call)
{
    int64_t until_us = clock_monotonic_us(call->house->clock) + CHARGE_RECORD_US;

    if (call->deadline_us < until_us)
        call->deadline_us = until_us;
    call->patient = true;
}

int64_t attempt_lease_ms(const struct call *call)
{
    return call->house->settings->gateway_timeout_ms + LEASE_MARGIN_MS;
}

/* For people, as other amounts are told; what currency a gateway names is its own affair. */
static const char *told(struct call *call, struct money amount)
{
    char text[MONEY_TEXT_SIZE];

    if (!currency_known(amount.currency, NULL))
        return arena_printf(call->arena, "%lld units of \"%.3s\"", (long long)amount.minor_units,
                            amount.currency);
    money_format(amount, text);
    return arena_strdup(call->arena, text);
}

/* An answer that does not match goes to people, with its transaction and the amount when that can
 * be posted. */
static void distrust(struct call *call, const struct gateway_request *request,
                     struct gateway_answer *answer)
{
    answer->evidence = arena_printf(call->arena, "asked for %s, the gateway says %s",
                                    told(call, request->amount), told(call, answer->amount));
    answer->outcome = GATEWAY_UNKNOWN;
    answer->decline_code = "";
    if (!money_same_currency(answer->amount, request->amount))
        answer->amount.minor_units = 0;
}

/* What an adapter leaves out is nothing. */
static void complete(struct gateway_answer *answer)
{
    const char **const texts[] = {
        &answer->transaction,
        &answer->decline_code,
        &answer->network_decline_code,
        &answer->advice,
        &answer->evidence,
        &answer->action.redirect_url,
        &answer->action.client_secret,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (*texts[i] == NULL)
            *texts[i] = "";
    }
}

/*
 * A code that nobody taught us is no code of ours; what the gateway said stays as evidence.  Who is
 * to authenticate was not declined, but is told in the same words what the bank wants.
 */
static void name_decline(struct call *call, struct gateway_answer *answer)
{
    if (answer->outcome == GATEWAY_REQUIRES_ACTION && answer->decline_code[0] == '\0')
        answer->decline_code = "authentication_required";
    if (answer->decline_code[0] == '\0' || decline_is_known(answer->decline_code))
        return;
    answer->evidence = arena_printf(call->arena, "declined as \"%.64s\"; %s", answer->decline_code,
                                    answer->evidence);
    answer->decline_code = "generic_decline";
}

/* It names a transaction, but not the amount that was asked for. */
static bool is_of_other_amount(const struct gateway_request *request,
                               const struct gateway_answer *answer)
{
    return answer->outcome == GATEWAY_SUCCEEDED && answer->transaction[0] != '\0' &&
           !(money_same_currency(answer->amount, request->amount) &&
             answer->amount.minor_units == request->amount.minor_units);
}

static void check_answer(struct call *call, const struct gateway_request *request,
                         struct gateway_answer *answer)
{
    if (request->operation != GATEWAY_REFUND)
        name_decline(call, answer);
    if (answer->outcome == GATEWAY_SUCCEEDED && answer->transaction[0] == '\0') {
        answer->outcome = GATEWAY_UNKNOWN;
        answer->evidence = "success without a transaction";
    } else if (is_of_other_amount(request, answer)) {
        distrust(call, request, answer);
    } else if (answer->outcome == GATEWAY_UNKNOWN) {
        answer->transaction = "";
    }
}

static void exchange(struct call *call, const struct gateway *gateway,
                     const struct attempt_ask *ask, struct gateway_answer *answer)
{
    bool is_lost = ask->query_only
                       ? FAIL_DO("attempt.query", gateway_operation_name(ask->request.operation),
                                 gateway->query(gateway, call, &ask->request, answer))
                       : FAIL_DO("attempt.send", gateway_operation_name(ask->request.operation),
                                 gateway->send(gateway, call, &ask->request, answer));

    if (is_lost)
        *answer = gateway_answer_plain(GATEWAY_UNKNOWN, "the answer was lost");
    if (FAIL_HIT("attempt.answer", gateway_operation_name(ask->request.operation)))
        answer->amount.minor_units++;
}

/*
 * One answer may be wrong; a question harms nobody.  A success counts as the gateway tells it now.
 * Anything else contradicts what was just said, and the resolver asks until it does not.
 */
static void ask_about_amount(struct call *call, const struct gateway *gateway,
                             const struct attempt_ask *ask, struct gateway_answer *answer)
{
    const struct money said = answer->amount;
    struct attempt_ask again = *ask;

    again.query_only = true;
    if (ask->request.operation == GATEWAY_CHARGE || ask->request.operation == GATEWAY_AUTHORIZE)
        again.request.transaction = answer->transaction;
    exchange(call, gateway, &again, answer);
    complete(answer);
    if (answer->outcome == GATEWAY_SUCCEEDED)
        return;
    *answer = gateway_answer_plain(
        GATEWAY_UNKNOWN, arena_printf(call->arena, "an answer said %.3s %lld; asked again: %s %s",
                                      said.currency, (long long)said.minor_units,
                                      gateway_outcome_name(answer->outcome), answer->evidence));
}

void attempt_ask(struct call *call, const struct attempt_ask *ask, struct gateway_answer *answer)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, ask->gateway);
    int64_t gone_us = clock_monotonic_us(call->house->clock) - ask->armed_us;

    if (gateway == NULL) {
        *answer = gateway_answer_plain(GATEWAY_NOT_SENT, "the gateway is not configured");
        return;
    }
    if (gone_us > LEASE_GONE_MS * US_PER_MS || FAIL_HIT("attempt.lease", "")) {
        *answer = gateway_answer_plain(GATEWAY_NOT_SENT, "too little of the lease was left");
        return;
    }
    int64_t asked_us = clock_monotonic_us(call->house->clock);
    exchange(call, gateway, ask, answer);
    complete(answer);
    if (is_of_other_amount(&ask->request, answer))
        ask_about_amount(call, gateway, ask, answer);
    check_answer(call, &ask->request, answer);
    gateway_count_answer(call, ask->request.operation, ask->query_only, answer->outcome,
                         clock_monotonic_us(call->house->clock) - asked_us);
    attempt_be_patient(call);
}

static const struct error *in_progress(struct call *call)
{
    return error_retry(refuse(call, STATUS_ABORTED, "REQUEST_IN_PROGRESS",
                              "the first request with this request_id is still running"),
                       RETRY_RUNNING_MS);
}

/* Whether somebody is at work on what a request waits for. */
struct work {
    struct uuid customer;
    struct uuid payment;
    struct uuid refund;
    struct uuid attempt; /* UUID_NIL: that of the payment or refund */
};

static const struct error *is_driven(struct call *call, const struct work *work, bool *driven)
{
    struct attempt attempt;
    bool found;

    if (uuid_is_nil(work->attempt))
        return attempt_is_driven(call, work->customer, work->payment, work->refund, driven);
    TRY(attempt_find(call, work->customer, work->attempt, &attempt, &found));
    *driven = found && attempt.lease_left_us > 0;
    return NULL;
}

bool attempt_wait(struct call *call, struct attempt_wait *wait)
{
    int64_t wait_us = wait->waited_us < AWAIT_FIRST_US ? AWAIT_FIRST_US : wait->waited_us;

    if (wait_us > AWAIT_LONGEST_US)
        wait_us = AWAIT_LONGEST_US;
    if (wait->waited_us >= AWAIT_IN_ALL_US || call_time_left_us(call) < 2 * AWAIT_LONGEST_US)
        return false;
    fiber_sleep(wait_us);
    wait->waited_us += wait_us;
    return true;
}

static const struct error *await(struct call *call, const struct work *work, bool *answered)
{
    struct attempt_wait wait = {0};

    for (;;) {
        bool driven;
        /* In this order: who stops driving has recorded before. */
        TRY(is_driven(call, work, &driven));
        TRY(replay_find(call, work->customer, answered, NULL));
        if (*answered || !driven)
            return NULL;
        if (!attempt_wait(call, &wait))
            return in_progress(call);
    }
}

const struct error *attempt_await(struct call *call, struct uuid customer, struct uuid payment,
                                  struct uuid refund, bool *answered)
{
    return await(call, &(struct work){customer, payment, refund, UUID_NIL}, answered);
}

const struct error *attempt_await_one(struct call *call, struct uuid customer, struct uuid attempt,
                                      bool *answered)
{
    return await(call, &(struct work){customer, UUID_NIL, UUID_NIL, attempt}, answered);
}
