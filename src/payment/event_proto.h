/*
 * Events as messages of the contract.
 */
#pragma once

#include "customer/event.h"
#include "dues/payment/v1/event.pb-c.h"

/* `proto` is initialised. */
void event_to_proto(struct arena *arena, struct uuid customer, const struct event *event,
                    Dues__Payment__V1__Event *proto);

/* Array of `count` messages, as the fields of answers want it. */
Dues__Payment__V1__Event **events_to_proto(struct arena *arena, struct uuid customer,
                                           const struct event *events, size_t count);

/* False when the event is no change of a payment's state. */
bool payment_change_to_proto(struct arena *arena, struct uuid customer, const struct event *event,
                             Dues__Payment__V1__PaymentChange *proto);
