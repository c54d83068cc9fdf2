/*
 * Finding the hidden function.  dlsym(3) needs no lock of ours and is asked once for each name.
 */

#include "edge/interpose.h"

#include <dlfcn.h>

#include "base/bug.h"

void *interpose_next(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);

    if (next == NULL)
        bug("edge: there is no %s behind ours", name);
    return next;
}
