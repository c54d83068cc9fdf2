/*
 * Debian's abseil, on which gRPC stands, looks for cycles in the order of locks each time one is
 * taken: a debugging aid, and a fifth of the processor time of an empty call.  It is switched off
 * by a C++ function, which we find by its name; with another abseil calls are merely slower.
 */

#include <dlfcn.h>

#include "rpc/internal.h"

#define SET_MODE "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE"

/* enum class absl::OnDeadlockCycle { kIgnore, kReport, kAbort } of base/config.h. */
enum on_deadlock_cycle { ON_DEADLOCK_CYCLE_IGNORE };

typedef void set_mode_function(enum on_deadlock_cycle mode);

bool rpc_library_locks_hurry(void)
{
    void *found = dlsym(RTLD_DEFAULT, SET_MODE);
    set_mode_function *set_mode;

    if (found == NULL)
        return false;
    /* POSIX lets a function be had so, C does not let the pointer be cast. */
    memcpy(&set_mode, &found, sizeof set_mode);
    set_mode(ON_DEADLOCK_CYCLE_IGNORE);
    return true;
}
