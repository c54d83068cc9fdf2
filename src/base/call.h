/*
 * A call: one RPC, or one run of an obligation, on its way through the house.
 *
 * Everything that a handler needs hangs on it: its arena, who calls, until when, and the house.
 * It lives from accept to the end of the answer; the arena owns all that it points to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/house.h"
#include "base/id.h"

/* How the caller proved itself.  One bit each: a method's row names those it admits. */
enum caller_kind {
    CALLER_SERVICE = 1 << 0,     /* certificate …/service/<name> */
    CALLER_OPERATOR = 1 << 1,    /* certificate …/operator/<name> */
    CALLER_APP = 1 << 2,         /* certificate …/app/<name>, nobody logged in */
    CALLER_APP_USER = 1 << 3,    /* the same with an access token bound to it */
    CALLER_DEVICE = 1 << 4,      /* certificate …/device/<id>, nobody logged in */
    CALLER_DEVICE_USER = 1 << 5, /* the same with an access token bound to it */
    CALLER_SYSTEM = 1 << 6,      /* an obligation of our own */
};

/* A logged-in user of either certificate. */
#define CALLER_USERS (CALLER_APP_USER | CALLER_DEVICE_USER)
#define CALLER_ALL                                                                                 \
    (CALLER_SERVICE | CALLER_OPERATOR | CALLER_APP | CALLER_APP_USER | CALLER_DEVICE |             \
     CALLER_DEVICE_USER)

#define CERTIFICATE_HASH_SIZE 32

struct caller {
    enum caller_kind kind;
    const char *spiffe_id; /* the whole URI, "spiffe://dues.local/service/service-billing" */
    const char *name;      /* its last segment */
    uint8_t certificate_hash[CERTIFICATE_HASH_SIZE]; /* SHA-256 of the DER leaf (RFC 8705) */
    const char *peer;                                /* network address, for the log only */
    /* Only for CALLER_USERS: */
    struct uuid user; /* also the customer's id */
    struct uuid session;
    const char *scope; /* blank-separated, from the token */
};

/* Bytes of the recorded answer that go out in place of `reply`. */
struct recorded_answer {
    const uint8_t *bytes; /* NULL: pack the reply */
    size_t size;
};

#define REQUEST_HASH_SIZE 32

struct call {
    struct arena *arena;
    const struct house *house;
    struct caller caller;
    const char *method; /* "/dues.payment.v1.PaymentService/CreatePayment" */
    const char *trace;  /* 32 hex digits: the caller's trace, or one of our own; x-request-id */
    const char *span;   /* 16 hex digits: this call within its trace */
    const char *parent_span; /* the caller's; NULL when it sent no traceparent */
    const char *object;      /* name of what the call is about, for the log line; NULL: not known */
    const char *request_id;  /* the request's idempotency key; "" when it has none */
    uint8_t request_hash[REQUEST_HASH_SIZE]; /* HMAC of method and canonical request */
    int64_t now_us;      /* wall clock at accept: one instant for the whole call */
    int64_t deadline_us; /* monotonic */
    bool patient;        /* a gateway has answered: wait for the database to the very deadline */
    struct recorded_answer recorded;
    bool sampled;         /* its trace is followed: its ops show it in PostgreSQL */
    bool replayed;        /* the answer is a recorded one: trailer idempotent-replayed */
    const char *customer; /* for the log line; set by owner_customer */
};

/*
 * An error for what the caller can mend: `refuse(call, STATUS_NOT_FOUND, "PAYMENT_NOT_FOUND", …)`.
 * Lower case, no full stop, the reason declared in dues.type.v1.Reason.
 */
struct error *refuse(struct call *call, enum status status, const char *reason, const char *format,
                     ...) PRINTF_LIKE(4, 5);

/* NOT_FOUND for what has this name: nothing, or somebody else's thing. */
struct error *not_found(struct call *call, const char *reason, const char *name);

/*
 * Under whom a request_id counts: the logged-in user, else the certificate's identity.  A device's
 * certificate lives a day, so a payment repeated after its renewal must still be the same request.
 */
const char *call_requester(struct call *call);

/*
 * A call of the house's own, `limit_us` from now.  `caller` is "system/" and a name; it and
 * `method` stay the caller's.  It has no trace: trace_begin gives it one.
 */
struct call call_of_house(const struct house *house, struct arena *arena, const char *caller,
                          const char *method, int64_t limit_us);

/* What a part of a job may need: as much as a job that has no parts. */
#define CALL_PART_SIZE_MAX ((size_t)4 * 1024 * 1024)

/*
 * A part of a call with memory of its own, for what is done again and again in one call:
 *
 *   struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
 *   const struct error *error = look_at(&part, thing);
 *   TRY(call_part_end(call, &part, error));
 *
 * The end gives the part's memory back, all that it points to is gone but the error, which is
 * copied.  What a part finds out about the call (whose it is, that it is patient) stays with it.
 */
struct call call_part_begin(const struct call *call, size_t size_max);
const struct error *call_part_end(struct call *call, struct call *part, const struct error *error)
    MUST_CHECK;

/* Microseconds until the deadline; 0 when it has passed. */
int64_t call_time_left_us(const struct call *call);
