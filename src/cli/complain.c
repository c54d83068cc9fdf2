/*
 * How a command says what is wrong: one line, with the program's name.
 */
#include "cli/cli.h"

#include <stdarg.h>

PRINTF_LIKE(1, 0)
static void say(const char *format, va_list arguments)
{
    char line[1024];
    vsnprintf(line, sizeof(line), format, arguments);
    fprintf(stderr, "dues: %s\n", line);
}

int complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return EXIT_FAILURE;
}

int complain_option(const char *command)
{
    fprintf(stderr, "dues: `dues %s --help` shows how\n", command);
    return EXIT_USAGE;
}

int complain_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    fprintf(stderr, "dues: `dues --help` shows how\n");
    return EXIT_USAGE;
}
