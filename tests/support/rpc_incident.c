/*
 * Incidents in tests: planted through the step that servers open them with, and brought to their
 * end by two operators through the API.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/rpc_incident.h"

#include "base/bug.h"
#include "support/patience.h"

const char *last_id(const char *name)
{
    return strrchr(name, '/') + 1;
}

const char *given_incident(struct rpc_fixture *f, const char *customer, const char *kind,
                           const char *subject, const char *time)
{
    const char *id = last_id(customer);

    db_execute(f->db, db_printf(f->db,
                                "SELECT dues.incident_open('%s', NULL, '%s', $$%s$$, 'planted',"
                                " '%s')",
                                id, kind, subject, time));
    return rpc_printf(
        f, "%s/incidents/%s", customer,
        db_text(f->db, db_printf(f->db,
                                 "SELECT incident_id FROM dues.incident WHERE customer_id = '%s'"
                                 " AND kind = '%s' AND subject = $$%s$$",
                                 id, kind, subject)));
}

const char *given_unknown_too_long(struct rpc_fixture *f, struct payer payer)
{
    const Payment *payment = must_reply(ask_payment(f, payer, new_request_id(f)));
    const char *customer = last_id(payer.customer);

    assert_int_equal(payment->state, PAYMENT_STATE(PROCESSING));
    db_execute(f->db,
               db_printf(f->db,
                         "UPDATE dues.attempt SET first_sent_time = clock_timestamp() - interval"
                         " '4 d', lease_until = NULL WHERE customer_id = '%s'",
                         customer));
    db_execute(f->db, db_printf(f->db,
                                "UPDATE dues.obligation SET due_time = clock_timestamp() - interval"
                                " '1 d', lease_until = NULL WHERE customer_id = '%s'",
                                customer));
    await_incident(f, payer.customer, INCIDENT_STATE(OPEN));
    return payment->name;
}

const struct dues_answer *ask_incidents(struct rpc_fixture *f, struct rpc_as as, const char *parent,
                                        int32_t state, int32_t kind, int32_t page_size,
                                        const char *page_token)
{
    Dues__Payment__V1__ListIncidentsRequest request =
        DUES__PAYMENT__V1__LIST_INCIDENTS_REQUEST__INIT;

    request.parent = rpc_strdup(f, parent);
    request.state = (Dues__Payment__V1__Incident__State)state;
    request.kind = (Dues__Payment__V1__Incident__Kind)kind;
    request.page_size = page_size;
    request.page_token = rpc_strdup(f, page_token);
    return ask_payment_service(f, as, "ListIncidents", &request.base);
}

const Incident *the_incident(struct rpc_fixture *f, const char *customer)
{
    const Incidents *list = must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, 0, 0, 0, ""));

    assert_int_equal(list->n_incidents, 1);
    return list->incidents[0];
}

const Incident *await_incident(struct rpc_fixture *f, const char *customer, int32_t state)
{
    struct patience patience = {0};

    do {
        const Incidents *list =
            must_reply(ask_incidents(f, AS(OPERATOR_DEMO), customer, state, 0, 0, ""));
        if (list->n_incidents > 0)
            return the_incident(f, customer);
    } while (patience_lasts(&patience));
    bug("no incident of %s came to state %d", customer, (int)state);
}

struct rpc_as second_operator(struct rpc_fixture *f)
{
    static const struct rpc_fixture *of;
    static struct dues_client *client;

    if (of != f)
        client = rpc_client(f, test_issue_client(f->authority, "operator/operator-second"));
    of = f;
    return (struct rpc_as){.client = client};
}

struct resolve_wish resolve_wish_of(struct rpc_fixture *f, const Incident *incident,
                                    int32_t resolution, const char *account)
{
    return (struct resolve_wish){
        .name = incident->name,
        .etag = incident->etag,
        .resolution = resolution,
        .account = account,
        .request_id = new_request_id(f),
    };
}

const struct dues_answer *ask_resolve(struct rpc_fixture *f, struct rpc_as as,
                                      const struct resolve_wish *wish)
{
    Dues__Payment__V1__ResolveIncidentRequest request =
        DUES__PAYMENT__V1__RESOLVE_INCIDENT_REQUEST__INIT;

    request.name = rpc_strdup(f, wish->name);
    request.etag = rpc_strdup(f, wish->etag);
    request.resolution = (Dues__Payment__V1__Incident__Resolution)wish->resolution;
    request.account = rpc_strdup(f, wish->account);
    request.reason = rpc_strdup(f, "looked at it");
    request.request_id = rpc_strdup(f, wish->request_id);
    return ask_payment_service(f, as, "ResolveIncident", &request.base);
}

const Incident *resolve_by_two(struct rpc_fixture *f, const char *customer, int32_t resolution,
                               const char *account)
{
    const Incident *incident = the_incident(f, customer);
    struct resolve_wish first = resolve_wish_of(f, incident, resolution, account);
    struct resolve_wish second = resolve_wish_of(f, incident, resolution, account);

    must_reply(ask_resolve(f, AS(OPERATOR_DEMO), &first));
    must_reply(ask_resolve(f, second_operator(f), &second));
    return await_incident(f, customer, INCIDENT_STATE(RESOLVED));
}
