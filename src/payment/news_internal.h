/*
 * The rows of news, for the files that apply and match them.
 */
#pragma once

#include "payment/news.h"
#include "payment/payment_internal.h"

struct news_row {
    const char *gateway;
    struct gateway_news told; /* without created_us */
    struct uuid customer;     /* UUID_NIL: not known */
    struct uuid reference;    /* UUID_NIL: none */
    enum news_state state;
    int64_t receive_us;
    int64_t due_us;           /* UNMATCHED */
    const char *failure_code; /* of a refund of others that has come back; NULL: of none */
};

/* news_store.c */

/* `*found` false: there is none of this key. */
const struct error *news_load(struct call *call, const char *gateway, const char *event,
                              struct news_row *row, bool *found) MUST_CHECK;

/* UNMATCHED ones whose time has come, at most `limit`. */
const struct error *news_list_due(struct call *call, int64_t now_us, int64_t limit,
                                  struct news_row **list, size_t *count) MUST_CHECK;

/* `*claimed` false: another server looks at it. */
const struct error *news_claim(struct call *call, const struct news_row *row, int64_t until_us,
                               bool *claimed) MUST_CHECK;

/* With whose it is, as the gateway says; UUID_NIL adds nothing.  The state then. */
const struct error *news_match(struct call *call, const struct news_row *row, struct uuid customer,
                               struct uuid reference, enum news_state *state) MUST_CHECK;

/* UNMATCHED becomes APPLIED or QUARANTINED. */
const struct error *news_end(struct call *call, const struct news_row *row, enum news_state state)
    MUST_CHECK;

/* OWED becomes APPLIED, and the obligation is over. */
const struct error *news_applied(struct call *call, const struct news_row *row,
                                 struct uuid customer, int64_t epoch) MUST_CHECK;

/* What is not applied yet: how many, at most 10,000, and since when the oldest (0: none). */
const struct error *news_backlog(struct call *call, int64_t *count, int64_t *oldest_us) MUST_CHECK;

/* Rows from before `before_us` that are over, at most `limit`. */
const struct error *news_sweep(struct call *call, int64_t before_us, int32_t limit, int64_t *swept)
    MUST_CHECK;

extern const struct pg_statement news_store_statement, news_load_statement, news_list_statement,
    news_claim_statement, news_match_statement, news_end_statement, news_apply_statement,
    news_sweep_statement, news_backlog_statement, news_open_attempts_statement;

/* news.c */

/* The names of the gateway's incidents begin with it: "stripe re_…". */
const char *news_subject(struct call *call, const struct news_row *row);
