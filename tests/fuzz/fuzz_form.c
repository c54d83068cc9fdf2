/*
 * Forms as anybody may send them to the simulator: a tree or a word why not, and what was read is
 * read the same when it is written as a form again.
 */
#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "simulator/form.h"

static const char *quote(struct arena *arena, const char *text)
{
    const char *quoted = "";

    for (; *text != '\0'; text++)
        quoted = arena_printf(arena, "%s%%%02X", quoted, (unsigned)(unsigned char)*text);
    return quoted;
}

static const char *render(struct arena *arena, const json_t *value, const char *name, int depth)
{
    const char *form = "";
    const char *key;
    json_t *member;

    if (depth > FORM_DEPTH_MAX)
        bug("deeper than it may be");
    if (json_is_string(value))
        return arena_printf(arena, "%s=%s&", name, quote(arena, json_string_value(value)));
    for (size_t i = 0; i < json_array_size(value); i++)
        form = arena_printf(arena, "%s%s", form,
                            render(arena, json_array_get(value, i),
                                   arena_printf(arena, "%s[%zu]", name, i), depth + 1));
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const char *below =
            depth == 0 ? quote(arena, key) : arena_printf(arena, "%s[%s]", name, quote(arena, key));
        form = arena_printf(arena, "%s%s", form, render(arena, member, below, depth + 1));
    }
    return form;
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct arena *arena = fuzz_arena();
    char problem[FORM_PROBLEM_SIZE] = "";

    if (size > 512)
        return 0;
    json_t *form = form_parse(arena, (const char *)data, size, problem);
    if (form == NULL && problem[0] == '\0')
        bug("refused without a word");
    if (form == NULL)
        return 0;
    const char *again_text = render(arena, form, "", 0);
    json_t *again = form_parse(arena, again_text, strlen(again_text), problem);
    if (again == NULL || !json_equal(form, again))
        bug("read otherwise when written again: %s (%s)", again_text, problem);
    json_decref(again);
    json_decref(form);
    return 0;
}
