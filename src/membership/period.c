/*
 * Billing periods.  Nothing here adds a month to an earlier result: 31 January, 28 February, 31
 * March.
 */
#include "membership/period.h"

#include "base/time.h"

int64_t period_start(int64_t anchor_us, int32_t period_months, int32_t index)
{
    return time_add_months(anchor_us, period_months * index);
}
