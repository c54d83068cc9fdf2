/*
 * Recorded answers of this room: they hold tokens, so they do not rest in the database as they are.
 */

#include "auth/auth_internal.h"
#include "vault/vault.h"

static struct vault_place answer_place(struct call *call, struct uuid customer)
{
    return vault_place_answer(call->arena, customer, call_requester(call), call->method,
                              call->request_id);
}

const struct error *answer_seal(struct call *call, struct uuid customer,
                                const ProtobufCMessage *answer, struct bytes *sealed)
{
    *sealed = (struct bytes){NULL, 0};
    if (call->request_id[0] == '\0')
        return NULL;
    const struct vault_place place = answer_place(call, customer);
    return vault_seal(call, &place, message_pack(call->arena, answer), sealed);
}

const struct error *answer_open(struct call *call, struct uuid customer)
{
    const struct vault_place place = answer_place(call, customer);
    struct bytes plain;

    TRY(vault_unseal(call, &place, (struct bytes){call->recorded.bytes, call->recorded.size},
                     (struct bytes){NULL, 0}, &plain));
    call->recorded = (struct recorded_answer){.bytes = plain.data, .size = plain.size};
    return NULL;
}

const struct error *answer_find(struct call *call, struct uuid customer, bool *found)
{
    TRY(replay_find(call, customer, found, NULL));
    return *found ? answer_open(call, customer) : NULL;
}
