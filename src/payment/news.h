/*
 * News of gateways, from the moment when they were found genuine.
 *
 *   news_store   one commit; only then the gateway gets its 2xx
 *     ├─ IGNORED, APPLIED   nothing to do, or nothing that we did not know
 *     ├─ OWED               the obligation "gateway.news" of the customer applies it
 *     └─ UNMATCHED          nobody's yet: looked at every ten seconds (news_watch)
 *                             └─► OWED, APPLIED, or QUARANTINED and perhaps an incident
 *
 * To apply is to ask the gateway how the object stands now, and to record that as the resolver
 * would: nothing that stands in the letter moves money, so order and repetition do not matter.
 */
#pragma once

#include "base/call.h"
#include "crypto/secrets.h"
#include "gateway/gateway.h"
#include "pg/pg.h"

enum news_state {
    NEWS_OWED,
    NEWS_APPLIED,
    NEWS_UNMATCHED,
    NEWS_QUARANTINED,
    NEWS_IGNORED,
    NEWS_DUPLICATE, /* in no row: it had come before */
    NEWS_STATE_COUNT
};

/* "OWED" …: as the row has it. */
const char *news_state_name(enum news_state state);

/* Returns when they are on the disk; `*state` is NEWS_DUPLICATE when they were already. */
const struct error *news_store(struct call *call, const struct gateway *gateway,
                               const struct gateway_news *news, struct bytes body,
                               enum news_state *state) MUST_CHECK;

/* Looks after what is nobody's, and lets old rows go. */
struct news_watch;

struct news_watch *news_watch_open(const struct house *house);
void news_watch_start(struct news_watch *watch);
/* Returns at once. */
void news_watch_stop(struct news_watch *watch);
/* NULL is allowed. */
void news_watch_close(struct news_watch *watch);

struct measures;
void news_watch_measure(const struct news_watch *watch, struct measures *out);

/* "gateway.news": how does the object of some news stand now? */
extern const struct job_kind gateway_news_job;
