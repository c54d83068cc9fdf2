/*
 * A response to the bank, from the recorded intent to what became of it.  The gateway gets it under
 * one idempotency key; where its answer is lost, the obligation "dispute.respond" looks whether it
 * was done, and only then sends the same again.  What is not known after the budget is people's.
 */

#include "payment/dispute_internal.h"

#include "base/fail_point.h"
#include "base/fiber.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "jobs/jobs.h"
#include "pg/replay.h"

#define RECORD_TRIES_MAX 20
#define IN_PROGRESS_MS   1000
#define GATEWAY_RETRY_MS 60000

#define AWAIT_US        (200 * US_PER_MS)
#define AWAIT_IN_ALL_US (3 * US_PER_SECOND)

typedef Dues__Payment__V1__Dispute Reply;

static const struct error *in_progress(struct call *call)
{
    return error_retry(refuse(call, STATUS_ABORTED, "DISPUTE_RESPONSE_IN_PROGRESS",
                              "another response to the dispute is on its way"),
                       IN_PROGRESS_MS);
}

static const struct error *not_open(struct call *call, const struct dispute *dispute)
{
    const char *state = dispute_state_name(dispute->state);

    return error_with(
        call->arena,
        refuse(call, STATUS_FAILED_PRECONDITION, "DISPUTE_NOT_OPEN", "dispute is %s", state),
        "state", "%s", state);
}

static const struct error *too_late(struct call *call, const struct dispute *dispute)
{
    char due[TIME_TEXT_SIZE];

    time_format(dispute->evidence_due_us, due);
    return error_with(call->arena,
                      refuse(call, STATUS_FAILED_PRECONDITION, "DISPUTE_EVIDENCE_LATE",
                             "evidence was due by %s", due),
                      "evidence_due_time", "%s", due);
}

static const struct error *check_answerable(struct call *call, const struct dispute *dispute,
                                            enum dispute_action action)
{
    if (!uuid_is_nil(dispute->response))
        return in_progress(call);
    if (action == DISPUTE_ACCEPT)
        return dispute_is_open(dispute->state) ? NULL : not_open(call, dispute);
    if (dispute->state != DISPUTE_NEEDS_RESPONSE)
        return not_open(call, dispute);
    /* The bank's clock is the wall's. */
    if (dispute->evidence_due_us != 0 && dispute->evidence_due_us <= call->now_us)
        return too_late(call, dispute);
    return NULL;
}

/* NULL when it is not configured, or cannot do this. */
static const struct gateway *gateway_for(const struct call *call, const struct dispute *dispute)
{
    const struct gateway *gateway = gateway_find(call->house->gateways, dispute->gateway);

    if (gateway == NULL || gateway->get_dispute == NULL || gateway->submit_evidence == NULL ||
        gateway->accept_dispute == NULL)
        return NULL;
    return gateway;
}

static const struct error *no_gateway(struct call *call)
{
    return error_retry(refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                              "the gateway of the dispute is not configured"),
                       GATEWAY_RETRY_MS);
}

/* ---- What became of it ---- */

struct reaction {
    enum gateway_outcome outcome;
    struct gateway_dispute news; /* SUCCEEDED */
    int64_t asked_us;
};

/* Of another dispute, or in another currency: that is no answer. */
static void doubt(struct call *call, const struct dispute *dispute, struct reaction *reaction)
{
    if (reaction->outcome == GATEWAY_SUCCEEDED &&
        (!dispute_news_complete(call->arena, &reaction->news) ||
         !dispute_news_fit(dispute, &reaction->news)))
        reaction->outcome = GATEWAY_UNKNOWN;
}

static enum gateway_outcome tell_bank(const struct gateway *gateway, struct call *call,
                                      enum dispute_action action,
                                      const struct gateway_dispute_request *request,
                                      struct gateway_dispute *news)
{
    return action == DISPUTE_ACCEPT ? gateway->accept_dispute(gateway, call, request, news)
                                    : gateway->submit_evidence(gateway, call, request, news);
}

static struct reaction send(struct call *call, const struct gateway *gateway,
                            const struct dispute *dispute, const struct dispute_response *response)
{
    struct reaction reaction = {.asked_us = clock_wall_us(call->house->clock)};
    struct gateway_dispute_request request = {
        .idempotency_key = response->gateway_key,
        .dispute = dispute->gateway_dispute,
        .evidence_count = response->evidence_count,
    };

    memcpy(request.evidence, response->evidence, sizeof request.evidence);
    if (FAIL_DO("dispute.send", dispute_action_name(response->action),
                reaction.outcome =
                    tell_bank(gateway, call, response->action, &request, &reaction.news)))
        reaction.outcome = GATEWAY_UNKNOWN;
    attempt_be_patient(call);
    doubt(call, dispute, &reaction);
    return reaction;
}

static const struct error *settle_done(struct call *call, const struct dispute_response *response,
                                       const struct reaction *reaction, struct dispute *dispute)
{
    const char *outcome = "changed";

    for (int i = 0; i < RECORD_TRIES_MAX && text_equal(outcome, "changed"); i++) {
        struct dispute before;
        TRY(dispute_load(call, response->customer, response->dispute, &before));
        dispute_after(&before, &reaction->news, reaction->asked_us, response->now_us, dispute);
        if (response->action == DISPUTE_EVIDENCE && dispute->evidence_us == 0)
            dispute->evidence_us = response->now_us;
        dispute->response = UUID_NIL;
        dispute->response_action = DISPUTE_NO_ACTION;
        dispute->update_time_us = response->now_us;
        TRY(dispute_responded(call, response, &before, dispute, &outcome));
    }
    if (text_equal(outcome, "settled"))
        return NULL;
    return dispute_load(call, response->customer, response->dispute, dispute);
}

/* `*refused`: it is recorded that the gateway refused, by this call or before it. */
static const struct error *settle(struct call *call, const struct dispute_response *response,
                                  const struct reaction *reaction, struct dispute *dispute,
                                  bool *refused)
{
    *refused = false;
    switch (reaction->outcome) {
    case GATEWAY_SUCCEEDED:
        return settle_done(call, response, reaction, dispute);
    case GATEWAY_DECLINED:
    case GATEWAY_FAILED:
        TRY(dispute_response_refused(call, response, refused));
        break;
    case GATEWAY_REQUIRES_ACTION: /* means nothing for a dispute */
    case GATEWAY_NOT_SENT:
    case GATEWAY_IN_FLIGHT:
    case GATEWAY_UNKNOWN:
        TRY(dispute_response_wait(call, response));
        break;
    }
    return dispute_load(call, response->customer, response->dispute, dispute);
}

/* ---- The call ---- */

static const struct error *refused_by_gateway(struct call *call, const struct dispute *dispute)
{
    return error_with(call->arena,
                      refuse(call, STATUS_FAILED_PRECONDITION, "DISPUTE_RESPONSE_REFUSED",
                             "the gateway did not take the response"),
                      "state", "%s", dispute_state_name(dispute->state));
}

static const struct error *respond(struct call *call, const struct gateway *gateway,
                                   struct dispute *dispute, const struct dispute_response *response,
                                   Reply *reply)
{
    struct reaction reaction = send(call, gateway, dispute, response);
    bool is_refused;
    bool is_known;

    TRY(settle(call, response, &reaction, dispute, &is_refused));
    if (is_refused) {
        /* Why, is how it stands there; where that cannot be told either, "refused" is true. */
        if (dispute_learned(call, gateway, dispute->gateway_dispute, &is_known) == NULL)
            TRY(dispute_load(call, response->customer, response->dispute, dispute));
        /* Another response or the bank was first: then that is what to say. */
        TRY(check_answerable(call, dispute, response->action));
        return refused_by_gateway(call, dispute);
    }
    dispute_to_proto(call->arena, dispute, reply);
    return NULL;
}

/* The first request with this id is not answered yet: its answer, or the dispute as it stands. */
static const struct error *as_it_stands(struct call *call, struct uuid customer, struct uuid id,
                                        Reply *reply)
{
    struct dispute_response response;
    struct dispute dispute;
    bool answered;
    bool found;

    for (int64_t waited_us = 0;; waited_us += AWAIT_US) {
        TRY(dispute_response_load(call, customer, id, &response, &found));
        TRY(replay_find(call, customer, &answered, NULL));
        if (answered)
            return NULL;
        /* Refused, and forgotten with it: a repeat is tried anew. */
        if (!found || response.is_over)
            return in_progress(call);
        if (waited_us >= AWAIT_IN_ALL_US || call_time_left_us(call) < 2 * AWAIT_US)
            break;
        fiber_sleep(AWAIT_US);
    }
    TRY(dispute_load(call, customer, response.dispute, &dispute));
    dispute_to_proto(call->arena, &dispute, reply);
    return NULL;
}

/* The dispute as it stands, when it can be answered like this. */
static const struct error *load_answerable(struct call *call,
                                           const struct dispute_response *response,
                                           struct dispute *dispute, const struct gateway **gateway)
{
    TRY(dispute_load(call, response->customer, response->dispute, dispute));
    TRY(check_answerable(call, dispute, response->action));
    *gateway = gateway_for(call, dispute);
    return *gateway == NULL ? no_gateway(call) : NULL;
}

/* Evidence that is there before ours leaves proves nothing afterwards, so it must be known. */
static const struct error *learn_evidence(struct call *call,
                                          const struct dispute_response *response)
{
    const struct gateway *gateway;
    struct dispute dispute;
    bool is_known;

    if (response->action != DISPUTE_EVIDENCE)
        return NULL;
    TRY(load_answerable(call, response, &dispute, &gateway));
    return dispute_learned(call, gateway, dispute.gateway_dispute, &is_known);
}

static const struct error *begin(struct call *call, struct dispute *dispute,
                                 struct dispute_response *response, Reply *reply)
{
    enum dispute_responding recorded = DISPUTE_RESPONSE_CHANGED;
    const struct gateway *gateway;
    struct customer customer;
    struct uuid first;

    TRY(learn_evidence(call, response));
    for (int i = 0; i < RECORD_TRIES_MAX && recorded == DISPUTE_RESPONSE_CHANGED; i++) {
        TRY(load_answerable(call, response, dispute, &gateway));
        TRY(customer_load(call, response->customer, &customer));
        response->now_us = customer.now_us;
        response->had_evidence = dispute->evidence_us != 0;
        TRY(dispute_response_record(call, dispute, response, &recorded, &first));
        if (recorded == DISPUTE_RESPONDING)
            return respond(call, gateway, dispute, response, reply);
    }
    if (recorded == DISPUTE_RESPONSE_REPLAYED)
        return NULL;
    if (recorded == DISPUTE_RESPONSE_RUNNING)
        return as_it_stands(call, response->customer, first, reply);
    return in_progress(call);
}

const struct error *dispute_answer_bank(struct call *call, const struct uuid ids[2],
                                        const char *name,
                                        const Dues__Payment__V1__DisputeEvidence *evidence,
                                        Reply *reply)
{
    struct dispute_response response = {
        .customer = ids[0],
        .id = uuid_make(call->house->random, call->now_us),
        .dispute = ids[1],
        .action = evidence == NULL ? DISPUTE_ACCEPT : DISPUTE_EVIDENCE,
    };
    struct dispute dispute;
    struct uuid first;
    bool replayed;

    TRY(owner_check(call, ids[0], "DISPUTE_NOT_FOUND", name));
    TRY(replay_find(call, ids[0], &replayed, &first));
    if (replayed)
        return NULL;
    if (!uuid_is_nil(first))
        return as_it_stands(call, ids[0], first, reply);
    response.gateway_key = gateway_key_make(call, response.id, evidence == NULL ? 'D' : 'E');
    if (evidence != NULL)
        response.evidence_count = dispute_evidence_texts(evidence, response.evidence);
    return begin(call, &dispute, &response, reply);
}

/* ---- The obligation ---- */

/* As with money: by now people must find out. */
static bool is_too_old(const struct call *call, const struct dispute_response *response)
{
    return response->age_us > call->house->settings->unknown_budget_seconds * US_PER_SECOND;
}

static struct reaction find_out(struct call *call, const struct gateway *gateway,
                                const struct dispute *dispute,
                                const struct dispute_response *response)
{
    struct reaction reaction = {.asked_us = clock_wall_us(call->house->clock)};

    if (FAIL_DO("dispute.query", dispute_action_name(response->action),
                reaction.outcome =
                    gateway->get_dispute(gateway, call, dispute->gateway_dispute, &reaction.news)))
        reaction.outcome = GATEWAY_UNKNOWN;
    attempt_be_patient(call);
    doubt(call, dispute, &reaction);
    if (reaction.outcome != GATEWAY_SUCCEEDED) {
        reaction.outcome = GATEWAY_UNKNOWN;
        return reaction;
    }
    enum dispute_seen seen = dispute_response_seen(response, &reaction.news);
    switch (seen) {
    case DISPUTE_SEEN_DONE:
        return reaction;
    case DISPUTE_SEEN_REFUSED:
        reaction.outcome = GATEWAY_FAILED;
        return reaction;
    case DISPUTE_SEEN_ABSENT:
    case DISPUTE_SEEN_NOTHING:
        break;
    }
    /* The same key again answers what the first time did. */
    if (response->age_us <= gateway->resend_window_us)
        return send(call, gateway, dispute, response);
    /* The key is forgotten there, so nothing is sent, and in the end nothing is on its way. */
    reaction.outcome = seen == DISPUTE_SEEN_ABSENT && is_too_old(call, response) ? GATEWAY_FAILED
                                                                                 : GATEWAY_UNKNOWN;
    return reaction;
}

static bool is_definitive(enum gateway_outcome outcome)
{
    return outcome == GATEWAY_SUCCEEDED || outcome == GATEWAY_DECLINED || outcome == GATEWAY_FAILED;
}

static const struct error *give_up(struct call *call, const struct dispute *dispute,
                                   const struct dispute_response *response)
{
    return dispute_response_give_up(
        call, response,
        arena_printf(call->arena, "nobody knows whether %s arrived at %s",
                     response->action == DISPUTE_ACCEPT ? "giving in" : "evidence",
                     dispute->gateway));
}

static const struct error *resolve(struct call *call, const struct obligation *obligation)
{
    struct reaction reaction = {.outcome = GATEWAY_NOT_SENT};
    struct dispute_response response;
    struct customer customer;
    struct dispute dispute;
    struct uuid id;
    bool found = false;
    bool is_refused;

    if (uuid_parse(obligation->business_key, &id))
        TRY(dispute_response_load(call, obligation->customer, id, &response, &found));
    if (!found || response.is_over)
        return jobs_finish(call, obligation);
    TRY(dispute_load(call, obligation->customer, response.dispute, &dispute));
    TRY(customer_load(call, obligation->customer, &customer));
    response.now_us = customer.now_us;
    const struct gateway *gateway = gateway_for(call, &dispute);
    if (gateway != NULL)
        reaction = find_out(call, gateway, &dispute, &response);
    if (!is_definitive(reaction.outcome) && is_too_old(call, &response))
        return give_up(call, &dispute, &response);
    if (gateway == NULL)
        return no_gateway(call);
    return settle(call, &response, &reaction, &dispute, &is_refused);
}

const struct job_kind dispute_respond_job = {.name = "dispute.respond", .run = resolve};
