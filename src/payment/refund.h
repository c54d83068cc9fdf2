/*
 * A refund: money of a payment on its way back.  The protocol is that of a charge (charge.h), with
 * another operation: refund_record arms it, refund_send asks the gateway, refund_settle records the
 * result once.
 *
 *   PENDING ──┬──► SUCCEEDED
 *             │        │ a bank sent it back
 *             └──► FAILED      the amount can be refunded again
 */
#pragma once

#include "gateway/gateway.h"
#include "payment/payment.h"

enum refund_state { REFUND_PENDING, REFUND_SUCCEEDED, REFUND_FAILED, REFUND_STATE_COUNT };

struct refund {
    struct uuid customer;
    struct uuid payment;
    struct uuid id;
    struct money amount;
    const char *reason; /* "", "REQUESTED_BY_CUSTOMER", "DUPLICATE", "FRAUDULENT" */
    enum refund_state state;
    const char *failure_code;
    bool is_of_gateway; /* made at its desk; recorded by an incident that was resolved */
    int64_t create_time_us;
    int64_t update_time_us;
};

/* A refund's attempt at the gateway. */
struct refund_attempt {
    struct uuid id;
    const char *gateway;
    const char *gateway_key;
    const char *acted_on;
    int64_t lease_ms;
    int64_t epoch;
    int64_t now_us;   /* the customer's present */
    int64_t armed_us; /* monotonic */
};

const char *refund_state_name(enum refund_state state);
bool refund_state_parse(const char *name, enum refund_state *state);
bool refund_may_move(enum refund_state from, enum refund_state to);

const struct error *refund_load(struct call *call, struct uuid customer, struct uuid payment,
                                struct uuid id, struct refund *refund) MUST_CHECK;
const struct error *refund_list(struct call *call, struct uuid customer, struct uuid payment,
                                struct uuid before, int64_t limit, struct refund **refunds,
                                size_t *count) MUST_CHECK;
/*
 * Ids, the gateway, its key and the transaction to give back from.  `refund->create_time_us` is the
 * customer's present.  FAILED_PRECONDITION PAYMENT_NOT_REFUNDABLE when nothing was charged.
 */
const struct error *refund_prepare(struct call *call, const struct refund *refund,
                                   struct refund_attempt *attempt) MUST_CHECK;

enum refund_recorded { REFUND_RECORDED, REFUND_REPLAYED, REFUND_RUNNING, REFUND_EXCEEDS };

/* Step T1 and T2.  REFUND_RUNNING: `*object` is the refund that the first request made. */
const struct error *refund_record(struct call *call, const struct refund *refund,
                                  const struct refund_attempt *attempt,
                                  enum refund_recorded *recorded, struct uuid *object) MUST_CHECK;

/* As charge_send. */
void refund_send(struct call *call, const struct refund *refund,
                 const struct refund_attempt *attempt, struct gateway_answer *answer);

/* Step T3 or T4; `*refund` becomes what is recorded, also when somebody else had settled it. */
const struct error *refund_settle(struct call *call, const struct refund_attempt *attempt,
                                  const struct gateway_answer *answer, struct refund *refund)
    MUST_CHECK;

/*
 * A refund that had succeeded has failed after all: its ledger group is reversed by another, and
 * the amount can be refunded again.  Once, however often it is said.
 */
const struct error *refund_failed_later(struct call *call, struct uuid customer,
                                        struct uuid attempt, const char *failure_code,
                                        int64_t now_us) MUST_CHECK;

/*
 * The same of one that was made at the gateway, of which incidents tell: what they have posted of
 * it comes back by entries of its own.  `customer` UUID_NIL: the house's.  `*is_news` false: it was
 * known, or nothing of it is in the books.
 */
struct refund_came_back {
    struct uuid customer;
    const char *gateway;
    const char *transaction;
    const char *failure_code; /* "": nobody says */
    const char *detail;       /* for people */
    int64_t now_us;
};
const struct error *refund_came_back(struct call *call, const struct refund_came_back *refund,
                                     bool *is_news) MUST_CHECK;

/* When to look whether it has, in the customer's time; 0: with this gateway it cannot. */
int64_t refund_watch_from_us(const struct call *call, const char *gateway_name, int64_t now_us);

#define REFUND_PARAMS(refund, attempt)                                                             \
    pg_uuid((refund)->id), pg_uuid((attempt)->id), pg_uuid((refund)->payment),                     \
        pg_int64((refund)->amount.minor_units), pg_text((refund)->reason),                         \
        pg_text((attempt)->gateway_key), pg_int64((attempt)->lease_ms)
