/*
 * Update masks (AIP-134): which fields of a message a request wants to change.
 */
#pragma once

#include "base/check.h"
#include "google/protobuf/field_mask.pb-c.h"

/*
 * `named[i]` tells whether the mask names `known[i]`.  A mask that is absent, empty, or names
 * anything else ("*" too: what a newer client knows must not be lost) is an error of `field`.
 */
void check_field_mask(struct field_errors *errors, const char *field,
                      const Google__Protobuf__FieldMask *mask, const char *const *known,
                      size_t known_count, bool *named);
