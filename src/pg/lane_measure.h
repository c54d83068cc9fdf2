/*
 * The counts of the lanes, summed over those of a kind.
 */
#pragma once

#include "base/measure.h"
#include "pg/lane.h"

struct lane_group {
    const char *kind; /* "write", "read" */
    const struct lane *lanes;
    size_t count;
};

void lanes_measure(const struct lane_group *groups, size_t count, struct measures *out);
