/*
 * Our books against a gateway's.
 *
 *   LIST ──► OWN ──► COMPARE ──► FEES ──► LEAKS ──► DONE
 *   theirs   ours    by          posted   money and access
 *                    transaction          that do not go together
 *
 * A run is a row, driven by the obligation "reconcile.run" of the house's own; each step moves it
 * on from where it stood and does what it does once, so whoever goes on after a crash finds nothing
 * special.  What differs is mended (the machinery that would find out anyway is told to look now)
 * or becomes an incident, with the money in suspense.
 */
#pragma once

#include "payment/attempt_errand.h"
#include "payment/incident.h"

#define RECONCILIATION_PATTERN "reconciliations/{}"

struct reconciliation {
    struct uuid id;
    const char *gateway;
    int64_t from_us;
    int64_t until_us;
    const char *requester;
    const char *state; /* "RUNNING", "SUCCEEDED", "FAILED" */
    const char *stage;
    const char *position; /* within the stage */
    int64_t entry_count;
    int64_t own_count;
    int64_t mended_count;
    int64_t incident_count;
    int64_t fee_count;
    const uint8_t *list_hash; /* NULL: not known yet */
    size_t list_hash_size;
    const char *problem;
    int64_t create_time_us;
    int64_t update_time_us;
    int64_t finish_time_us; /* 0: it has not ended */
};

/* reconcile_store.c */

/* Fails with NOT_FOUND / RECONCILIATION_NOT_FOUND. */
const struct error *reconciliation_load(struct call *call, struct uuid id,
                                        struct reconciliation *run) MUST_CHECK;

struct reconciliation_position {
    int64_t create_time_us; /* 0: from the newest */
    struct uuid id;
};
const struct error *reconciliation_list(struct call *call, const char *gateway,
                                        const struct reconciliation_position *behind, int64_t limit,
                                        struct reconciliation **runs, size_t *count) MUST_CHECK;

/* With the call's request_id, if it has one; `run->id` UUID_NIL: the day's run. */
const struct error *reconciliation_begin(struct call *call, const struct reconciliation *run,
                                         struct bytes answer, bool *replayed) MUST_CHECK;

/* Moves the run on; nothing happens when it stands elsewhere. */
const struct error *reconciliation_pass(struct call *call, const struct reconciliation *run,
                                        const char *next_stage, const char *next_position,
                                        int64_t mended) MUST_CHECK;
const struct error *reconciliation_trouble(struct call *call, const struct reconciliation *run,
                                           const char *problem, bool is_over) MUST_CHECK;

/* What the run found and only people may decide. */
struct reconcile_finding {
    struct uuid customer; /* UUID_NIL: the house's own */
    enum incident_kind kind;
    const char *subject;
    const char *detail;
    struct uuid attempt; /* UUID_NIL: none */
    struct uuid payment; /* UUID_NIL: none */
    const char *transaction;
    const char *currency;
    int64_t amount; /* in question */
    int64_t delta;  /* what their books have more than ours: goes into suspense */
    bool to_people; /* the attempt says the opposite */
};
const struct error *reconcile_report(struct call *call, const struct reconciliation *run,
                                     const struct reconcile_finding *finding) MUST_CHECK;

/* What is owed for the attempt is looked at now.  `*hurried` false: nothing is owed. */
const struct error *reconcile_hurry(struct call *call, struct uuid customer, struct uuid attempt,
                                    bool *hurried) MUST_CHECK;

/* reconcile_compare.c */

/* One bucket of both sides; COMPARE's step.  `*waits`: the gateway cannot be asked now. */
const struct error *reconcile_compare(struct call *call, const struct reconciliation *run,
                                      bool *waits) MUST_CHECK;

/* reconcile_dispute.c */

/* The disputes of one bucket of the gateway's list; part of COMPARE's step. */
const struct error *reconcile_disputes(struct call *call, const struct reconciliation *run,
                                       int32_t bucket, int64_t *mended) MUST_CHECK;

/* reconcile_own.c */

/* The attempt behind a reference of ours.  `*found` false: there is none. */
const struct error *reconcile_find(struct call *call, const char *reference, struct uuid *customer,
                                   struct attempt *attempt, bool *found) MUST_CHECK;

/* Asks the gateway about an attempt, in whatever state it is. */
const struct error *reconcile_ask(struct call *call, struct uuid customer,
                                  const struct attempt *attempt, struct attempt_errand *errand,
                                  struct gateway_answer *answer) MUST_CHECK;

/* reconcile_proto.c */

void reconciliation_to_proto(struct arena *arena, const struct reconciliation *run,
                             Dues__Payment__V1__Reconciliation *proto);
