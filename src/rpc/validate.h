/*
 * Looks at the bytes of a request before they are decoded: what protobuf-c would cut, accept or
 * choke on is refused here, with the path of the field.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/call.h"

#define STRING_SIZE_MAX    8192
#define MESSAGE_DEPTH_MAX  16
#define MESSAGE_FIELDS_MAX 4096

/*
 * NULL, or INVALID_ARGUMENT INVALID_FIELD / CARD_NUMBER_REFUSED / MALFORMED_REQUEST, or
 * RESOURCE_EXHAUSTED REQUEST_TOO_LARGE.  `refuse_unknown`: a field that the contract does not know
 * is an error (where money moves, nothing may be overlooked).
 */
const struct error *validate_message(struct call *call, const ProtobufCMessageDescriptor *type,
                                     const uint8_t *bytes, size_t size, bool refuse_unknown)
    MUST_CHECK;
