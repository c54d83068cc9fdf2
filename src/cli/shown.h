/*
 * Texts that people gave, on a terminal of others: what would move the cursor, change the order of
 * what is read or hide is shown as its number, \u202e.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SHOWN_GROWTH   6 /* bytes for one, at most */
#define SHOWN_REST_MAX 3 /* bytes of a character that is cut off */

/*
 * `size` bytes of UTF-8 as they are shown; `shown` has room for SHOWN_GROWTH times as many.
 * `*rest`: so many at the end are no whole character yet; they belong before what comes next.
 */
size_t shown_text(const char *text, size_t size, char *shown, size_t *rest);

/*
 * From here on standard error, and standard output unless it is for machines, are written so.  The
 * one place where a command writes what a server said; nothing is to be written before.
 */
void shown_begin(bool is_for_machines);
