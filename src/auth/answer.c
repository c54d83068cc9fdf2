/*
 * Recorded answers of this room: they hold tokens, and their requests hold passwords and tokens, so
 * neither rests in the database as it is.
 */

#include "auth/auth_internal.h"

void answer_key_request_hash(struct call *call)
{
    uint8_t tag[SHA256_SIZE];
    secret_hmac(call->house->secrets, SECRET_REQUEST_HASH, call->request_hash, REQUEST_HASH_SIZE,
                tag);
    memcpy(call->request_hash, tag, REQUEST_HASH_SIZE);
}

/* The primary key of the row: an answer moved to another row does not open. */
static const char *answer_context(struct call *call, struct uuid customer)
{
    return arena_printf(call->arena, "recorded_request|answer|%s|%s|%s|%s",
                        uuid_text(call->arena, customer), call->caller.spiffe_id, call->method,
                        call->request_id);
}

struct bytes answer_seal(struct call *call, struct uuid customer, size_t size,
                         const uint8_t *packed)
{
    if (call->request_id[0] == '\0')
        return (struct bytes){NULL, 0};
    return secret_seal(call->house->secrets, SECRET_SEAL_ANSWERS, call->arena, call->house->random,
                       answer_context(call, customer), packed, size);
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
