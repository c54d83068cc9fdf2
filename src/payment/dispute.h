/*
 * Disputes: a cardholder's bank takes money of a payment back, we give evidence or give in, the
 * bank decides.  What the gateway says now is the truth; whoever hears of a dispute calls
 * dispute_learned.
 *
 *   (inquiry) ──┐
 *               ├──► NEEDS_RESPONSE ──► UNDER_REVIEW ──┬──► WON      the money is back
 *   (dispute) ──┘         │     │                      └──► LOST     the money is gone
 *                         │     └──► ACCEPTED, CLOSED
 *                         └──► LOST   nobody answered in time
 *
 * A bank may think again, so no state is the last: LOST becomes WON, WON becomes LOST.
 *
 * Our own words to the bank (a response) follow the protocol of a charge: dispute_respond records
 * the intent, the gateway is asked under one key, and what became of it is recorded once.
 */
#pragma once

#include <stdbool.h>

#include "base/call.h"
#include "gateway/gateway.h"
#include "pg/pg.h"

enum dispute_state {
    DISPUTE_NEEDS_RESPONSE,
    DISPUTE_UNDER_REVIEW,
    DISPUTE_WON,
    DISPUTE_LOST,
    DISPUTE_ACCEPTED, /* lost because we gave in */
    DISPUTE_CLOSED,   /* an inquiry that came to nothing, or a dispute that was prevented */
    DISPUTE_STATE_COUNT
};

enum dispute_action {
    DISPUTE_NO_ACTION,
    DISPUTE_EVIDENCE,
    DISPUTE_ACCEPT,
};

struct dispute {
    struct uuid customer;
    struct uuid id;
    struct uuid payment;
    int64_t version; /* 0: not recorded yet */
    const char *gateway;
    const char *gateway_dispute;
    struct money amount;
    const char *reason;
    bool is_inquiry;
    enum dispute_state state;
    int64_t withdrawn_minor;
    struct money fee;
    int64_t evidence_due_us; /* wall time; 0: unknown, or none is taken */
    int64_t evidence_us;     /* customer's time; 0: none was given */
    struct uuid response;    /* UUID_NIL: nothing is on its way */
    enum dispute_action response_action;
    int64_t asked_us; /* wall time: when the gateway was asked */
    int64_t create_time_us;
    int64_t update_time_us;
};

const char *dispute_state_name(enum dispute_state state);
bool dispute_state_parse(const char *name, enum dispute_state *state);

/* Is it still to be decided? */
bool dispute_is_open(enum dispute_state state);

/*
 * How the dispute stands once it is known what the gateway says, asked at `asked_us`.  False: as
 * before, or the news is older than what is known.
 */
bool dispute_after(const struct dispute *before, const struct gateway_dispute *news,
                   int64_t asked_us, int64_t now_us, struct dispute *after);

/* Fails with NOT_FOUND / DISPUTE_NOT_FOUND. */
const struct error *dispute_load(struct call *call, struct uuid customer, struct uuid id,
                                 struct dispute *dispute) MUST_CHECK;

/*
 * Asks the gateway how the dispute stands and makes ours stand so: row, payment, ledger and event,
 * in one commit.  In any order, any number of times, also before the payment is known to have
 * succeeded.  `*is_known` false: there is no attempt of ours behind it (yet), or no such dispute.
 * UNAVAILABLE / GATEWAY_UNAVAILABLE when the gateway says nothing now.
 */
const struct error *dispute_learned(struct call *call, const struct gateway *gateway,
                                    const char *id, bool *is_known) MUST_CHECK;

/*
 * Asks each gateway every now and then for disputes that are new: messages of gateways get lost,
 * and not every gateway sends them.
 */
struct dispute_poll;
struct dispute_poll *dispute_poll_open(const struct house *house);
void dispute_poll_start(struct dispute_poll *poll);
/* The look under way may take a while to end; returns at once. */
void dispute_poll_stop(struct dispute_poll *poll);
void dispute_poll_close(struct dispute_poll *poll);
