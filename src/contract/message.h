/*
 * The words that the messages of all services share: times, money, and a message as bytes.  What a
 * room says in words of its own is in its <room>_proto.c.
 */
#pragma once

#include "base/arena.h"
#include "base/money.h"
#include "crypto/secrets.h"
#include "dues/type/v1/money.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

/* NULL for 0: unset. */
Google__Protobuf__Timestamp *time_to_proto(struct arena *arena, int64_t time_us);

Dues__Type__V1__Money *money_to_proto(struct arena *arena, struct money money);

/* The bytes of a message, as they go out: the same message always gives the same bytes. */
struct bytes message_pack(struct arena *arena, const ProtobufCMessage *message);
