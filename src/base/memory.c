/*
 * Growth is measured from what was left after the last trim, so a process that is large because it
 * needs to be is not walked through for ever.
 */

#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

#define TRIMS 6

int64_t memory_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

void memory_give_back(struct memory_watch *watch, int64_t step)
{
    int64_t resident = memory_resident();

    if (watch->mark == 0 || resident < watch->mark)
        watch->mark = resident;
    if (resident - watch->mark >= step)
        watch->again = TRIMS;
    if (watch->again == 0)
        return;
    watch->again--;
    malloc_trim(0);
    watch->mark = memory_resident();
}
