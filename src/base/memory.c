/*
 * Growth is measured from what was left after the last trim, so a process that is large because it
 * needs to be is not walked through again and again.
 */

#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

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

void memory_give_back(int64_t *mark, int64_t step)
{
    int64_t resident = memory_resident();

    if (*mark == 0 || resident < *mark)
        *mark = resident;
    if (resident - *mark < step)
        return;
    malloc_trim(0);
    *mark = memory_resident();
}
