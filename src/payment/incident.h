/*
 * Incidents: what no machine may decide.  Whoever finds something that does not add up opens one;
 * it is opened once by kind and subject, however often and by whomever it is found.
 */
#pragma once

#include "base/call.h"
#include "base/money.h"

struct bytes;
struct gateway_answer;

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
bool incident_kind_parse(const char *name, enum incident_kind *kind);

/* What an incident about a gateway's thing is about, whoever finds it: "stripe re_…". */
const char *incident_subject_at(struct arena *arena, const char *gateway, const char *thing);

/* Opens it, unless it was opened before.  A step of its own; inside a step: SQL incident_add. */
const struct error *incident_open(struct call *call, const struct incident_new *incident)
    MUST_CHECK;

/*
 *   OPEN ──two operators──► APPROVED ──"incident.resolve"──┬──► RESOLVED
 *     ▲                                                     └ it could not be done
 *     └──────────────────────────────────────────────────────┘
 */
enum incident_state { INCIDENT_OPEN, INCIDENT_APPROVED, INCIDENT_RESOLVED, INCIDENT_STATE_COUNT };

enum incident_resolution {
    RESOLUTION_NONE,
    RESOLUTION_MARK_SUCCEEDED,
    RESOLUTION_MARK_FAILED,
    RESOLUTION_POST_FROM_SUSPENSE,
    RESOLUTION_IGNORE,
    RESOLUTION_COUNT
};

#define INCIDENT_UNSAID INT64_MIN

struct incident_approval {
    int64_t version;
    const char *approver;
    enum incident_resolution resolution;
    const char *account;
    const char *reason;
    int64_t suspense_minor; /* what stood in suspense then */
    int64_t create_time_us;
};

struct incident {
    struct uuid customer;
    struct uuid id;
    enum incident_kind kind;
    enum incident_state state;
    const char *subject;
    const char *detail;
    struct uuid attempt; /* UUID_NIL: none */
    struct uuid payment; /* UUID_NIL: none */
    const char *gateway;
    const char *transaction;
    struct money amount;    /* without currency: none */
    int64_t suspense_minor; /* what stands in suspense; money that came is positive */
    /* AMOUNT_MISMATCH: what the gateway said last, in minor units, 0: money of another currency;
     * INCIDENT_UNSAID: not known. */
    int64_t said_minor;
    bool is_waited_for; /* its attempt still waits for a result */
    int64_t version;
    enum incident_resolution resolution;
    const char *account;
    const char *outcome;
    int64_t create_time_us;
    int64_t update_time_us;
    const struct incident_approval *approvals; /* incident_load, and where there are some */
    size_t approval_count;
};

const char *incident_resolution_name(enum incident_resolution resolution);

/* Fails with NOT_FOUND / INCIDENT_NOT_FOUND. */
const struct error *incident_load(struct call *call, struct uuid customer, struct uuid id,
                                  struct incident *incident) MUST_CHECK;

struct incident_filter {
    bool is_of_all;       /* customers */
    struct uuid customer; /* unless is_of_all */
    const char *state;    /* NULL: any */
    const char *kind;     /* NULL: any */
};

struct incident_position {
    int64_t create_time_us; /* 0: from the newest */
    struct uuid id;
};

/* Newest first; fewer than `page_size` where much was asked for about them. */
const struct error *incident_list(struct call *call, const struct incident_filter *filter,
                                  const struct incident_position *behind, int32_t page_size,
                                  struct incident **incidents, size_t *count, bool *has_more)
    MUST_CHECK;

/*
 * What the gateway answered when it was asked for a resolution: does it prove that the request was
 * executed, for the amount that stands in suspense; may it be recorded as not executed?
 */
bool incident_is_proven_done(const struct incident *incident, const struct gateway_answer *answer);
bool incident_may_be_undone(const struct incident *incident, const struct gateway_answer *answer);

/*
 * One operator's wish, the last of `incident->approvals`, as the answer tells it.  `*changed`: the
 * incident is not as it was read; nothing was written.
 */
const struct error *incident_approve(struct call *call, const struct incident *incident,
                                     int64_t version_seen, bool is_second, struct bytes answer,
                                     bool *changed) MUST_CHECK;
