/*
 * The services that `dues call` knows: all of the contract, and the health check.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct method {
    const ProtobufCServiceDescriptor *service;
    const ProtobufCMethodDescriptor *method;
};

/*
 * "dues.payment.v1.PaymentService/CreatePayment", or shorter: the package and the word "Service"
 * may be left out ("Payment/CreatePayment").  False when there is none.
 */
bool method_find(const char *name, struct method *found);

/* The services, NULL-terminated. */
extern const ProtobufCServiceDescriptor *const known_services[];
