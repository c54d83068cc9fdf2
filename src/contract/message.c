/*
 * From our own values to the types of the contract that every service uses.
 */

#include "contract/message.h"

#include "base/time.h"

Google__Protobuf__Timestamp *time_to_proto(struct arena *arena, int64_t time_us)
{
    if (time_us == 0)
        return NULL;
    Google__Protobuf__Timestamp *time = arena_alloc(arena, sizeof(*time));
    int64_t fraction_us = time_us % US_PER_SECOND;

    /* Before 1970 the seconds round down: the fraction always counts forward. */
    if (fraction_us < 0)
        fraction_us += US_PER_SECOND;
    google__protobuf__timestamp__init(time);
    time->seconds = (time_us - fraction_us) / US_PER_SECOND;
    time->nanos = (int32_t)(fraction_us * 1000);
    return time;
}

Dues__Type__V1__Money *money_to_proto(struct arena *arena, struct money money)
{
    Dues__Type__V1__Money *proto = arena_alloc(arena, sizeof(*proto));

    dues__type__v1__money__init(proto);
    proto->currency_code = arena_strdup(arena, money.currency);
    proto->minor_units = money.minor_units;
    return proto;
}

struct bytes message_pack(struct arena *arena, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = arena_alloc(arena, size + 1);

    protobuf_c_message_pack(message, data);
    return (struct bytes){data, size};
}
