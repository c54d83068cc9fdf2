/*
 * Reconciliations asked for by an operator.
 */
#pragma once

#include "support/rpc_incident.h"

typedef Dues__Payment__V1__Reconciliation Reconciliation;
typedef Dues__Payment__V1__ListReconciliationsResponse Reconciliations;

#define RECONCILIATION_STATE(state) DUES__PAYMENT__V1__RECONCILIATION__STATE__STATE_##state

const struct dues_answer *ask_reconciliation(struct rpc_fixture *f, struct rpc_as as,
                                             const char *gateway, int64_t from_s, int64_t until_s,
                                             const char *request_id);
const struct dues_answer *ask_reconciliations(struct rpc_fixture *f, struct rpc_as as,
                                              const char *gateway, int32_t page_size,
                                              const char *page_token);

/* Of the last three days and the next hour, when it has ended. */
const Reconciliation *given_reconciliation(struct rpc_fixture *f);
