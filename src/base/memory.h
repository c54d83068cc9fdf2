/*
 * What this process has of the machine's memory, and giving back what it does not use.
 */
#pragma once

#include <stdint.h>

/* Resident bytes, as the kernel tells them; 0 when it does not. */
int64_t memory_resident(void);

/* All zero at first. */
struct memory_watch {
    int64_t mark;  /* resident after the last trim, or the least since then */
    int32_t again; /* trims that are still to come */
};

/*
 * To be called every some seconds.  The C library keeps the pages of freed small blocks for ever:
 * after ten thousand connections have come and gone that is hundreds of megabytes.  When the
 * process has grown by `step` bytes they go back, now and some times more: what it grew by may not
 * be free yet.
 */
void memory_give_back(struct memory_watch *watch, int64_t step);
