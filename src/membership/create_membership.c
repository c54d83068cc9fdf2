/*
 * CreateMembership makes a customer a member: a plan that costs nothing and a trial begin at once,
 * any other begins when its first payment has succeeded.
 *
 *   open     INCOMPLETE, its invoice and its payment, in one commit: a request may have left
 *   send     the gateway
 *   settle   paid or declined, with all that follows, in one commit
 *
 * What a crash leaves between them the payment's resolver finishes through the same settle.
 */
#include "base/time.h"
#include "membership/handlers.h"
#include "membership/settle.h"
#include "payment/payment.h"
#include "pg/replay.h"

struct wish {
    struct uuid customer;
    const char *plan;
    struct uuid payment_method; /* UUID_NIL when none is named */
    const char *payment_method_name;
};

static const struct error *validate(struct call *call, const CreateMembershipRequest *req,
                                    struct wish *wish)
{
    struct field_errors errors = {.call = call};
    struct uuid ids[2] = {UUID_NIL, UUID_NIL};

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &wish->customer, 1);
    if (req->membership == NULL) {
        field_error_add(&errors, "membership", "must be given");
        return field_errors_result(&errors);
    }
    check_catalogue_name(&errors, "membership.plan", req->membership->plan, "plans", &wish->plan);
    wish->payment_method_name = req->membership->payment_method;
    if (wish->payment_method_name[0] != '\0')
        check_owned_name(&errors, "membership.payment_method", wish->payment_method_name,
                         "customers/{}/paymentMethods/{}", ids, 2);
    TRY(field_errors_result(&errors));

    wish->payment_method = ids[1];
    if (!uuid_is_nil(ids[1]) && !uuid_equal(ids[0], wish->customer))
        field_error_add(&errors, "membership.payment_method", "must be the parent's own");
    return field_errors_result(&errors);
}

static const struct error *check_payment_method_given(struct call *call, const struct plan *plan,
                                                      const struct wish *wish)
{
    struct field_errors errors = {.call = call};

    if (plan->price.minor_units > 0 && uuid_is_nil(wish->payment_method))
        field_error_add(&errors, "membership.payment_method",
                        "must be given for a plan that costs something");
    return field_errors_result(&errors);
}

static const struct error *refuse_outcome(struct call *call, const struct wish *wish,
                                          enum step_outcome outcome, struct uuid object)
{
    const struct uuid ids[] = {wish->customer, object};
    const char *name;

    switch (outcome) {
    case STEP_PENDING:
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "the customer may have authenticated the payment of a membership"
                                  " that is to give way; that is being found out"),
                           1000);
    case STEP_EXISTS:
        name = name_make(call->arena, "customers/{}/memberships/{}", ids);
        return error_with(call->arena,
                          refuse(call, STATUS_ALREADY_EXISTS, "MEMBERSHIP_EXISTS",
                                 "customer has the membership '%s', which has not ended", name),
                          "membership", "%s", name);
    case STEP_RUNNING:
    case STEP_TRIAL_USED:
    case STEP_STALE:
    case STEP_LOST:
    case STEP_REFUSED:
        return error_retry(refuse(call, STATUS_ABORTED, "CONCURRENT_CHANGE",
                                  "another call of this customer came first"),
                           100);
    case STEP_DONE:
    case STEP_REPLAYED:
        break;
    }
    return NULL;
}

/*
 * A membership whose customer authenticates its payment gives way only when the gateway has let go
 * of that: who was faster is a member already, and pays once.
 */
static const struct error *let_go_of_first(struct call *call, const struct wish *wish,
                                           struct uuid id)
{
    struct payment payment;

    TRY(payment_load(call, wish->customer, id, &payment));
    return action_look(call, &payment);
}

/* A plan without a price, or a trial: recorded with its answer, nothing to send. */
static const struct error *start(struct call *call, const struct wish *wish,
                                 const struct decision *decision, const struct customer *customer,
                                 Membership *reply)
{
    struct charge later = {.amount = decision->after.price,
                           .description = "",
                           .begins_renewals = decision->after.price.minor_units > 0};
    enum step_outcome outcome;
    struct uuid object;

    /* Refused now rather than at the trial's end. */
    if (!uuid_is_nil(wish->payment_method))
        TRY(charge_prepare(call, customer, wish->payment_method, &later));
    TRY(membership_step_start(call, decision, membership_pack(call->arena, &decision->after),
                              customer->now_us, &outcome, &object));
    if (outcome == STEP_PENDING) {
        TRY(let_go_of_first(call, wish, object));
        TRY(membership_step_start(call, decision, membership_pack(call->arena, &decision->after),
                                  customer->now_us, &outcome, &object));
    }
    membership_to_proto(call->arena, &decision->after, reply);
    return refuse_outcome(call, wish, outcome, object);
}

/*
 * The same request again while its payment is in flight: waits a little for the answer, and when
 * the outcome stays unknown shows the membership as it stands.
 */
static const struct error *answer_running(struct call *call, const struct wish *wish,
                                          struct uuid id, Membership *reply)
{
    struct membership membership;
    bool answered = false;

    TRY(membership_load(call, wish->customer, id, &membership));
    if (!uuid_is_nil(membership.pending_payment)) {
        TRY(attempt_await(call, wish->customer, membership.pending_payment, UUID_NIL, &answered));
        TRY(membership_load(call, wish->customer, id, &membership));
    }
    /* Settled between two looks: its answer was recorded in the same commit. */
    if (!answered && uuid_is_nil(membership.pending_payment))
        TRY(replay_find(call, wish->customer, &answered, NULL));
    if (!answered)
        membership_to_proto(call->arena, &membership, reply);
    return NULL;
}

static const struct error *charge_first(struct call *call, const struct wish *wish,
                                        struct decision *decision, const struct plan *plan,
                                        const struct customer *customer, Membership *reply)
{
    struct invoice_intent invoice = invoice_intent_make(call, &decision->after, plan->display_name,
                                                        customer->now_us, decision->period);
    struct charge charge = {.invoice = invoice.id,
                            .amount = plan->price,
                            .description = plan->display_name,
                            .begins_renewals = true};
    enum step_outcome outcome;
    struct uuid object;

    TRY(charge_prepare(call, customer, wish->payment_method, &charge));
    decision->after.pending_payment = charge.payment;
    decision->after.latest_invoice = invoice.id;
    TRY(membership_step_open(call, decision, &invoice, &charge, customer->now_us, &outcome,
                             &object));
    if (outcome == STEP_PENDING) {
        TRY(let_go_of_first(call, wish, object));
        charge.armed_us = clock_monotonic_us(call->house->clock);
        TRY(membership_step_open(call, decision, &invoice, &charge, customer->now_us, &outcome,
                                 &object));
    }
    if (outcome == STEP_RUNNING)
        return answer_running(call, wish, object, reply);
    if (outcome == STEP_REFUSED)
        return charge_refused(call, &charge);
    if (outcome != STEP_DONE)
        return refuse_outcome(call, wish, outcome, object);

    struct gateway_answer answer;
    struct membership after;
    charge_send(call, &charge, &answer);
    TRY(invoice_settle(call, &charge, &answer, NULL, &after));
    membership_to_proto(call->arena, &after, reply);
    return NULL;
}

const struct error *create_membership(struct call *call, const void *request, void *reply)
{
    const CreateMembershipRequest *req = request;
    struct wish wish = {0};
    struct customer customer;
    struct plan plan;
    struct uuid running;
    bool replayed;

    TRY(validate(call, req, &wish));
    TRY(owner_check(call, wish.customer, "CUSTOMER_NOT_FOUND", req->parent));
    TRY(replay_find(call, wish.customer, &replayed, &running));
    if (replayed)
        return NULL;
    if (!uuid_is_nil(running))
        return answer_running(call, &wish, running, reply);
    TRY(payer_load(call, wish.customer, &customer));
    TRY(plan_load(call, wish.plan, &plan));
    TRY(check_payment_method_given(call, &plan, &wish));

    bool takes_trial = plan.trial_days > 0 && !customer.trial_used && !req->skip_trial;
    struct membership membership = {
        .customer = wish.customer,
        .id = uuid_make(call->house->random, call->now_us),
        .version = 1,
        .plan = plan.id,
        .tier = plan.tier,
        .price = plan.price,
        .period_months = plan_period_months(&plan),
        .payment_method = wish.payment_method,
        .decline_code = "",
        .network_decline_code = "",
        .advice = "",
    };
    struct decision decision =
        membership_begin(&membership, takes_trial ? plan.trial_days : 0, customer.now_us);
    if (decision.after.state != MEMBERSHIP_INCOMPLETE)
        return start(call, &wish, &decision, &customer, reply);
    return charge_first(call, &wish, &decision, &plan, &customer, reply);
}
