/*
 * One pass over the page.  A value like 1.5e-05 does not occur: our writer has six decimals and no
 * exponent.
 */
#include "cli/metrics_page.h"

#include <string.h>

#include "base/text.h"

#define DECIMALS 6

bool metrics_millionths(const char *text, size_t length, int64_t *millionths)
{
    bool negative = length > 0 && text[0] == '-';
    int decimals = -1; /* none seen yet */
    int64_t value = 0;

    for (size_t i = negative ? 1 : 0; i < length; i++) {
        if (text[i] == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || value > INT64_MAX / 100)
            return false;
        if (decimals == DECIMALS)
            continue;
        value = value * 10 + (text[i] - '0');
        decimals += decimals >= 0;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++) {
        if (value > INT64_MAX / 10)
            return false;
        value *= 10;
    }
    *millionths = negative ? -value : value;
    return length > (negative ? 1U : 0U);
}

/* `line` is one line without its end. */
static bool read_sample(struct arena *arena, const char *line, size_t length,
                        struct metrics_sample *sample)
{
    size_t name_length = 0;

    while (name_length < length && line[name_length] != '{' && line[name_length] != ' ')
        name_length++;
    const char *rest = line + name_length;
    const char *end = line + length;
    const char *labels = "";
    if (rest < end && *rest == '{') {
        const char *close = memrchr(rest, '}', (size_t)(end - rest));
        if (close == NULL)
            return false;
        labels = arena_strndup(arena, rest + 1, (size_t)(close - rest - 1));
        rest = close + 1;
    }
    if (name_length == 0 || rest >= end || *rest != ' ')
        return false;
    sample->name = arena_strndup(arena, line, name_length);
    sample->labels = labels;
    return metrics_millionths(rest + 1, (size_t)(end - rest - 1), &sample->millionths);
}

void metrics_read(struct arena *arena, const char *text, struct metrics_page *page)
{
    page->samples = arena_array(arena, METRICS_SAMPLES_MAX, sizeof(*page->samples));
    page->count = 0;
    while (*text != '\0' && page->count < METRICS_SAMPLES_MAX) {
        size_t length = strcspn(text, "\n");
        if (*text != '#' && read_sample(arena, text, length, &page->samples[page->count]))
            page->count++;
        text += length + (text[length] == '\n');
    }
}

const char *metrics_label(struct arena *arena, const struct metrics_sample *sample,
                          const char *name)
{
    size_t length = strlen(name);

    for (const char *at = sample->labels; *at != '\0';) {
        const char *value = strchr(at, '"');
        if (value == NULL)
            return "";
        const char *end = strchr(value + 1, '"');
        if (end == NULL)
            return "";
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return arena_strndup(arena, value + 1, (size_t)(end - value - 1));
        at = end + 1 + (end[1] == ',');
    }
    return "";
}

const struct metrics_sample *metrics_find(const struct metrics_page *page, const char *name,
                                          const char *labels)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct metrics_sample *sample = &page->samples[i];
        if (text_equal(sample->name, name) && strstr(sample->labels, labels) != NULL)
            return sample;
    }
    return NULL;
}

int64_t metrics_value(const struct metrics_page *page, const char *name, const char *labels)
{
    const struct metrics_sample *sample = metrics_find(page, name, labels);

    return sample == NULL ? 0 : sample->millionths / METRICS_MILLION;
}
