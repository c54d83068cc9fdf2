/*
 * What the sandbox decides: what becomes of a request, by the card's token and by what was done
 * before, and what happens by itself until somebody asks.
 */
#pragma once

#include "gateway/sandbox/memory.h"

/* How long an authorization holds, and how long a customer may take to authenticate. */
#define SANDBOX_HOLD_US   (7 * US_PER_DAY)
#define SANDBOX_ACTION_US US_PER_DAY

/* The error of a capture for which there is nothing left, and never will be. */
#define SANDBOX_NOTHING_HELD "nothing is held any more"

/* What became of one request, and what the caller gets to see of it. */
struct verdict {
    const char *outcome; /* of the journal */
    const char *decline_code;
    const char *error;
    const char *transaction;
    bool answer_lost;
};

/* What a judgement rests on. */
struct judge {
    struct memory *memory;
    const struct random *random;
    int64_t now_us;
};

struct verdict judge_request(struct judge judge, struct arena *arena,
                             const struct gateway_request *request, bool is_first);

/* What has happened to a request since; false: nothing. */
bool judge_event(struct judge judge, const struct memory_request *known, struct verdict *happened);
