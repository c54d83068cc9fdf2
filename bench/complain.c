/*
 * The few helpers that all programs of the bench share.
 */
#include "complain.h"

#include <errno.h>

#define FILE_MAX 65536

_Noreturn void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s%s\n", program_invocation_short_name, what, detail);
    exit(2);
}

int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, FILE_MAX);

    if (file == NULL || text == NULL || fread(text, 1, FILE_MAX - 1, file) == 0)
        give_up("could not read ", path);
    fclose(file);
    return text;
}
