/*
 * What this process has of the machine's memory, and giving back what it does not use.
 */
#pragma once

#include <stdint.h>

/* Resident bytes, as the kernel tells them; 0 when it does not. */
int64_t memory_resident(void);

/*
 * To be called now and then with the same `mark`, 0 at first.  The C library keeps the pages of
 * freed small blocks for ever: after ten thousand connections have come and gone that is hundreds
 * of megabytes.  They go back when the process has grown by `step` bytes since it last tried.
 */
void memory_give_back(int64_t *mark, int64_t step);
