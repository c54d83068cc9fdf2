/*
 * Following the changes that other servers record (table entitlement_change), so that what is
 * remembered here is forgotten in time.
 */
#pragma once

#include "base/house.h"
#include "base/time.h"

/* How often the feed is asked.  A change elsewhere is felt here after this and one read. */
#define ENTITLEMENT_POLL_US (250 * US_PER_MS)

struct entitlement_feed;

/* Follows for house->entitlements from now on, in a fiber. */
struct entitlement_feed *entitlement_feed_open(const struct house *house);

/* Waits for the fiber: a few milliseconds, or as long as a read that is under way.  NULL is
 * allowed. */
void entitlement_feed_close(struct entitlement_feed *feed);
