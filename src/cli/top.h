/*
 * What `dues top` shows: two looks at a server, some seconds apart, as tables.
 */
#pragma once

#include <stdio.h>

#include "cli/metrics_page.h"

struct top_look {
    struct metrics_page page;
    const char *calls; /* the JSON of /calls */
    int64_t time_us;   /* monotonic */
};

/* Rates are those between the looks.  `rows_max` bounds each table. */
void top_show(FILE *out, struct arena *arena, const struct top_look *before,
              const struct top_look *now, size_t rows_max);
