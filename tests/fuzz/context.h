/*
 * What several targets need: an arena of one input, the input as text, a message of the contract.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "base/attributes.h"
#include "base/bug.h"
#include "membership/membership.h"
#include "payment/payment.h"
#include "sandbox/sandbox.h"

#define FUZZ_MEMORY_MAX (64u << 20)

/* Emptied for each input, so that the sanitizers' work is done once. */
static inline struct arena *fuzz_arena(void)
{
    static struct arena *arena;

    if (arena == NULL)
        arena = arena_new(FUZZ_MEMORY_MAX);
    arena_reset(arena);
    return arena;
}

/* What a method takes; every byte stands for one. */
static inline const ProtobufCMessageDescriptor *fuzz_message(uint8_t which)
{
    static const struct rpc_service *const services[] = {&auth_service, &payment_service,
                                                         &membership_service, &sandbox_service};
    size_t all = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(services); i++)
        all += services[i]->descriptor->n_methods;
    size_t index = which % all;
    for (size_t i = 0; i < ARRAY_LENGTH(services); i++) {
        if (index < services[i]->descriptor->n_methods)
            return services[i]->descriptor->methods[index].input;
        index -= services[i]->descriptor->n_methods;
    }
    return NULL;
}
