/*
 * What the process lends to every call and every job.  Made by main, read-only afterwards; each
 * room's type is declared in that room.
 */
#pragma once

struct auth_keys;
struct clock;
struct courier;
struct entitlement_cache;
struct event_feed;
struct fiber_pool;
struct gateways;
struct guess_guard;
struct jobs;
struct log;
struct offload;
struct payment_counts;
struct payment_purpose;
struct pg;
struct random;
struct secrets;
struct session_cache;
struct settings;
struct vault;

struct house {
    const struct settings *settings;
    const struct clock *clock;
    const struct random *random;
    struct log *log;
    struct fiber_pool *fibers;
    struct pg *pg;
    const struct secrets *secrets;          /* crypto/secrets.h: keys derived from the root */
    struct vault *vault;                    /* vault/vault.h: what rests sealed */
    struct offload *offload;                /* crypto/offload.h: password hashing */
    struct auth_keys *keys;                 /* auth/keys.h: token signing and device CA */
    struct session_cache *sessions;         /* auth/session_cache.h */
    struct guess_guard *guesses;            /* auth/guess_guard.h */
    struct entitlement_cache *entitlements; /* membership/entitlement_cache.h; NULL: none */
    struct event_feed *events;              /* customer/event_feed.h */
    const struct gateways *gateways;        /* gateway/gateway.h */
    const struct payment_purpose *const *purposes; /* payment/charge.h; NULL-terminated */
    struct jobs *jobs;                             /* jobs/jobs.h */
    struct courier *courier;                       /* webhook/courier.h: who carries deliveries */
    struct payment_counts *payment_counts; /* payment/payment_measure.h; NULL: nothing counts */
};
