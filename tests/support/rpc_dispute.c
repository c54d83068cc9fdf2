/*
 * Disputes: the server's own look, without its clock.
 */
#include "support/rpc_dispute.h"

#include "base/bug.h"
#include "base/fiber.h"
#include "base/text.h"
#include "base/time.h"
#include "payment/dispute.h"

#define ARENA_SIZE ((size_t)4 * 1024 * 1024)

static void learn_page(struct call *call, const struct gateway *gateway,
                       const struct gateway_dispute_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        bool is_known;
        const struct error *error = dispute_learned(call, gateway, page->ids[i], &is_known);
        if (error != NULL)
            bug("dispute_learned: %s %s", error->reason, error->message);
    }
}

static void learn(void *arg)
{
    const struct house *house = arg;
    struct arena *arena = arena_new(ARENA_SIZE);
    struct call call = call_of_house(house, arena, "test", "test/learn", 20 * US_PER_SECOND);

    for (int32_t i = 0; i < house->gateways->count; i++) {
        const struct gateway *gateway = house->gateways->list[i];
        struct gateway_dispute_page page = {.next = ""};
        do {
            if (!gateway->list_disputes(gateway, &call, 0, page.next, &page))
                bug("the gateway lists no disputes");
            learn_page(&call, gateway, &page);
        } while (page.next[0] != '\0');
    }
    arena_free(arena);
}

void learn_disputes(struct rpc_fixture *f)
{
    fiber_run(f->house->fibers, learn, (void *)(uintptr_t)f->house);
}

const char *customer_of(struct rpc_fixture *f, const char *name)
{
    const char *id = strchr(name, '/') + 1;

    return rpc_printf(f, "customers/%.*s", (int)strcspn(id, "/"), id);
}

const Dispute *given_dispute(struct rpc_fixture *f, const char *token)
{
    const char *payment = given_payment(f, given_payer(f, token));

    learn_disputes(f);
    return newest_dispute(f, customer_of(f, payment));
}

const struct dues_answer *ask_dispute(struct rpc_fixture *f, struct rpc_as as, const char *name)
{
    Dues__Payment__V1__GetDisputeRequest request = DUES__PAYMENT__V1__GET_DISPUTE_REQUEST__INIT;

    request.name = rpc_strdup(f, name);
    return ask_payment_service(f, as, "GetDispute", &request.base);
}

const Dispute *dispute_now(struct rpc_fixture *f, const char *name)
{
    return must_reply(ask_dispute(f, AS(SERVICE_BILLING), name));
}

const struct dues_answer *ask_disputes(struct rpc_fixture *f, struct rpc_as as, const char *parent,
                                       int32_t page_size, const char *page_token,
                                       const char *filter, const char *payment)
{
    Dues__Payment__V1__ListDisputesRequest request = DUES__PAYMENT__V1__LIST_DISPUTES_REQUEST__INIT;

    request.parent = rpc_strdup(f, parent);
    request.page_size = page_size;
    request.page_token = rpc_strdup(f, page_token);
    request.filter = rpc_strdup(f, filter);
    request.payment = rpc_strdup(f, payment);
    return ask_payment_service(f, as, "ListDisputes", &request.base);
}

const Dispute *newest_dispute(struct rpc_fixture *f, const char *customer)
{
    const DisputeList *list =
        must_reply(ask_disputes(f, AS(SERVICE_BILLING), customer, 1, "", "", ""));

    if (list->n_disputes == 0)
        bug("the customer of a test has no dispute");
    return list->disputes[0];
}

const struct dues_answer *ask_evidence(struct rpc_fixture *f, const char *dispute, const char *text,
                                       const char *request_id)
{
    Dues__Payment__V1__SubmitDisputeEvidenceRequest request =
        DUES__PAYMENT__V1__SUBMIT_DISPUTE_EVIDENCE_REQUEST__INIT;
    Dues__Payment__V1__DisputeEvidence evidence = DUES__PAYMENT__V1__DISPUTE_EVIDENCE__INIT;

    request.name = rpc_strdup(f, dispute);
    request.evidence = &evidence;
    request.request_id = rpc_strdup(f, request_id);
    evidence.uncategorized_text = rpc_strdup(f, text);
    return ask_payment_service(f, AS(SERVICE_BILLING), "SubmitDisputeEvidence", &request.base);
}

const struct dues_answer *ask_acceptance(struct rpc_fixture *f, const char *dispute,
                                         const char *request_id)
{
    Dues__Payment__V1__AcceptDisputeRequest request =
        DUES__PAYMENT__V1__ACCEPT_DISPUTE_REQUEST__INIT;

    request.name = rpc_strdup(f, dispute);
    request.request_id = rpc_strdup(f, request_id);
    return ask_payment_service(f, AS(SERVICE_BILLING), "AcceptDispute", &request.base);
}

int64_t balance_of(struct rpc_fixture *f, const char *customer, const char *account)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT coalesce(sum(amount), 0) FROM dues.ledger_entry"
                                      " WHERE customer_id = '%s' AND account = '%s'",
                                      strchr(customer_of(f, customer), '/') + 1, account));
}

int64_t event_count(struct rpc_fixture *f, const char *customer, const char *type)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT count(*) FROM dues.event"
                                      " WHERE customer_id = '%s' AND type = '%s'",
                                      strchr(customer_of(f, customer), '/') + 1, type));
}
