/*
 * The schedule of Standard Webhooks: the last attempt is 75 hours, 35 minutes and 5 seconds after
 * the first, and what chance adds.
 */

#include "webhook/schedule.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/attributes.h"
#include "base/random.h"
#include "base/time.h"

#define RETRY_AFTER_MAX_US US_PER_DAY

static const int64_t delays_us[WEBHOOK_TRIES_MAX - 1] = {
    5 * US_PER_SECOND, 5 * US_PER_MINUTE, 30 * US_PER_MINUTE, 2 * US_PER_HOUR,  5 * US_PER_HOUR,
    10 * US_PER_HOUR,  14 * US_PER_HOUR,  20 * US_PER_HOUR,   24 * US_PER_HOUR,
};

int64_t webhook_retry_delay_us(int32_t tries, const struct random *random)
{
    if (tries < 0 || tries >= (int32_t)ARRAY_LENGTH(delays_us))
        return 0;
    int64_t delay_us = delays_us[tries];
    return delay_us + (int64_t)random_below(random, (uint64_t)delay_us / 10 + 1);
}

static int32_t month_of(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int32_t month = 0; month < 12; month++) {
        if (memcmp(names + (ptrdiff_t)3 * month, name, 3) == 0)
            return month + 1;
    }
    return 0;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7; the obsolete forms are not read). */
static bool read_date(const char *text, int64_t *time_us)
{
    char rfc3339[40];

    if (strlen(text) != 29 || strcmp(text + 25, " GMT") != 0 || month_of(text + 8) == 0)
        return false;
    snprintf(rfc3339, sizeof rfc3339, "%.4s-%02d-%.2sT%.8sZ", text + 12, (int)month_of(text + 8),
             text + 5, text + 17);
    return time_parse(rfc3339, time_us);
}

int64_t webhook_retry_after_us(const char *header, int64_t now_us)
{
    int64_t wait_us = 0;

    if (header == NULL || header[0] == '\0')
        return 0;
    size_t digits = strspn(header, "0123456789");
    if (header[digits] == '\0') {
        if (digits > 9)
            return RETRY_AFTER_MAX_US;
        wait_us = strtoll(header, NULL, 10) * US_PER_SECOND;
    } else if (read_date(header, &wait_us)) {
        wait_us -= now_us;
    }
    if (wait_us <= 0)
        return 0;
    return wait_us < RETRY_AFTER_MAX_US ? wait_us : RETRY_AFTER_MAX_US;
}
