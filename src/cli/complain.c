/*
 * How a command says what is wrong: one line, with the program's name.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdarg.h>

#include "dues/client.h"

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

int complain_answer(const struct dues_answer *answer)
{
    fprintf(stderr, "%s", dues_status_name(answer->status));
    if (answer->reason[0] != '\0')
        fprintf(stderr, " %s", answer->reason);
    fprintf(stderr, ": %s\n", answer->message);
    for (size_t i = 0; i < answer->field_count; i++)
        fprintf(stderr, "  %s: %s\n", answer->fields[i].field, answer->fields[i].description);
    for (size_t i = 0; i < answer->metadata_count; i++)
        fprintf(stderr, "  %s = %s\n", answer->metadata[i].key, answer->metadata[i].value);
    if (answer->retry_after_ms > 0)
        fprintf(stderr, "  try again in %" PRId64 " ms\n", answer->retry_after_ms);
    if (answer->request_trace[0] != '\0')
        fprintf(stderr, "  the server's log knows the call as %s\n", answer->request_trace);
    return EXIT_RPC + answer->status;
}
