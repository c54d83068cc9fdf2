/*
 * The end of a process that found a mistake of ours.  Nothing is allocated and no lock is taken:
 * whatever called this can no longer be trusted.
 */

#include "base/bug.h"

#include <stdarg.h>
#include <unistd.h>

void bug(const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    if ((size_t)length > sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length] = '\n';
    /* Nothing can be done when standard error is gone. */
    (void)!write(STDERR_FILENO, line, (size_t)length + 1);
    abort();
}
