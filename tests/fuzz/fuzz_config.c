/*
 * Configuration files: what is taken prints as a file that is taken and prints the same; what is
 * refused is refused with the name of the file.
 */
#include <stdlib.h>

#include "base/text.h"
#include "config.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"

static const char *print(struct arena *arena, const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (file == NULL)
        bug("no memory for a stream");
    config_print(config, file);
    fclose(file);
    const char *copy = arena_strndup(arena, text, size);
    free(text);
    return copy;
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct arena *arena = fuzz_arena();
    char problem[CONFIG_PROBLEM_SIZE] = "";
    struct config *config =
        config_parse("f.conf", arena_strndup(arena, (const char *)data, size), problem);

    if (config == NULL) {
        if (!text_starts_with(problem, "f.conf:"))
            bug("refused with '%s'", problem);
        return 0;
    }
    const char *printed = print(arena, config);
    config_free(config);
    config = config_parse("again.conf", printed, problem);
    if (config == NULL)
        bug("what was printed is refused: %s", problem);
    if (!text_equal(print(arena, config), printed))
        bug("what was printed prints differently");
    config_free(config);
    return 0;
}
