/*
 * Recorded answers that tell a secret rest sealed by the house's data key: an endpoint belongs to
 * no customer.
 */

#include "payment/webhook_proto.h"

#include "contract/message.h"
#include "vault/vault.h"

static struct vault_place place_of(struct call *call, struct uuid endpoint)
{
    return vault_place_house_answer(call->arena, endpoint, call_requester(call), call->method,
                                    call->request_id);
}

const struct error *webhook_answer_seal(struct call *call, struct uuid endpoint,
                                        const ProtobufCMessage *answer, struct bytes *sealed)
{
    *sealed = (struct bytes){NULL, 0};
    if (call->request_id[0] == '\0')
        return NULL;
    const struct vault_place place = place_of(call, endpoint);
    return vault_seal(call, &place, message_pack(call->arena, answer), sealed);
}

const struct error *webhook_answer_open(struct call *call, struct uuid endpoint)
{
    const struct vault_place place = place_of(call, endpoint);
    struct bytes plain;

    TRY(vault_unseal(call, &place, (struct bytes){call->recorded.bytes, call->recorded.size},
                     (struct bytes){NULL, 0}, &plain));
    call->recorded = (struct recorded_answer){.bytes = plain.data, .size = plain.size};
    return NULL;
}
