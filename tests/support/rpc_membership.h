/*
 * Builders for tests about members: clocks, customers in their time, cards, memberships.  They use
 * the API; what it refuses ends the program.
 */
#pragma once

#include "dues/membership/v1/membership_service.pb-c.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"
#include "support/rpc_fixture.h"

#define MEMBERSHIP_STATE(state) DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_##state
#define INVOICE_STATE(state)    DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_##state
#define CAUSE(cause)            DUES__MEMBERSHIP__V1__CHECK_ENTITLEMENT_RESPONSE__CAUSE__CAUSE_##cause

typedef Dues__Membership__V1__Membership Membership;
typedef Dues__Membership__V1__ListInvoicesResponse Invoices;
typedef Dues__Membership__V1__CheckEntitlementResponse Access;

/* Group setup: rpc_setup, and the sandbox's catalogue.  Its teardown is rpc_teardown. */
int members_setup(void **state);
/* The same with settings of the test's own. */
int members_setup_with(void **state, const char *settings);

/* "2026-01-31T10:00:00Z"; a text that is none aborts. */
int64_t time_of(const char *text);
/* Microseconds; 0: unset. */
int64_t time_in(const Google__Protobuf__Timestamp *time);

/* "testClocks/…" that stands at `time_us`. */
const char *given_clock(struct rpc_fixture *f, int64_t time_us);
/* "customers/…"; `clock` "": in the wall's time. */
const char *given_customer(struct rpc_fixture *f, const char *clock);
/* "customers/…/paymentMethods/…" of a token of the sandbox, with consent to renewals. */
const char *given_card(struct rpc_fixture *f, const char *customer, const char *token);

/* What CreateMembership is asked by service-billing; `card` "": none; `request_id` NULL: a new one.
 */
const struct dues_answer *ask_membership(struct rpc_fixture *f, const char *customer,
                                         const char *plan, const char *card,
                                         const char *request_id);
/* The same without a trial, and it must succeed. */
const Membership *given_membership(struct rpc_fixture *f, const char *customer, const char *plan,
                                   const char *card);

const struct dues_answer *ask_cancel(struct rpc_fixture *f, const char *name, bool now,
                                     const char *request_id);
const struct dues_answer *ask_advance(struct rpc_fixture *f, const char *clock, int64_t time_us);
/* The advance must succeed. */
void advance(struct rpc_fixture *f, const char *clock, int64_t time_us);

/* As they stand now. */
const Membership *membership_now(struct rpc_fixture *f, const char *name);
const Invoices *invoices_of(struct rpc_fixture *f, const char *customer);
const Access *access_of(struct rpc_fixture *f, const char *customer, const char *entitlement);

/* The charges that the sandbox gateway approved, of the customer: the ground truth. */
int64_t charges_of(struct rpc_fixture *f, const char *customer);

/* A caller who is logged in on a device, and somebody else's customer. */
struct rpc_world;
struct rpc_as user_of(const struct rpc_world *world);

/* Any method of MembershipService, as service-billing or as whoever. */
const struct dues_answer *ask_member_service(struct rpc_fixture *f, struct rpc_as as,
                                             const char *method, const ProtobufCMessage *request);
/* A method whose request has nothing but `name`, `parent` or `customer`, and a page. */
const struct dues_answer *ask_by_name(struct rpc_fixture *f, struct rpc_as as, const char *method,
                                      const char *name);
const struct dues_answer *ask_page(struct rpc_fixture *f, struct rpc_as as, const char *method,
                                   const char *parent, int32_t page_size, const char *page_token);

/* A copy for protobuf-c's fields, which are not const; nobody writes to it.  From any thread. */
char *member_text(struct rpc_fixture *f, const char *text);

const char *new_request_id(struct rpc_fixture *f);
/* "0190…" of "customers/0190…/memberships/…". */
const char *customer_id_of(struct rpc_fixture *f, const char *name);
