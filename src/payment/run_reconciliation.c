/*
 * RunReconciliation: a comparison with a gateway's books, now.  It may take long, so the answer is
 * the row of the run; the obligation "reconcile.run" drives it, and ListReconciliations shows how
 * it goes.
 */

#include "base/text.h"
#include "base/time.h"
#include "contract/message.h"
#include "jobs/jobs.h"
#include "payment/reconcile.h"
#include "pg/replay.h"

typedef Dues__Payment__V1__RunReconciliationRequest Request;

#define GATEWAY_LENGTH_MAX 32
#define SPAN_USUAL_US      (3 * US_PER_DAY)
#define SPAN_MAX_US        (31 * US_PER_DAY)

static void read_time(struct field_errors *errors, const char *field,
                      const Google__Protobuf__Timestamp *time, int64_t *time_us)
{
    if (time != NULL)
        check_timestamp(errors, field, true, time->seconds, time->nanos, time_us);
}

static const struct error *validate(struct call *call, const Request *req,
                                    struct reconciliation *run)
{
    struct field_errors errors = {.call = call};

    run->gateway = req->gateway;
    run->until_us = call->now_us;
    check_token(&errors, "gateway", req->gateway, 1, GATEWAY_LENGTH_MAX);
    read_time(&errors, "until_time", req->until_time, &run->until_us);
    run->from_us = run->until_us - SPAN_USUAL_US;
    read_time(&errors, "from_time", req->from_time, &run->from_us);
    if (errors.count == 0 && run->until_us > call->now_us)
        field_error_add(&errors, "until_time", "must not be in the future");
    if (errors.count == 0 && (run->from_us < 0 || run->from_us >= run->until_us ||
                              run->until_us - run->from_us > SPAN_MAX_US))
        field_error_add(&errors, "from_time", "must be before until_time, by at most 31 days");
    return field_errors_result(&errors);
}

const struct error *run_reconciliation(struct call *call, const void *request, void *reply)
{
    struct reconciliation run = {
        .requester = call->caller.spiffe_id,
        .state = "RUNNING",
        .stage = "LIST",
        .problem = "",
        .foreign_amounts = "",
        .create_time_us = call->now_us,
        .update_time_us = call->now_us,
    };
    bool replayed;

    TRY(validate(call, request, &run));
    TRY(replay_find(call, HOUSE_CUSTOMER, &replayed, NULL));
    if (replayed)
        return NULL;
    const struct gateway *gateway = gateway_find(call->house->gateways, run.gateway);
    if (gateway == NULL || gateway->list_transactions == NULL)
        return refuse(call, STATUS_NOT_FOUND, "GATEWAY_NOT_FOUND",
                      "no gateway of this name keeps books that can be read");
    run.id = uuid_make(call->house->random, call->now_us);
    Dues__Payment__V1__Reconciliation *proto = reply;
    reconciliation_to_proto(call->arena, &run, proto);
    TRY(reconciliation_begin(call, &run, message_pack(call->arena, &proto->base), &replayed));
    if (call->house->jobs != NULL)
        jobs_wake(call->house->jobs);
    return NULL;
}
