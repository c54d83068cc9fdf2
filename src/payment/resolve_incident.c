/*
 * ResolveIncident: one operator asks for a resolution.  Whoever is the second to ask for the same
 * sets it going; the obligation "incident.resolve" then carries it out, so that a crash in between
 * is nothing special.
 */

#include "base/text.h"
#include "contract/message.h"
#include "jobs/jobs.h"
#include "payment/attempt_errand.h"
#include "payment/incident_proto.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__ResolveIncidentRequest Request;

#define ETAG_LENGTH_MAX   20
#define REASON_LENGTH_MAX 500
/* Somebody else asks at the same moment: once more with what is there then. */
#define DECIDE_TRIES_MAX 5

struct wish {
    struct uuid ids[2]; /* customer, incident */
    const char *etag;
    enum incident_resolution resolution;
    const char *account;
    const char *reason;
};

/* As the domain incident_account has them. */
static const char *const accounts[] = {
    "revenue",  "customer_receivable", "refunds",  "fees",
    "disputes", "dispute_losses",      "bad_debt", "gateway_clearing"};

static bool account_is_right(const char *account)
{
    for (size_t i = 0; i < ARRAY_LENGTH(accounts); i++) {
        if (text_equal(accounts[i], account))
            return true;
    }
    return false;
}

static const char *account_wanted(struct arena *arena)
{
    const char *text = "must be one of";

    for (size_t i = 0; i < ARRAY_LENGTH(accounts); i++)
        text = arena_printf(arena, "%s%s %s", text, i == 0 ? "" : ",", accounts[i]);
    return text;
}

static const struct error *validate(struct call *call, const Request *req, struct wish *wish)
{
    struct field_errors errors = {.call = call};

    *wish = (struct wish){
        .etag = req->etag,
        .resolution = incident_resolution_asked(req->resolution),
        .account = req->account,
        .reason = req->reason,
    };
    check_owned_name(&errors, "name", req->name, INCIDENT_PATTERN, wish->ids, 2);
    check_text(&errors, "etag", req->etag, 1, ETAG_LENGTH_MAX);
    check_text(&errors, "reason", req->reason, 1, REASON_LENGTH_MAX);
    if (wish->resolution == RESOLUTION_NONE)
        field_error_add(&errors, "resolution", "must be set");
    if (wish->resolution == RESOLUTION_POST_FROM_SUSPENSE && !account_is_right(req->account))
        field_error_add(&errors, "account", "%s", account_wanted(call->arena));
    if (wish->resolution != RESOLUTION_POST_FROM_SUSPENSE && req->account[0] != '\0')
        field_error_add(&errors, "account", "must be empty but with POST_FROM_SUSPENSE");
    return field_errors_result(&errors);
}

static const struct error *unfit(struct call *call, const char *why)
{
    return refuse(call, STATUS_FAILED_PRECONDITION, "INCIDENT_RESOLUTION_UNFIT", "%s", why);
}

#define SUSPENSE_WAITS                                                                             \
    "money of it is in suspense: POST_FROM_SUSPENSE with the account where it belongs"
#define NO_SUSPENSE_YET                                                                            \
    "no money of it is in suspense yet: a reconciliation that finds the refund in the gateway's"   \
    " books puts it there"
#define RESULT_WAITS                                                                               \
    "a payment waits for its result: MARK_SUCCEEDED with what moved, or MARK_FAILED when the"      \
    " gateway says that nothing did; either takes what is in suspense into account"

static const struct error *check_fit(struct call *call, const struct incident *incident,
                                     enum incident_resolution resolution)
{
    bool has_suspense = incident->suspense_minor != 0;

    switch (resolution) {
    case RESOLUTION_MARK_SUCCEEDED:
    case RESOLUTION_MARK_FAILED:
        if (uuid_is_nil(incident->attempt) || !incident->is_waited_for)
            return unfit(call, has_suspense ? SUSPENSE_WAITS : "nothing of it waits for a result");
        return NULL;
    case RESOLUTION_POST_FROM_SUSPENSE:
        if (!has_suspense)
            return unfit(call, incident->kind == INCIDENT_REFUNDED_AT_GATEWAY_ONLY
                                   ? NO_SUSPENSE_YET
                                   : "no money of it is in suspense");
        /* What moved money would end as failed, and could be asked for again. */
        if (incident->is_waited_for)
            return unfit(call, RESULT_WAITS);
        return NULL;
    case RESOLUTION_IGNORE:
        if (incident->is_waited_for)
            return unfit(call, RESULT_WAITS);
        if (has_suspense)
            return unfit(call, SUSPENSE_WAITS);
        return NULL;
    case RESOLUTION_NONE:
    case RESOLUTION_COUNT:
        break;
    }
    return NULL;
}

static const struct error *check_evidence(struct call *call, const struct incident *incident,
                                          enum incident_resolution resolution)
{
    struct attempt_errand errand;
    struct gateway_answer answer;
    struct customer customer;
    struct attempt attempt;
    bool found;

    if (resolution != RESOLUTION_MARK_SUCCEEDED && resolution != RESOLUTION_MARK_FAILED)
        return NULL;
    TRY(customer_load(call, incident->customer, &customer));
    TRY(attempt_find(call, incident->customer, incident->attempt, &attempt, &found));
    if (!found)
        return unfit(call, "its request is not there any more");
    if (attempt.state != ATTEMPT_MANUAL)
        return unfit(call, "the server still finds out by itself what became of it");
    TRY(attempt_errand_restore(call, &customer, &attempt, 0, &errand));
    attempt_errand_query(call, &errand, &answer);
    if (resolution == RESOLUTION_MARK_SUCCEEDED ? incident_is_proven_done(incident, &answer)
                                                : incident_may_be_undone(incident, &answer))
        return NULL;
    return refuse(call, STATUS_FAILED_PRECONDITION, "INCIDENT_EVIDENCE_MISSING", "%s says %s%s%s",
                  incident->gateway, gateway_outcome_name(answer.outcome),
                  answer.evidence[0] == '\0' ? "" : ": ", answer.evidence);
}

/* Did the approver, by the newest of the wishes, ask for the same as things stand? */
static bool is_same(const struct incident *incident, size_t at, const struct wish *wish)
{
    const struct incident_approval *approval = &incident->approvals[at];

    for (size_t i = at + 1; i < incident->approval_count; i++) {
        if (text_equal(incident->approvals[i].approver, approval->approver))
            return false;
    }
    return approval->version == incident->version && approval->resolution == wish->resolution &&
           text_equal(approval->account, wish->account) &&
           approval->suspense_minor == incident->suspense_minor;
}

/* `*is_second`: somebody else has asked for the same already. */
static const struct error *check_askers(struct call *call, const struct incident *incident,
                                        const struct wish *wish, bool *is_second)
{
    *is_second = false;
    for (size_t i = 0; i < incident->approval_count; i++) {
        const struct incident_approval *approval = &incident->approvals[i];
        if (!is_same(incident, i, wish))
            continue;
        if (text_equal(approval->approver, call->caller.spiffe_id))
            return refuse(call, STATUS_FAILED_PRECONDITION, "INCIDENT_APPROVED_BY_YOU",
                          "you have asked for it already; another operator must");
        *is_second = true;
    }
    return NULL;
}

/* The incident as the answer tells it, with what was asked for at its end. */
static struct incident foresee(struct call *call, const struct incident *incident,
                               const struct wish *wish, bool is_second)
{
    struct incident after = *incident;
    struct incident_approval *approvals =
        arena_array(call->arena, incident->approval_count + 1, sizeof *approvals);

    for (size_t i = 0; i < incident->approval_count; i++)
        approvals[i] = incident->approvals[i];
    approvals[after.approval_count++] = (struct incident_approval){
        .version = incident->version,
        .approver = call->caller.spiffe_id,
        .resolution = wish->resolution,
        .account = wish->account,
        .reason = wish->reason,
        .suspense_minor = incident->suspense_minor,
        .create_time_us = call->now_us,
    };
    after.approvals = approvals;
    if (!is_second)
        return after;
    after.state = INCIDENT_APPROVED;
    after.version++;
    after.resolution = wish->resolution;
    after.account = wish->account;
    after.update_time_us = call->now_us;
    return after;
}

static const struct error *decide(struct call *call, const struct wish *wish, void *reply,
                                  bool *changed)
{
    struct incident incident;
    bool is_second;

    TRY(incident_load(call, wish->ids[0], wish->ids[1], &incident));
    if (incident.state != INCIDENT_OPEN)
        return refuse(call, STATUS_FAILED_PRECONDITION, "INCIDENT_NOT_OPEN",
                      "the incident is approved or resolved already");
    if (!text_equal(wish->etag, incident_etag(call->arena, incident.version)))
        return refuse(call, STATUS_ABORTED, "INCIDENT_CHANGED",
                      "the incident has changed; its etag is %s now",
                      incident_etag(call->arena, incident.version));
    TRY(check_askers(call, &incident, wish, &is_second));
    TRY(check_fit(call, &incident, wish->resolution));
    TRY(check_evidence(call, &incident, wish->resolution));
    struct incident after = foresee(call, &incident, wish, is_second);
    Dues__Payment__V1__Incident *proto = reply;
    dues__payment__v1__incident__init(proto);
    incident_to_proto(call->arena, &after, proto);
    return incident_approve(call, &after, incident.version, is_second,
                            message_pack(call->arena, &proto->base), changed);
}

const struct error *resolve_incident(struct call *call, const void *request, void *reply)
{
    struct wish wish;
    bool changed = true;
    bool replayed;

    TRY(validate(call, request, &wish));
    TRY(owner_check(call, wish.ids[0], "INCIDENT_NOT_FOUND", ((const Request *)request)->name));
    TRY(replay_find(call, wish.ids[0], &replayed, NULL));
    if (replayed)
        return NULL;
    for (int tries = 0; changed; tries++) {
        if (tries == DECIDE_TRIES_MAX)
            return refuse(call, STATUS_ABORTED, "INCIDENT_CHANGED", "others ask at the same time");
        TRY(decide(call, &wish, reply, &changed));
    }
    if (call->house->jobs != NULL)
        jobs_wake(call->house->jobs);
    return NULL;
}
