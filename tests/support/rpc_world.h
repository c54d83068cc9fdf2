/*
 * A small world on the server of the fixture, so that every RPC has something to speak of: a user
 * with a card, a payment and a membership, somebody else, a device, a clock.  Made through the API.
 */
#pragma once

#include "support/rpc_fixture.h"
#include "support/rpc_samples.h"

/* Every service that has a table. */
#define WORLD_SERVICES 4
extern const struct rpc_service *const world_services[WORLD_SERVICES];

struct rpc_world {
    struct sample_world names;
    struct rpc_user owner;            /* whose things the names are */
    struct rpc_user other;            /* somebody else */
    struct dues_client *device;       /* of `owner` */
    const char *device_token;         /* of `owner`, bound to the device's certificate */
    struct dues_client *other_device; /* of `other` */
    const char *other_device_token;
};

/* Aborts when one of its calls fails: then everything is broken. */
struct rpc_world *world_new(struct rpc_fixture *f);
void world_free(struct rpc_world *world);

/* Another customer without membership, when the last one may have got one. */
void world_free_customer(struct rpc_fixture *f, struct rpc_world *world);

/* Two more disputes of one payment of the customer, which nobody has answered. */
void world_disputes(struct rpc_fixture *f, struct rpc_world *world);

/* Another incident, opened as the server does it; one may be asked about once by each operator. */
void world_incident(struct rpc_fixture *f, struct rpc_world *world, const char *subject);

/* "/dues.payment.v1.PaymentService/GetPayment" */
const char *world_path(struct rpc_fixture *f, const struct rpc_service *service,
                       const struct rpc_method *method);

/* The descriptor of what the method takes. */
const ProtobufCMessageDescriptor *world_input(const struct rpc_service *service,
                                              const struct rpc_method *method);

/* Logs in once more: the token of another session of the user on the device. */
const char *world_log_in(struct rpc_fixture *f, struct dues_client *device,
                         const struct rpc_user *user);

/* Whoever may call it and owns what the samples speak of. */
struct rpc_as world_caller(const struct rpc_world *world, const struct rpc_method *method);
