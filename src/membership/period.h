/*
 * Billing periods: whole calendar months counted from an anchor.
 */
#pragma once

#include <stdint.h>

/*
 * The start of period `index` (its end is the start of the next), day of month clamped to the
 * month's length: always counted from the anchor, so the 31st comes back after February.
 */
int64_t period_start(int64_t anchor_us, int32_t period_months, int32_t index);
