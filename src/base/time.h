/*
 * Time is int64 microseconds since 1970 UTC (PostgreSQL's precision) and is passed in.  Nothing but
 * time.c reads the clock of the machine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_MS     1000LL
#define US_PER_SECOND 1000000LL
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (3600 * US_PER_SECOND)
#define US_PER_DAY    (86400 * US_PER_SECOND)

/* 0001-01-01 and 9999-12-31T23:59:59.999999: the range of google.protobuf.Timestamp. */
#define TIME_US_MIN (-62135596800LL * US_PER_SECOND)
#define TIME_US_MAX (253402300799LL * US_PER_SECOND + 999999)

/* "2026-11-22T10:11:12.123456Z" and its NUL. */
#define TIME_TEXT_SIZE 28

struct clock {
    int64_t (*wall_us)(const struct clock *clock);      /* UTC; may jump */
    int64_t (*monotonic_us)(const struct clock *clock); /* for deadlines; never jumps */
};

/* The clock of the machine. */
const struct clock *clock_system(void);

int64_t clock_wall_us(const struct clock *clock);
int64_t clock_monotonic_us(const struct clock *clock);

/* RFC 3339 in UTC with microseconds. */
void time_format(int64_t time_us, char text[TIME_TEXT_SIZE]);

/* RFC 3339, `Z` or an offset, up to nine fractional digits (cut to microseconds). */
bool time_parse(const char *text, int64_t *time_us);

/*
 * `anchor` moved by whole months, its day of month clamped to the length of the target month
 * (31 January + 1 = 28 or 29 February, + 2 = 31 March).  Always count from the anchor, never from
 * an earlier result, or the day drifts.
 */
int64_t time_add_months(int64_t anchor_us, int32_t months);
