/*
 * Incidents: what no machine may decide.  Whoever finds something that does not add up opens one;
 * it is opened once by kind and subject, however often and by whomever it is found.
 */
#pragma once

#include "base/call.h"
#include "base/money.h"

enum incident_kind {
    INCIDENT_AMOUNT_MISMATCH,        /* the gateway's amount or currency is not what was asked */
    INCIDENT_DUPLICATE_REFERENCE,    /* one reference of ours, two transactions */
    INCIDENT_DUPLICATE_TRANSACTION,  /* one transaction, two attempts of ours */
    INCIDENT_EVIDENCE_AFTER_MANUAL,  /* an answer came when people had it already */
    INCIDENT_GATEWAY_ONLY,           /* the gateway has it, we do not */
    INCIDENT_GRANTED_NOT_PAID,       /* access without the payment for it */
    INCIDENT_LATE_OPPOSITE_EVIDENCE, /* an answer says the opposite of what was recorded */
    INCIDENT_NEVER_CAPTURED,         /* held, and neither captured nor let go of */
    INCIDENT_OURS_ONLY,              /* we have it, the gateway does not */
    INCIDENT_PAID_NOT_GRANTED,       /* a payment without what it was for */
    INCIDENT_REFUNDED_AT_GATEWAY_ONLY,
    INCIDENT_RELEASE_REFUSED, /* the gateway does not let go of what has expired */
    INCIDENT_STATUS_DIFFERS,
    INCIDENT_UNKNOWN_TOO_LONG,
    INCIDENT_UNMATCHED_NEWS, /* the gateway told of something that is not ours */
    INCIDENT_KIND_COUNT
};

struct incident_new {
    struct uuid customer; /* UUID_NIL: nobody of ours is known, so it is the house's own */
    enum incident_kind kind;
    const char *subject;     /* a resource's name, an attempt's id, a gateway's id */
    const char *detail;      /* what was seen, for the people who decide; no secrets */
    struct uuid attempt;     /* UUID_NIL: none of ours */
    struct uuid payment;     /* UUID_NIL: none of ours */
    const char *gateway;     /* NULL: none has to do with it */
    const char *transaction; /* the gateway's id; NULL: none */
    struct money amount;     /* in question; without currency: none is */
    int64_t now_us;          /* 0: the call's */
};

/* As a row has it: "GATEWAY_ONLY". */
const char *incident_kind_name(enum incident_kind kind);

/* Opens it, unless it was opened before.  A step of its own; inside a step: SQL incident_add. */
const struct error *incident_open(struct call *call, const struct incident_new *incident)
    MUST_CHECK;
