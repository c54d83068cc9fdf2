/*
 * Growth is measured from what was left after the last trim, so a process that is large because it
 * needs to be is not walked through for ever.
 */

#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

#define TRIMS      6
#define STATM_SIZE 128

int64_t memory_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[STATM_SIZE] = "";

    if (file == NULL)
        return 0;
    /* The second number of the line: pages in memory. */
    const char *second = fgets(line, sizeof line, file) == NULL ? NULL : strchr(line, ' ');
    fclose(file);
    return second == NULL ? 0 : strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE);
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
