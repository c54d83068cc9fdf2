/*
 * The process itself, under the names that every Prometheus client uses.
 */
#pragma once

#include "base/measure.h"

void process_measure(int64_t start_time_us, struct measures *out);
