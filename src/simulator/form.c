/*
 * The form parser: pairs are cut at '&', names at their brackets, and each pair is put into the
 * tree.  Nothing of the form decides how much is allocated beyond its own size.
 */

#include "simulator/form.h"

#include <stdio.h>

#include "base/text.h"

/* "a[b][]" is {"a", "b", ""}. */
struct name {
    const char *segments[FORM_DEPTH_MAX];
    size_t count;
};

/* NULL when it is not what a browser would have written. */
static char *decode(struct arena *arena, const char *bytes, size_t size)
{
    char *text = arena_alloc(arena, size + 1);
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (size - i < 3 || hex_value(bytes[i + 1]) < 0 || hex_value(bytes[i + 2]) < 0)
                return NULL;
            c = (char)(hex_value(bytes[i + 1]) * 16 + hex_value(bytes[i + 2]));
            i += 2;
        }
        if (c == '\0')
            return NULL;
        text[length++] = c;
    }
    return text_is_utf8(text, length) ? text : NULL;
}

/* Cuts the decoded name in place. */
static bool name_split(char *text, struct name *name)
{
    char *open = strchr(text, '[');

    name->segments[0] = text;
    name->count = 1;
    if (open == text || text[0] == '\0')
        return false;
    while (open != NULL && *open == '[') {
        char *close = strchr(open, ']');
        if (close == NULL || name->count == FORM_DEPTH_MAX)
            return false;
        *open = '\0';
        *close = '\0';
        name->segments[name->count++] = open + 1;
        if (close[1] != '\0' && close[1] != '[')
            return false;
        open = close + 1;
    }
    return true;
}

static bool is_index(const char *segment)
{
    return strspn(segment, "0123456789") == strlen(segment) && strlen(segment) < 5;
}

/* The container or value at one segment; NULL when there is none yet. */
static json_t *find(const json_t *container, const char *segment)
{
    if (json_is_object(container))
        return json_object_get(container, segment);
    if (segment[0] == '\0')
        return NULL;
    return json_array_get(container, (size_t)strtoul(segment, NULL, 10));
}

/* Steals the value.  False when the container is of the other kind, or an index leaves a hole. */
static bool put(json_t *container, const char *segment, json_t *value)
{
    if (json_is_object(container))
        return json_object_set_new(container, segment, value) == 0;
    if (json_is_array(container) && is_index(segment)) {
        size_t index =
            segment[0] == '\0' ? json_array_size(container) : (size_t)strtoul(segment, NULL, 10);
        if (index < json_array_size(container))
            return json_array_set_new(container, index, value) == 0;
        if (index == json_array_size(container))
            return json_array_append_new(container, value) == 0;
    }
    json_decref(value);
    return false;
}

static bool insert(json_t *form, const struct name *name, const char *value)
{
    json_t *container = form;

    for (size_t i = 0; i + 1 < name->count; i++) {
        json_t *below = find(container, name->segments[i]);
        if (below == NULL) {
            below = is_index(name->segments[i + 1]) ? json_array() : json_object();
            if (!put(container, name->segments[i], below))
                return false;
        }
        if (!json_is_object(below) && !json_is_array(below))
            return false;
        container = below;
    }
    const char *last = name->segments[name->count - 1];
    const json_t *there = find(container, last);
    if (json_is_object(there) || json_is_array(there))
        return false;
    return put(container, last, json_string(value));
}

static bool take_pair(struct arena *arena, json_t *form, const char *pair, size_t size,
                      char problem[FORM_PROBLEM_SIZE])
{
    const char *equals = memchr(pair, '=', size);
    size_t name_size = equals == NULL ? size : (size_t)(equals - pair);
    char *name_text = decode(arena, pair, name_size);
    const char *value = equals == NULL ? "" : decode(arena, equals + 1, size - name_size - 1);
    struct name name;

    if (name_text == NULL || value == NULL) {
        snprintf(problem, FORM_PROBLEM_SIZE, "Invalid encoding in the parameters");
        return false;
    }
    const char *whole = arena_strdup(arena, name_text);
    if (name_split(name_text, &name) && insert(form, &name, value))
        return true;
    snprintf(problem, FORM_PROBLEM_SIZE, "Invalid parameter name: %.128s", whole);
    return false;
}

json_t *form_parse(struct arena *arena, const char *bytes, size_t size,
                   char problem[FORM_PROBLEM_SIZE])
{
    json_t *form = json_object();
    size_t pairs = 0;

    for (size_t begin = 0; begin < size;) {
        const char *end = memchr(bytes + begin, '&', size - begin);
        size_t length = end == NULL ? size - begin : (size_t)(end - (bytes + begin));
        if (length > 0 && ++pairs > FORM_PAIRS_MAX) {
            snprintf(problem, FORM_PROBLEM_SIZE, "Too many parameters");
            json_decref(form);
            return NULL;
        }
        if (length > 0 && !take_pair(arena, form, bytes + begin, length, problem)) {
            json_decref(form);
            return NULL;
        }
        begin += length + 1;
    }
    return form;
}
