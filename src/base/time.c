/*
 * Calendar arithmetic on microseconds since 1970 UTC, and the only place that reads the clock of
 * the machine.  Days and dates are converted by Howard Hinnant's algorithms for the proleptic
 * Gregorian calendar; times outside 0001–9999 are cut to that range, because a test clock may be
 * turned anywhere and must not bring the process down.
 */

#include "base/time.h"

#include "base/bug.h"
#include "base/fail_point.h"

struct date {
    int64_t year;
    int month; /* 1–12 */
    int day;   /* 1–31 */
};

static int64_t read_clock_us(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) != 0)
        bug("clock: clock_gettime failed");
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

static int64_t system_wall_us(const struct clock *clock)
{
    (void)clock;
    return read_clock_us(CLOCK_REALTIME) + FAIL_SHIFT("clock.wall");
}

static int64_t system_monotonic_us(const struct clock *clock)
{
    (void)clock;
    return read_clock_us(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
    static const struct clock system = {system_wall_us, system_monotonic_us};

    return &system;
}

int64_t clock_wall_us(const struct clock *clock)
{
    return clock->wall_us(clock);
}

int64_t clock_monotonic_us(const struct clock *clock)
{
    return clock->monotonic_us(clock);
}

static bool is_leap_year(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap_year(year) ? 29 : days[month - 1];
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_date(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = floor_divide(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static struct date date_from_days(int64_t days)
{
    days += 719468; /* since 0000-03-01 */
    int64_t era = floor_divide(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* March is 0 */
    int64_t year = year_of_era + era * 400 + (month >= 10);

    return (struct date){
        .year = year,
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
    };
}

static int64_t clamp_time(int64_t time_us)
{
    if (time_us < TIME_US_MIN)
        return TIME_US_MIN;
    return time_us > TIME_US_MAX ? TIME_US_MAX : time_us;
}

static void put_digits(char *text, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        text[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void time_format(int64_t time_us, char text[TIME_TEXT_SIZE])
{
    int64_t clamped_us = clamp_time(time_us);
    int64_t days = floor_divide(clamped_us, US_PER_DAY);
    int64_t of_day_us = clamped_us - days * US_PER_DAY;
    struct date date = date_from_days(days);

    memcpy(text, "0000-00-00T00:00:00.000000Z", TIME_TEXT_SIZE);
    put_digits(text, date.year, 4);
    put_digits(text + 5, date.month, 2);
    put_digits(text + 8, date.day, 2);
    put_digits(text + 11, of_day_us / US_PER_HOUR, 2);
    put_digits(text + 14, of_day_us / US_PER_MINUTE % 60, 2);
    put_digits(text + 17, of_day_us / US_PER_SECOND % 60, 2);
    put_digits(text + 20, of_day_us % US_PER_SECOND, 6);
}

/* Reads exactly `count` digits and moves on; false when there are fewer. */
static bool read_digits(const char **text, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++) {
        char c = **text;
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - '0');
        (*text)++;
    }
    return true;
}

static bool read_character(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    (*text)++;
    return true;
}

static bool read_date(const char **text, int64_t *days)
{
    int year, month, day;

    if (!read_digits(text, 4, &year) || !read_character(text, '-') ||
        !read_digits(text, 2, &month) || !read_character(text, '-') || !read_digits(text, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_date((struct date){.year = year, .month = month, .day = day});
    return true;
}

/* One to nine fractional digits after a point; none is right too. */
static bool read_fraction(const char **text, int64_t *fraction_us)
{
    int64_t unit_us = US_PER_SECOND / 10;
    int count = 0;

    *fraction_us = 0;
    if (!read_character(text, '.'))
        return true;
    for (; **text >= '0' && **text <= '9'; (*text)++, count++) {
        *fraction_us += (**text - '0') * unit_us;
        unit_us /= 10; /* 0 from the seventh digit on: the rest is cut */
    }
    return count >= 1 && count <= 9;
}

static bool read_time_of_day(const char **text, int64_t *of_day_us)
{
    int hour, minute, second;
    int64_t fraction_us;

    if (!read_digits(text, 2, &hour) || !read_character(text, ':') ||
        !read_digits(text, 2, &minute) || !read_character(text, ':') ||
        !read_digits(text, 2, &second) || !read_fraction(text, &fraction_us))
        return false;
    /* 60 is refused: POSIX time has no leap seconds, and PostgreSQL would move it to the next. */
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *of_day_us = hour * US_PER_HOUR + minute * US_PER_MINUTE + second * US_PER_SECOND + fraction_us;
    return true;
}

static bool read_offset(const char **text, int64_t *offset_us)
{
    int hour, minute;

    *offset_us = 0;
    if (read_character(text, 'Z') || read_character(text, 'z'))
        return true;
    bool west = **text == '-';
    if (!west && **text != '+')
        return false;
    (*text)++;
    if (!read_digits(text, 2, &hour) || !read_character(text, ':') ||
        !read_digits(text, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *offset_us = hour * US_PER_HOUR + minute * US_PER_MINUTE;
    if (west)
        *offset_us = -*offset_us;
    return true;
}

bool time_parse(const char *text, int64_t *time_us)
{
    int64_t days, of_day_us, offset_us;

    if (text == NULL || !read_date(&text, &days))
        return false;
    if (!read_character(&text, 'T') && !read_character(&text, 't'))
        return false;
    if (!read_time_of_day(&text, &of_day_us) || !read_offset(&text, &offset_us) || *text != '\0')
        return false;

    int64_t parsed_us = days * US_PER_DAY + of_day_us - offset_us;
    if (parsed_us < TIME_US_MIN || parsed_us > TIME_US_MAX)
        return false;
    *time_us = parsed_us;
    return true;
}

int64_t time_add_months(int64_t anchor_us, int32_t months)
{
    int64_t clamped_us = clamp_time(anchor_us);
    int64_t days = floor_divide(clamped_us, US_PER_DAY);
    struct date date = date_from_days(days);
    int64_t month_index = date.year * 12 + (date.month - 1) + months;
    int64_t year = floor_divide(month_index, 12);

    if (year < 1)
        return TIME_US_MIN;
    if (year > 9999)
        return TIME_US_MAX;
    struct date moved = {.year = year, .month = (int)(month_index - year * 12) + 1};
    int length = days_in_month(moved.year, moved.month);
    moved.day = date.day < length ? date.day : length;
    return days_from_date(moved) * US_PER_DAY + (clamped_us - days * US_PER_DAY);
}
