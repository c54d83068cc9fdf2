/*
 * The methods of dues.membership.v1.MembershipService.
 */
#include "membership/handlers.h"

#define READERS (CALLER_SERVICE | CALLER_OPERATOR | CALLER_DEVICE_USER)
#define WRITERS (CALLER_SERVICE | CALLER_DEVICE_USER)

static const struct rpc_method methods[] = {
    {.name = "CreateCustomer",
     .handler = create_customer,
     .scope = "customers.write",
     .callers = CALLER_SERVICE | CALLER_OPERATOR,
     .request_id = REQUEST_ID_OPTIONAL},
    {.name = "GetCustomer", .handler = get_customer, .scope = "customers.read", .callers = READERS},
    {.name = "ListTiers", .handler = list_tiers, .scope = RPC_PUBLIC},
    {.name = "GetTier", .handler = get_tier, .scope = RPC_PUBLIC},
    {.name = "ListPlans", .handler = list_plans, .scope = RPC_PUBLIC},
    {.name = "GetPlan", .handler = get_plan, .scope = RPC_PUBLIC},
    {.name = "CreateMembership",
     .handler = create_membership,
     .scope = "memberships.write",
     .callers = WRITERS,
     .request_id = REQUEST_ID_REQUIRED},
    {.name = "GetMembership",
     .handler = get_membership,
     .scope = "memberships.read",
     .callers = READERS},
    {.name = "ListMemberships",
     .handler = list_memberships,
     .scope = "memberships.read",
     .callers = READERS},
    {.name = "CancelMembership",
     .handler = cancel_membership,
     .scope = "memberships.write",
     .callers = WRITERS,
     .request_id = REQUEST_ID_OPTIONAL},
    {.name = "CheckEntitlement",
     .handler = check_entitlement,
     .scope = "entitlements.read",
     .callers = WRITERS},
    {.name = "ListInvoices",
     .handler = list_invoices,
     .scope = "memberships.read",
     .callers = READERS},
};

const struct rpc_service membership_service = {
    .descriptor = &dues__membership__v1__membership_service__descriptor,
    .methods = methods,
    .method_count = ARRAY_LENGTH(methods),
};
