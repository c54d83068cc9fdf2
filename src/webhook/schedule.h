/*
 * When a delivery that failed is tried again.
 */
#pragma once

#include <stdint.h>

struct random;

/* Attempts of one delivery: the first, and nine more over three days. */
#define WEBHOOK_TRIES_MAX 10

/*
 * From the failure of the attempt that `tries` others came before, to the next; 0: there is none.
 * A little by chance, so that those that failed together spread.
 */
int64_t webhook_retry_delay_us(int32_t tries, const struct random *random);

/*
 * What the header Retry-After asks for: seconds, or a date; at most a day.  0: nothing that is
 * understood.
 */
int64_t webhook_retry_after_us(const char *header, int64_t now_us);
