/*
 * Ids of what requests make.
 */
#pragma once

#include "base/call.h"

/*
 * The id of a thing that belongs to nobody yet: a function of who asks, what and under which
 * request_id, so that a repetition looks for its recorded answer where the first one left it.
 */
struct uuid uuid_of_request(struct call *call);
