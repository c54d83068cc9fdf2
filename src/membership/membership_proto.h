/*
 * Memberships, invoices, the catalogue and customers in the words of the contract.
 */
#pragma once

#include "contract/message.h"
#include "customer/customer.h"
#include "dues/membership/v1/membership_service.pb-c.h"
#include "membership/catalogue.h"
#include "membership/membership_store.h"

/* The messages are initialised already; strings go to the arena. */
void membership_to_proto(struct arena *arena, const struct membership *membership,
                         Dues__Membership__V1__Membership *proto);
void invoice_to_proto(struct arena *arena, const struct invoice_with_lines *with_lines,
                      Dues__Membership__V1__Invoice *proto);
void tier_to_proto(struct arena *arena, const struct tier *tier, Dues__Membership__V1__Tier *proto);
void plan_to_proto(struct arena *arena, const struct plan *plan, Dues__Membership__V1__Plan *proto);
void customer_to_proto(struct arena *arena, const struct customer *customer,
                       Dues__Membership__V1__Customer *proto);

/* The bytes of a Membership as they go out. */
struct bytes membership_pack(struct arena *arena, const struct membership *membership);
