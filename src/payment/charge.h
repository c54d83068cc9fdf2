/*
 * A charge on its way to a gateway and back.
 *
 *   charge_prepare   load the method, make ids and the gateway's idempotency key   (nothing
 * recorded) step function    whoever charges records its own rows and, in the same commit, calls
 * SQL payment_open(p_customer, charge_intent, …): payment PROCESSING, attempt SENDING, the
 * resolver's obligation.  From here on a request may have left. charge_send      the gateway is
 * called purpose->settle  the result is recorded once, with everything that follows from it, in one
 * commit
 *
 * A crash anywhere leaves an attempt in SENDING or UNKNOWN; the obligation "payment.resolve" enters
 * the same code again at charge_send, with the same key and bytes.
 */
#pragma once

#include "customer/customer.h"
#include "gateway/gateway.h"
#include "pg/pg.h"

struct bytes;
struct payment;
struct payment_method;

struct charge {
    struct uuid customer;
    struct uuid payment;
    struct uuid attempt;
    struct uuid payment_method;
    struct uuid invoice; /* UUID_NIL: a payment of its own */
    struct money amount;
    const char *description;
    const char *gateway;
    const char *gateway_key; /* pure function of the attempt's id */
    const char *token;       /* opened; never stored here */
    bool off_session;
    bool begins_renewals;    /* charges without the customer will follow: asks for the mandate */
    bool is_manual;          /* authorized only; captured by a later call */
    bool is_with_customer;   /* restored: the payment waits for its customer, so nothing is sent */
    bool is_canceled;        /* and is not to wait any more: CancelPayment; by action_is_over */
    const char *transaction; /* restored: the gateway's id as far as it is known; else "" */
    int64_t lease_ms;        /* longer than the gateway timeout */
    int64_t epoch;           /* 1 after payment_open */
    int64_t now_us;          /* the customer's present: the time of what is recorded */
    int64_t create_time_us;  /* of the payment; charge_prepare: now_us */
    int64_t armed_us;        /* monotonic, not after the lease began: see charge_send */
};

/*
 * Fails as payment_method_check, and with NOT_FOUND PAYMENT_METHOD_NOT_FOUND, UNAVAILABLE
 * GATEWAY_UNAVAILABLE.  `amount`, `description`, `invoice`, `off_session` and `begins_renewals` are
 * set by the caller beforehand.
 */
const struct error *charge_prepare(struct call *call, const struct customer *customer,
                                   struct uuid payment_method, struct charge *charge) MUST_CHECK;

/* The same with a payment method that is loaded already; `now_us` is the customer's present. */
const struct error *charge_prepare_by(struct call *call, const struct payment_method *method,
                                      int64_t now_us, struct charge *charge) MUST_CHECK;

/*
 * The answer when the step that was to open the charge was refused by SQL payment_method_refuses,
 * though charge_prepare had seen nothing wrong: somebody else was faster.  Never NULL.
 */
const struct error *charge_refused(struct call *call, const struct charge *charge);

/* ROW($n … $n+10, is_manual)::charge_intent, 11 parameters here. */
#define CHARGE_PARAMS(charge)                                                                      \
    pg_uuid((charge)->payment), pg_uuid((charge)->attempt), pg_uuid((charge)->payment_method),     \
        pg_uuid_or_null((charge)->invoice), pg_text((charge)->amount.currency),                    \
        pg_int64((charge)->amount.minor_units), pg_text((charge)->description),                    \
        pg_text((charge)->gateway), pg_text((charge)->gateway_key),                                \
        pg_bool((charge)->off_session), pg_int64((charge)->lease_ms)

/*
 * The rest of a settlement, 5 parameters: what the card network said, what the customer must do
 * (sealed by charge_seal_action) and until when, how long an authorization holds.
 */
#define SETTLEMENT_MORE(call, charge, answer, sealed)                                              \
    pg_text((answer)->network_decline_code), pg_text((answer)->advice),                            \
        (sealed).data == NULL ? pg_null(PG_BYTES) : pg_bytes((sealed).data, (sealed).size),        \
        pg_time_or_null(charge_action_expire_us((call), (charge), (answer))),                      \
        pg_time_or_null(charge_authorization_expire_us((call), (charge), (answer)))

/* No bytes unless the customer must do something. */
const struct error *charge_seal_action(struct call *call, const struct charge *charge,
                                       const struct gateway_answer *answer, struct bytes *sealed)
    MUST_CHECK;

/* In the customer's time; 0 when there is none. */
int64_t charge_action_expire_us(const struct call *call, const struct charge *charge,
                                const struct gateway_answer *answer);
int64_t charge_authorization_expire_us(const struct call *call, const struct charge *charge,
                                       const struct gateway_answer *answer);

/*
 * Calls the gateway and checks its answer against the charge; a mismatch is GATEWAY_UNKNOWN with
 * the gateway's transaction.  Nothing is sent when too little of the lease is left
 * (GATEWAY_NOT_SENT). Afterwards the call's deadline is at least CHARGE_RECORD_US away: what was
 * paid is recorded also when nobody waits for the answer any more.
 */
#define CHARGE_RECORD_US (5 * 1000000LL)
void charge_send(struct call *call, const struct charge *charge, struct gateway_answer *answer);

/*
 * What follows from the result of a payment, by what it was for.  `settle` is one recorded step
 * around SQL payment_settle(p_customer, settlement, …), guarded by the attempt's epoch; it reloads
 * nothing it does not need and is safe to enter again.  `*payment` is the payment as it then stands
 * (also when somebody else had settled it).
 */
struct payment_purpose {
    const char *name; /* "direct", "invoice" */
    const struct error *(*settle)(struct call *call, const struct charge *charge,
                                  const struct gateway_answer *answer, struct payment *payment);
};

extern const struct payment_purpose payment_purpose_direct;

/* Settles by what the payment is for; what had an action is let go of before it is declined. */
const struct error *charge_settle(struct call *call, const struct charge *charge,
                                  const struct gateway_answer *answer, struct payment *payment)
    MUST_CHECK;

/*
 * ROW($n … $n+7, SETTLEMENT_MORE)::settlement, 8 parameters here.  SQL payment_settle answers an
 * `outcome`: 'settled': this call recorded
 * the result, write what follows from it; 'again': it had been recorded before;
 * 'unknown': the resolver will look again; 'stale': somebody else has taken the attempt over;
 * 'manual': handed to people. The payment's state changes with 'settled' only.
 */
#define SETTLEMENT_PARAMS(charge, answer)                                                          \
    pg_uuid((charge)->payment), pg_uuid((charge)->attempt), pg_int64((charge)->epoch),             \
        pg_text(gateway_outcome_name((answer)->outcome)), pg_text((answer)->transaction),          \
        pg_int64((answer)->amount.minor_units), pg_text((answer)->decline_code),                   \
        pg_text((answer)->evidence)

/*
 * A repeated request whose first run is not answered yet: waits a little while somebody drives it.
 * Afterwards call->recorded holds the definitive answer (`*answered`), or nobody drives it and the
 * object is to be shown as it stands; ABORTED REQUEST_IN_PROGRESS when it is still under way.
 * For whoever answers a request with what a payment brought about.
 */
const struct error *attempt_await(struct call *call, struct uuid customer, struct uuid payment,
                                  struct uuid refund, bool *answered) MUST_CHECK;
/* The same for a capture or void, by its attempt. */
const struct error *attempt_await_one(struct call *call, struct uuid customer, struct uuid attempt,
                                      bool *answered) MUST_CHECK;
