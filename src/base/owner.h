/*
 * Whose thing is it?  Every customer-keyed name passes here, so that somebody else's object is
 * NOT_FOUND everywhere and `customers/me` means the caller's own.
 */
#pragma once

#include "base/check.h"

/*
 * Parses `value` by a pattern that begins with "customers/{}" (or "users/{}"): ids[0] is the
 * customer.  "customers/me" / "users/me" is the logged-in user; without one that is a field error.
 */
void check_owned_name(struct field_errors *errors, const char *field, const char *value,
                      const char *pattern, struct uuid *ids, size_t id_count);

/*
 * NULL when the caller may touch this customer's things: services, operators and the system any
 * customer, a user only its own.  Otherwise NOT_FOUND with `reason`, as if it did not exist.
 * Also names the customer in the call's log line.
 */
const struct error *owner_check(struct call *call, struct uuid customer, const char *reason,
                                const char *name) MUST_CHECK;
