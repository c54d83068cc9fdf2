/*
 * Recorded answers of this room: they hold tokens, so they do not rest in the database as they are.
 */

#include "auth/auth_internal.h"

/* The primary key of the row: an answer moved to another row does not open. */
static const char *answer_context(struct call *call, struct uuid customer)
{
    return arena_printf(call->arena, "recorded_request|answer|%s|%s|%s|%s",
                        uuid_text(call->arena, customer), call_requester(call), call->method,
                        call->request_id);
}

struct bytes answer_seal(struct call *call, struct uuid customer, const ProtobufCMessage *answer)
{
    if (call->request_id[0] == '\0')
        return (struct bytes){NULL, 0};
    struct bytes packed = message_pack(call->arena, answer);
    return secret_seal(call->house->secrets, SECRET_SEAL_ANSWERS, call->arena, call->house->random,
                       answer_context(call, customer), packed.data, packed.size);
}

const struct error *answer_open(struct call *call, struct uuid customer)
{
    struct bytes plain;
    if (!secret_open(call->house->secrets, SECRET_SEAL_ANSWERS, call->arena,
                     answer_context(call, customer), call->recorded.bytes, call->recorded.size,
                     &plain))
        return error_cause(call->arena,
                           error_make(call->arena, STATUS_INTERNAL, "INTERNAL",
                                      "the recorded answer could not be read"),
                           "sealed answer does not open: altered, or another master key");
    call->recorded = (struct recorded_answer){.bytes = plain.data, .size = plain.size};
    return NULL;
}

const struct error *answer_find(struct call *call, struct uuid customer, bool *found)
{
    TRY(replay_find(call, customer, found, NULL));
    return *found ? answer_open(call, customer) : NULL;
}
