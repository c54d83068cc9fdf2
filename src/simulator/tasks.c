/*
 * Tasks by their time.  Only when the earliest is due are all looked at.
 */

#include "simulator/tasks.h"

#include "base/text.h"

void tasks_init(struct tasks *tasks)
{
    tasks->pending = json_object();
    tasks->next_us = INT64_MAX;
}

void tasks_release(struct tasks *tasks)
{
    json_decref(tasks->pending);
    tasks->pending = NULL;
}

void tasks_learn(struct tasks *tasks, const json_t *object)
{
    const char *kind = json_string_value(json_object_get(object, "object"));
    const char *id = json_string_value(json_object_get(object, "id"));
    int64_t due_us = json_integer_value(json_object_get(object, "due_us"));

    if (!text_equal(kind, "task"))
        return;
    if (json_is_true(json_object_get(object, "done"))) {
        json_object_del(tasks->pending, id);
        return;
    }
    json_object_set_new(tasks->pending, id, json_integer(due_us));
    if (due_us < tasks->next_us)
        tasks->next_us = due_us;
}

const char *tasks_due(struct tasks *tasks, struct arena *arena, int64_t now_us)
{
    const char *id;
    json_t *due;
    const char *first = NULL;
    int64_t first_us = INT64_MAX;

    if (now_us < tasks->next_us)
        return NULL;
    json_object_foreach(tasks->pending, id, due)
    {
        if (json_integer_value(due) < first_us) {
            first_us = json_integer_value(due);
            first = id;
        }
    }
    tasks->next_us = first_us;
    return first_us <= now_us ? arena_strdup(arena, first) : NULL;
}
