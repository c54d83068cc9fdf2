#pragma once

#include <stddef.h>

/* The serialized google.protobuf.FileDescriptorSet of everything the server
 * speaks, with imports before importers and with the comments: what reflection
 * answers from and what the method tables are checked against. */
extern const unsigned char dues_descriptor_set[];
extern const size_t dues_descriptor_set_size;
