/*
 * The obligation "incident.resolve": what two operators asked for is done.
 *
 * A request that still waits for its result gets it through the very steps that any result goes
 * through; money in suspense gets one more ledger group.  Each step is guarded, so the run may be
 * cut anywhere and begun again.
 */

#include "base/fail_point.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "payment/attempt_errand.h"
#include "payment/incident.h"

#define LOOK_AGAIN_US (5 * US_PER_SECOND)

const struct pg_statement incident_take_statement = {
    .name = "incident_take_attempt",
    .sql = "SELECT incident_take_attempt($1, $2, $3, $4, $5) AS epoch",
};

/* `*taken` false: somebody else has the attempt, or the two have seen another amount than is known
 * of by now. */
static const struct error *take(struct call *call, const struct incident *incident,
                                struct attempt *attempt, bool *taken)
{
    const struct uuid claim = uuid_make(call->house->random, call->now_us);
    int64_t lease_ms = attempt_lease_ms(call);
    struct pg_rows rows;

    if (attempt->state != ATTEMPT_MANUAL)
        return attempt_claim(call, incident->customer, attempt, lease_ms, taken);
    TRY(FAIL_STEP(call, "incident.take", "",
                  pg_write(call, incident->customer, &incident_take_statement,
                           PG_PARAMS(pg_uuid(incident->customer), pg_uuid(incident->id),
                                     pg_int64(attempt->epoch), pg_int64(lease_ms), pg_uuid(claim)),
                           &rows)));
    *taken = !pg_is_null(&rows, 0, "epoch");
    if (*taken)
        attempt->epoch = pg_get_int64(&rows, 0, "epoch");
    return NULL;
}

/* Why a refund failed is told in the gateway's words, and this one has said nothing. */
static struct gateway_answer failed_by_people(const struct attempt *attempt)
{
    struct gateway_answer answer =
        gateway_answer_plain(GATEWAY_FAILED, "two operators decided that it was not executed");

    if (attempt->operation != GATEWAY_REFUND)
        answer.decline_code = "generic_decline";
    answer.is_open = true; /* nobody knows better */
    return answer;
}

static bool is_of_other_amount(const struct gateway_answer *answer)
{
    return answer->outcome == GATEWAY_UNKNOWN && answer->transaction[0] != '\0';
}

/* Other money than the payment's has nothing in suspense, and is recorded as it was asked for. */
static bool is_as_suspended(const struct incident *incident, const struct gateway_answer *answer)
{
    int64_t suspense_minor = incident->suspense_minor;

    if (suspense_minor < 0)
        suspense_minor = -suspense_minor;
    return suspense_minor == 0 || suspense_minor == answer->amount.minor_units;
}

bool incident_is_proven_done(const struct incident *incident, const struct gateway_answer *answer)
{
    return answer->outcome == GATEWAY_SUCCEEDED ||
           (is_of_other_amount(answer) && is_as_suspended(incident, answer));
}

/* The gateway has said once that money moved: only itself can take that back. */
static bool incident_knows_of_money(const struct incident *incident)
{
    return incident->kind == INCIDENT_AMOUNT_MISMATCH || incident->suspense_minor != 0;
}

bool incident_may_be_undone(const struct incident *incident, const struct gateway_answer *answer)
{
    if (incident_knows_of_money(incident))
        return answer->outcome == GATEWAY_DECLINED || answer->outcome == GATEWAY_FAILED;
    return answer->outcome != GATEWAY_SUCCEEDED && answer->outcome != GATEWAY_IN_FLIGHT &&
           answer->outcome != GATEWAY_REQUIRES_ACTION && !is_of_other_amount(answer);
}

/*
 * The two have seen that amount: in suspense, or, where none can stand there, in the incident. What
 * is first said now brings the attempt back to people, with an incident that tells of it.
 */
static bool was_seen_by_two(const struct incident *incident, const struct attempt *attempt,
                            const struct gateway_answer *answer)
{
    if (incident->suspense_minor != 0)
        return is_as_suspended(incident, answer);
    if (incident->kind != INCIDENT_AMOUNT_MISMATCH)
        return false;
    return attempt->operation == GATEWAY_VOID || incident->said_minor == answer->amount.minor_units;
}

/* The two have seen what the gateway says, and it says so still: that is what moved. */
static void believe(struct call *call, const struct attempt *attempt, struct gateway_answer *answer)
{
    answer->outcome = GATEWAY_SUCCEEDED;
    answer->evidence = arena_printf(call->arena, "two operators confirmed: %s", answer->evidence);
    if (answer->amount.minor_units == 0 || attempt->operation == GATEWAY_VOID)
        answer->amount = attempt->amount;
}

/* What is to be recorded: as the gateway says it now, unless there is nothing that it could say. */
static void find_result(struct call *call, const struct incident *incident,
                        const struct attempt_errand *errand, struct gateway_answer *answer)
{
    bool is_failure = incident->resolution == RESOLUTION_MARK_FAILED;

    if (is_failure && !incident_knows_of_money(incident)) {
        *answer = failed_by_people(errand->attempt);
        return;
    }
    attempt_errand_query(call, errand, answer);
    if (is_failure && incident_may_be_undone(incident, answer))
        *answer = failed_by_people(errand->attempt);
    else if (!is_failure && is_of_other_amount(answer) &&
             was_seen_by_two(incident, errand->attempt, answer))
        believe(call, errand->attempt, answer);
}

/* Gives the attempt its result, unless it could not be taken; `attempt` is then as it stands. */
static const struct error *settle(struct call *call, const struct incident *incident,
                                  struct attempt *attempt, bool *taken)
{
    int64_t armed_us = clock_monotonic_us(call->house->clock);
    struct attempt_errand errand;
    struct gateway_answer answer;
    struct customer customer;
    bool found;

    TRY(customer_load(call, incident->customer, &customer));
    TRY(take(call, incident, attempt, taken));
    if (!*taken)
        return attempt_find(call, incident->customer, attempt->id, attempt, &found);
    TRY(attempt_errand_restore(call, &customer, attempt, armed_us, &errand));
    find_result(call, incident, &errand, &answer);
    TRY(attempt_errand_settle(call, &errand, &answer));
    return attempt_find(call, incident->customer, attempt->id, attempt, &found);
}

const struct pg_statement incident_finish_statement = {
    .name = "incident_finish",
    .sql = "SELECT incident_finish($1, $2, $3, $4, $5, $6, $7) AS done",
};

static const struct error *finish(struct call *call, const struct obligation *obligation,
                                  bool is_done, const char *outcome)
{
    const struct uuid refund =
        uuid_make(call->house->random, call->now_us); /* if it comes to one */
    struct pg_rows rows;

    return FAIL_STEP(
        call, "incident.finish", "",
        pg_write(call, obligation->customer, &incident_finish_statement,
                 PG_PARAMS(pg_uuid(obligation->customer), pg_uuid(obligation->subject),
                           pg_int64(obligation->epoch), pg_bool(is_done), pg_text(outcome),
                           pg_uuid(refund), pg_time(obligation->now_us)),
                 &rows));
}

static const char *outcome_of(struct call *call, const struct incident *incident)
{
    char amount[MONEY_TEXT_SIZE];

    if (incident->resolution != RESOLUTION_POST_FROM_SUSPENSE)
        return "nothing had to be done";
    money_format(money_make(incident->amount.currency, incident->suspense_minor), amount);
    return arena_printf(call->arena, "posted %s to %s", amount, incident->account);
}

static const struct error *carry_out(struct call *call, const struct obligation *obligation,
                                     const struct incident *incident)
{
    struct attempt attempt;
    bool found = false;
    bool taken;

    if (!uuid_is_nil(incident->attempt))
        TRY(attempt_find(call, incident->customer, incident->attempt, &attempt, &found));
    bool waits = found && incident->is_waited_for && incident->resolution != RESOLUTION_IGNORE;
    if (!waits || (attempt_is_over(attempt.state) && attempt.state != ATTEMPT_MANUAL))
        return finish(call, obligation, true,
                      incident->resolution == RESOLUTION_MARK_SUCCEEDED ||
                              incident->resolution == RESOLUTION_MARK_FAILED
                          ? arena_printf(call->arena, "recorded as %s",
                                         found ? attempt_state_name(attempt.state) : "gone")
                          : outcome_of(call, incident));
    if (incident->resolution == RESOLUTION_POST_FROM_SUSPENSE)
        return finish(call, obligation, false, "a payment waits for its result by now: mark it");
    int64_t epoch = attempt.epoch;
    TRY(settle(call, incident, &attempt, &taken));
    if (!taken && attempt.epoch != epoch) /* somebody had it meanwhile */
        return jobs_move(call, obligation, obligation->now_us + LOOK_AGAIN_US);
    if (attempt.state == ATTEMPT_MANUAL)
        return finish(call, obligation, false,
                      taken ? "the gateway's answer brought it back to people"
                            : "the gateway was not asked: another amount is known of by now than"
                              " was approved");
    if (!attempt_is_over(attempt.state))
        return jobs_move(call, obligation, obligation->now_us + LOOK_AGAIN_US);
    return finish(call, obligation, true,
                  arena_printf(call->arena, "recorded as %s", attempt_state_name(attempt.state)));
}

static const struct error *resolve(struct call *call, const struct obligation *obligation)
{
    struct incident incident;

    TRY(incident_load(call, obligation->customer, obligation->subject, &incident));
    if (incident.state != INCIDENT_APPROVED)
        return jobs_finish(call, obligation);
    return carry_out(call, obligation, &incident);
}

const struct job_kind incident_resolve_job = {.name = "incident.resolve", .run = resolve};
