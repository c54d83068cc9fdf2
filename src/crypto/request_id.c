/*
 * The id that a request gives to what it makes.
 */

#include "crypto/request_id.h"

#include "crypto/secrets.h"

struct uuid uuid_of_request(struct call *call)
{
    const char *requester = call_requester(call);
    const struct bytes pieces[] = {
        {requester, strlen(requester)},
        {call->method, strlen(call->method)},
        {call->request_id, strlen(call->request_id)},
    };
    uint8_t hash[SHA256_SIZE];
    struct uuid id;

    sha256_pieces(pieces, ARRAY_LENGTH(pieces), hash);
    memcpy(id.bytes, hash, sizeof(id.bytes));
    /* RFC 9562 §5.8: version 8, a UUID of our own making. */
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0F) | 0x80);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80);
    return id;
}
