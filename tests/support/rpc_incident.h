/*
 * Incidents: planted as the server opens them, and asked about by operators.
 */
#pragma once

#include "support/rpc_payment.h"

typedef Dues__Payment__V1__Incident Incident;
typedef Dues__Payment__V1__ListIncidentsResponse Incidents;

#define INCIDENT_KIND(kind)   DUES__PAYMENT__V1__INCIDENT__KIND__KIND_##kind
#define INCIDENT_STATE(state) DUES__PAYMENT__V1__INCIDENT__STATE__STATE_##state
#define RESOLUTION(name)      DUES__PAYMENT__V1__INCIDENT__RESOLUTION__RESOLUTION_##name

/* The UUID at the end of a name. */
const char *last_id(const char *name);

/* Opened by the step that servers open them with; its name. */
const char *given_incident(struct rpc_fixture *f, const char *customer, const char *kind,
                           const char *subject, const char *time);

/* A payment whose answer is lost, and whose outcome the server has given up to find out; its name.
 */
const char *given_unknown_too_long(struct rpc_fixture *f, struct payer payer);

const struct dues_answer *ask_incidents(struct rpc_fixture *f, struct rpc_as as, const char *parent,
                                        int32_t state, int32_t kind, int32_t page_size,
                                        const char *page_token);

/* The one incident of the customer; ends the test when there is none or more than one. */
const Incident *the_incident(struct rpc_fixture *f, const char *customer);
/* The same once it has this state. */
const Incident *await_incident(struct rpc_fixture *f, const char *customer, int32_t state);

/* Another operator than OPERATOR_DEMO, with all scopes; the fixture must have been made with
 * SECOND_OPERATOR in its settings. */
#define SECOND_OPERATOR "sandbox = on\nscopes.operator/operator-second = *\n"
struct rpc_as second_operator(struct rpc_fixture *f);

struct resolve_wish {
    const char *name;
    const char *etag;
    int32_t resolution;
    const char *account;
    const char *request_id;
};
struct resolve_wish resolve_wish_of(struct rpc_fixture *f, const Incident *incident,
                                    int32_t resolution, const char *account);
const struct dues_answer *ask_resolve(struct rpc_fixture *f, struct rpc_as as,
                                      const struct resolve_wish *wish);

/* Both operators ask; the incident when it is resolved. */
const Incident *resolve_by_two(struct rpc_fixture *f, const char *customer, int32_t resolution,
                               const char *account);
