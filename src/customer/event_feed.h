/*
 * Who waits for a customer's events is woken here: by this server's own writes at once, by those of
 * others within EVENT_POLL_US and one read.
 *
 *   event_watch_begin   read to the end … event_watch_seen … wait … read …   event_watch_end
 *
 * Nothing is missed: who has begun reads afterwards, and a wake while it reads is kept by its
 * stream.  A wake promises nothing; there may be no event.
 */
#pragma once

#include "base/house.h"
#include "base/id.h"
#include "base/stream.h"
#include "base/time.h"

#define EVENT_POLL_US (500 * US_PER_MS)

struct event_feed;
struct measures;
struct pg_statement;

/* One reader, in its handler's memory; all of it is the feed's. */
struct event_watcher {
    struct stream *stream;
    struct uuid customer;
    int64_t seen; /* the number of the last event that it has read */
    struct event_watcher *before;
    struct event_watcher *after;
};

/* Hears of this server's writes and starts to ask for those of others. */
struct event_feed *event_feed_open(const struct house *house);
/* When nobody watches or writes any more.  NULL is allowed. */
void event_feed_close(struct event_feed *feed);

void event_watch_begin(struct event_feed *feed, struct event_watcher *watcher, struct uuid customer,
                       struct stream *stream);
void event_watch_seen(struct event_feed *feed, struct event_watcher *watcher, int64_t sequence);
void event_watch_end(struct event_feed *feed, struct event_watcher *watcher);

void event_feed_measure(struct event_feed *feed, struct measures *out);

extern const struct pg_statement event_poll_statement;
