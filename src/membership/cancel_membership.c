/*
 * CancelMembership ends a membership, at the end of what is paid or now.
 *
 * While money is in flight nothing ends now: the customer would pay for what it no longer has.
 */
#include "membership/handlers.h"
#include "pg/replay.h"

#define CANCEL_TRIES_MAX 5
#define WHEN_NOW         DUES__MEMBERSHIP__V1__CANCEL_MEMBERSHIP_REQUEST__WHEN__WHEN_NOW

static const struct error *check_cancelable(struct call *call, const struct membership *membership,
                                            bool now)
{
    if (membership_has_ended(membership->state))
        return refuse(call, STATUS_FAILED_PRECONDITION, "MEMBERSHIP_ENDED", "membership is %s",
                      membership_state_name(membership->state));
    if (now && !uuid_is_nil(membership->pending_payment))
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "a payment of the membership is being found out"),
                           1000);
    return NULL;
}

static const struct error *cancel_once(struct call *call, const struct uuid ids[2], bool now,
                                       enum step_outcome *outcome, Membership *reply)
{
    struct membership membership;
    struct customer customer;

    TRY(customer_load(call, ids[0], &customer));
    TRY(membership_load(call, ids[0], ids[1], &membership));
    TRY(check_cancelable(call, &membership, now));

    struct decision decision = now ? membership_cancel_now(&membership, customer.now_us)
                                   : membership_cancel_later(&membership, customer.now_us);
    struct membership answer = decision.after;
    answer.update_us = customer.now_us;
    dues__membership__v1__membership__init(reply);
    membership_to_proto(call->arena, &answer, reply);
    return membership_step_move(call, NULL, &decision, NULL, membership_pack(call->arena, &answer),
                                customer.now_us, outcome);
}

const struct error *cancel_membership(struct call *call, const void *request, void *reply)
{
    const CancelMembershipRequest *req = request;
    struct field_errors errors = {.call = call};
    enum step_outcome outcome = STEP_STALE;
    struct uuid ids[2];
    struct uuid object;
    bool replayed;

    check_owned_name(&errors, "name", req->name, "customers/{}/memberships/{}", ids, 2);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, ids[0], "MEMBERSHIP_NOT_FOUND", req->name));
    TRY(replay_find(call, ids[0], &replayed, &object));
    if (replayed)
        return NULL;
    for (int i = 0; i < CANCEL_TRIES_MAX && outcome == STEP_STALE; i++)
        TRY(cancel_once(call, ids, req->when == WHEN_NOW, &outcome, reply));
    if (outcome == STEP_STALE)
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "membership is being changed by others"),
                           100);
    return NULL;
}
