/*
 * Waiting for the customer.  ConfirmPayment asks the gateway at once; the obligation
 * "payment.action" asks again and again in case the app never comes back, and at last lets go of
 * the action, so that nobody authenticates a payment that nobody waits for.
 *
 * The customer has a secret that may outlive a failed try.  So a decline is recorded only when the
 * gateway has let go: a payment that is FAILED here is never paid there.
 */

#include "payment/payment_internal.h"

#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"

#define LOOK_FIRST_US   US_PER_MINUTE
#define LOOK_LONGEST_US US_PER_HOUR

#define RETRY_CONFIRM_MS 1000

static struct attempt_ask ask_of(struct call *call, const struct charge *charge)
{
    return (struct attempt_ask){
        .gateway = charge->gateway,
        .request = charge_request(call, charge),
        .armed_us = charge->armed_us,
    };
}

static void ask_what_became(struct call *call, const struct charge *charge,
                            struct gateway_answer *answer)
{
    struct attempt_ask ask = ask_of(call, charge);

    ask.query_only = true;
    attempt_ask(call, &ask, answer);
}

static void let_go(struct call *call, const struct charge *charge, struct gateway_answer *answer)
{
    struct attempt_ask ask = ask_of(call, charge);

    ask.request.operation = GATEWAY_VOID;
    ask.request.idempotency_key = attempt_gateway_key(call, charge->attempt, GATEWAY_VOID);
    ask.request.token = "";
    attempt_ask(call, &ask, answer);
}

struct gateway_answer action_name_end(const struct charge *charge,
                                      const struct gateway_answer *answer)
{
    struct gateway_answer named = *answer;

    if (!charge->is_canceled || answer->outcome != GATEWAY_DECLINED ||
        !text_equal(answer->decline_code, "authentication_not_handled"))
        return named;
    named.decline_code = DECLINE_CANCELED;
    named.evidence = "canceled before the customer had authenticated";
    return named;
}

void action_ask(struct call *call, const struct charge *charge, bool gives_up,
                struct gateway_answer *answer)
{
    struct gateway_answer released;

    ask_what_became(call, charge, answer);
    if (answer->outcome == GATEWAY_REQUIRES_ACTION && gives_up) {
        let_go(call, charge, &released);
        ask_what_became(call, charge, answer);
        if (answer->outcome == GATEWAY_REQUIRES_ACTION) {
            /* Only what the gateway has let go of is over; else the resolver asks again. */
            answer->outcome =
                released.outcome == GATEWAY_SUCCEEDED ? GATEWAY_DECLINED : GATEWAY_UNKNOWN;
            answer->decline_code = "authentication_not_handled";
            answer->evidence = "the customer did not authenticate";
            if (answer->outcome == GATEWAY_UNKNOWN)
                answer->transaction = "";
        }
    }
}

void action_close(struct call *call, const struct charge *charge, struct gateway_answer *answer)
{
    bool is_no = answer->outcome == GATEWAY_DECLINED || answer->outcome == GATEWAY_FAILED;
    struct gateway_answer released;

    if (!charge->is_with_customer || !is_no || !answer->is_open)
        return;
    let_go(call, charge, &released);
    if (released.outcome == GATEWAY_SUCCEEDED)
        return;
    /* Somebody may have paid meanwhile; whatever is not known, the resolver asks again. */
    ask_what_became(call, charge, answer);
    is_no = answer->outcome == GATEWAY_DECLINED || answer->outcome == GATEWAY_FAILED;
    if (!is_no || !answer->is_open)
        return;
    answer->outcome = GATEWAY_UNKNOWN;
    answer->transaction = "";
    answer->decline_code = "";
    answer->evidence = "declined, and the gateway has not let go of it yet";
}

const struct error *action_is_over(struct call *call, struct charge *charge, bool *over)
{
    struct action_terms terms;

    TRY(action_terms_load(call, charge->customer, charge->payment, &terms));
    charge->is_canceled = terms.found && terms.is_canceled;
    *over =
        terms.found && (!terms.is_wanted || terms.is_canceled || charge->now_us >= terms.expire_us);
    return NULL;
}

/* Later and later, and once more when it ends. */
static int64_t next_look_us(const struct action_terms *terms, int64_t now_us)
{
    int64_t wait_us = now_us - terms->create_us;

    if (wait_us < LOOK_FIRST_US || terms->is_canceled || !terms->is_wanted)
        wait_us = LOOK_FIRST_US;
    if (wait_us > LOOK_LONGEST_US)
        wait_us = LOOK_LONGEST_US;
    if (now_us < terms->expire_us && now_us + wait_us > terms->expire_us)
        return terms->expire_us;
    return now_us + wait_us;
}

/* What a look at an action has shown. */
enum seen {
    SEEN_ANSWER,  /* the payment stands as the gateway says */
    SEEN_OTHERS,  /* somebody else is asking, or has recorded what it had heard before we did */
    SEEN_NOTHING, /* the gateway did not say, or people are to find out */
};

static enum seen seen_of(const struct gateway_answer *answer, const struct payment *payment)
{
    if (payment->state != PAYMENT_REQUIRES_ACTION || answer->outcome == GATEWAY_REQUIRES_ACTION)
        return SEEN_ANSWER;
    return answer->outcome == GATEWAY_SUCCEEDED || answer->outcome == GATEWAY_DECLINED ||
                   answer->outcome == GATEWAY_FAILED
               ? SEEN_OTHERS
               : SEEN_NOTHING;
}

static const struct error *ask_now(struct call *call, const struct customer *customer,
                                   struct attempt *attempt, struct payment *payment,
                                   enum seen *seen)
{
    int64_t armed_us = clock_monotonic_us(call->house->clock);
    struct gateway_answer answer;
    struct charge charge;
    bool claimed;
    bool over;

    TRY(attempt_claim(call, customer->id, attempt, attempt_lease_ms(call), &claimed));
    if (!claimed) {
        TRY(payment_load(call, customer->id, attempt->payment, payment));
        *seen = payment->state == PAYMENT_REQUIRES_ACTION ? SEEN_OTHERS : SEEN_ANSWER;
        return NULL;
    }
    TRY(charge_restore(call, customer, attempt, &charge));
    charge.armed_us = armed_us;
    TRY(action_is_over(call, &charge, &over));
    action_ask(call, &charge, over, &answer);
    TRY(charge_settle(call, &charge, &answer, payment));
    *seen = seen_of(&answer, payment);
    return NULL;
}

const struct error *action_look(struct call *call, struct payment *payment)
{
    struct customer customer;
    struct attempt attempt;
    enum seen seen;
    bool found;

    TRY(customer_load(call, payment->customer, &customer));
    TRY(attempt_of_payment(call, payment->customer, payment->id, &attempt, &found));
    if (found && attempt.state == ATTEMPT_REQUIRES_ACTION)
        return ask_now(call, &customer, &attempt, payment, &seen);
    return payment_load(call, payment->customer, payment->id, payment);
}

/* Asks, unless somebody is at it or nobody may; `*since`: the attempt's epoch when we came. */
static const struct error *look_since(struct call *call, const struct customer *customer,
                                      int64_t *since, struct payment *payment, enum seen *seen)
{
    struct attempt attempt;
    bool found;

    TRY(attempt_of_payment(call, customer->id, payment->id, &attempt, &found));
    if (!found)
        bug("a payment that waits for its customer has no attempt");
    if (*since == 0)
        *since = attempt.epoch;
    *seen = SEEN_ANSWER;
    /* Whoever took it over after we came has asked after we came. */
    if (attempt.state == ATTEMPT_REQUIRES_ACTION && attempt.epoch > *since)
        return NULL;
    if (attempt.lease_left_us == 0 && attempt_may_move(attempt.state, ATTEMPT_RESOLVING)) {
        TRY(ask_now(call, customer, &attempt, payment, seen));
        *since = attempt.epoch;
        return NULL;
    }
    TRY(payment_load(call, customer->id, payment->id, payment));
    if (payment->state == PAYMENT_REQUIRES_ACTION)
        *seen = attempt.lease_left_us > 0 ? SEEN_OTHERS : SEEN_NOTHING;
    return NULL;
}

const struct error *action_confirm(struct call *call, struct payment *payment)
{
    struct attempt_wait wait = {0};
    struct customer customer;
    enum seen seen;
    int64_t since = 0;

    TRY(customer_load(call, payment->customer, &customer));
    do
        TRY(look_since(call, &customer, &since, payment, &seen));
    while (seen == SEEN_OTHERS && attempt_wait(call, &wait));
    if (seen == SEEN_ANSWER)
        return NULL;
    return error_retry(refuse(call, STATUS_ABORTED, "CONFIRMATION_IN_PROGRESS",
                              seen == SEEN_OTHERS
                                  ? "another call is asking the gateway what the customer did"
                                  : "the gateway has not said yet what the customer did"),
                       RETRY_CONFIRM_MS);
}

static const struct error *look(struct call *call, const struct obligation *obligation)
{
    struct action_terms terms;
    struct customer customer;
    struct payment payment;
    struct attempt attempt;
    enum seen seen;
    struct uuid id;
    bool found = false;

    if (uuid_parse(obligation->business_key, &id))
        TRY(attempt_find(call, obligation->customer, id, &attempt, &found));
    if (!found)
        return jobs_finish(call, obligation);
    TRY(customer_load(call, obligation->customer, &customer));
    customer.now_us = obligation->now_us;
    if (attempt.state == ATTEMPT_REQUIRES_ACTION)
        TRY(ask_now(call, &customer, &attempt, &payment, &seen));
    else
        TRY(payment_load(call, obligation->customer, attempt.payment, &payment));
    TRY(action_terms_load(call, obligation->customer, attempt.payment, &terms));
    if (payment.state != PAYMENT_REQUIRES_ACTION || !terms.found)
        return jobs_finish(call, obligation);
    return jobs_move(call, obligation, next_look_us(&terms, obligation->now_us));
}

const struct job_kind payment_action_job = {.name = "payment.action", .run = look};
