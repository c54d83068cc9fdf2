/*
 * Our books against a gateway's.
 *
 *   LIST ──► OWN ──► COMPARE ──► FEES ──► LEAKS ──► ASK ──► LAST ──► DONE
 *   theirs   ours    by          posted   money     what is in doubt, where
 *                    transaction          and access anything is: again
 *
 * A run is a row, driven by the obligation "reconcile.run" of the house's own; each step moves it
 * on from where it stood and does what it does once, so whoever goes on after a crash finds nothing
 * special.  What differs is mended (the machinery that would find out anyway is told to look now)
 * or becomes an incident, with the money in suspense.
 *
 * A transaction of which nothing can be said now, be it that the gateway is silent or that asking
 * is not possible, is in doubt: that is noted on its lines, and the run goes on with the others.
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
    int64_t doubt_count;
    int64_t ask_until_us; /* ASK */
    int64_t foreign_count;
    const char *foreign_amounts; /* "EUR 120 USD -5": in the order of the currencies */
    const uint8_t *list_hash;    /* NULL: not known yet */
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

/* Money of transactions that do not name us, in one currency. */
struct reconcile_sum {
    struct money amount;
    struct reconcile_sum *next;
};

/* Of some transactions: what is recorded with the step that moves the run on. */
struct reconcile_tally {
    int64_t mended;
    int64_t foreign;
    struct reconcile_sum *sums;
};

/* reconcile_compare.c */

/* One bucket of both sides; COMPARE's step. */
const struct error *reconcile_compare(struct call *call, const struct reconciliation *run)
    MUST_CHECK;

/* One transaction of a bucket. */
struct reconcile_look {
    const struct reconciliation *run;
    struct arena *arena; /* of what it finds out; each question has one of its own */
    int32_t bucket;
    const char *transaction; /* NULL: all of the bucket's */
    bool is_last;            /* people are told of what is still in doubt */
    bool is_silent;          /* the gateway has not answered: nothing more is asked now */
    const char *doubt;       /* of the last one; "": none */
    struct reconcile_tally tally;
};
/* What differs, mended or reported; `look->doubt` of what was `look->transaction`. */
const struct error *reconcile_judge(struct call *call, struct reconcile_look *look) MUST_CHECK;

/* Notes that nothing can be said of a transaction now; "": something can. */
const struct error *reconcile_doubt(struct call *call, const struct reconcile_look *look,
                                    const char *transaction, const char *doubt) MUST_CHECK;

/* reconcile_ask.c */

/* What is in doubt, one at a time; the step of ASK and LAST.  `*waits`: until the next round. */
const struct error *reconcile_ask_again(struct call *call, const struct reconciliation *run,
                                        bool *waits) MUST_CHECK;

/* reconcile_foreign.c */

/* A transaction of the gateway's list that does not name us; an incident where nobody else may have
 * business there. */
const struct error *reconcile_foreign(struct call *call, struct reconcile_look *look,
                                      const struct reconcile_finding *finding) MUST_CHECK;
/* The sums for SQL reconciliation_count_foreign. */
const char *reconcile_sums(struct arena *arena, const struct reconcile_tally *tally);

/* reconcile_dispute.c */

/* The disputes among them; part of reconcile_judge. */
const struct error *reconcile_disputes(struct call *call, struct reconcile_look *look) MUST_CHECK;

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
