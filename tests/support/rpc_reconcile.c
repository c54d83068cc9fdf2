/*
 * Reconciliations in tests: asked for through the API, and waited for until the job has driven them
 * to their end.
 */
#include "support/rpc_reconcile.h"

#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "support/patience.h"

static Google__Protobuf__Timestamp *time_at(struct rpc_fixture *f, int64_t seconds)
{
    Google__Protobuf__Timestamp *time = arena_alloc(f->arena, sizeof *time);

    google__protobuf__timestamp__init(time);
    time->seconds = seconds;
    return time;
}

const struct dues_answer *ask_reconciliation(struct rpc_fixture *f, struct rpc_as as,
                                             const char *gateway, int64_t from_s, int64_t until_s,
                                             const char *request_id)
{
    Dues__Payment__V1__RunReconciliationRequest request =
        DUES__PAYMENT__V1__RUN_RECONCILIATION_REQUEST__INIT;

    request.gateway = rpc_strdup(f, gateway);
    request.from_time = from_s == 0 ? NULL : time_at(f, from_s);
    request.until_time = until_s == 0 ? NULL : time_at(f, until_s);
    request.request_id = rpc_strdup(f, request_id);
    return ask_payment_service(f, as, "RunReconciliation", &request.base);
}

const struct dues_answer *ask_reconciliations(struct rpc_fixture *f, struct rpc_as as,
                                              const char *gateway, int32_t page_size,
                                              const char *page_token)
{
    Dues__Payment__V1__ListReconciliationsRequest request =
        DUES__PAYMENT__V1__LIST_RECONCILIATIONS_REQUEST__INIT;

    request.gateway = rpc_strdup(f, gateway);
    request.page_size = page_size;
    request.page_token = rpc_strdup(f, page_token);
    return ask_payment_service(f, as, "ListReconciliations", &request.base);
}

const Reconciliation *given_reconciliation(struct rpc_fixture *f)
{
    /* What was done a moment ago is old enough to be compared. */
    fake_clock_advance(f->clock, US_PER_HOUR);
    const Reconciliation *begun =
        must_reply(ask_reconciliation(f, AS(OPERATOR_DEMO), "sandbox", 0, 0, new_request_id(f)));
    struct patience patience = {0};

    do {
        const Reconciliations *list =
            must_reply(ask_reconciliations(f, AS(OPERATOR_DEMO), "", 0, ""));
        for (size_t j = 0; j < list->n_reconciliations; j++) {
            const Reconciliation *run = list->reconciliations[j];
            if (text_equal(run->name, begun->name) && run->finish_time != NULL)
                return run;
        }
    } while (patience_lasts(&patience));
    bug("%s does not end", begun->name);
}
