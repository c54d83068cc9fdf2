/*
 * JSON ↔ protobuf-c messages by their descriptors, after proto3's JSON mapping: lowerCamel names
 * (snake_case is read too), int64 as strings, enums by name, Timestamp as RFC 3339, bytes as
 * base64.
 */
#pragma once

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

/* "minorUnits" for "minor_units", in the arena. */
const char *json_field_name(struct arena *arena, const char *name);

/*
 * A message of the descriptor, in the arena.  NULL and one line in `*problem` (in the arena too)
 * that begins with the path of what is wrong.
 */
ProtobufCMessage *json_to_message(struct arena *arena, const json_t *json,
                                  const ProtobufCMessageDescriptor *descriptor,
                                  const char **problem);

/*
 * The message as a new JSON object.  What is unset is left out, but booleans are always there: a
 * `false` is usually the answer.
 */
json_t *message_to_json(struct arena *arena, const ProtobufCMessage *message);
