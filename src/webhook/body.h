/*
 * What is told of an event.
 */
#pragma once

#include "webhook/store.h"

/* {"type":…,"timestamp":…,"data":{…}}, below 20 kB. */
const char *webhook_body(struct call *call, struct uuid customer, const struct webhook_head *head);
