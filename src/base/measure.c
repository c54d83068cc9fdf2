/*
 * The writer of the exposition format of Prometheus 0.0.4.
 *
 * The format wants one HELP and TYPE a family and its samples next to each other.  Each family
 * therefore grows a text of its own, and the page is made of them in the order in which they came
 * up: rooms may share a name, and none can break the page of another.
 */

#include "base/measure.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/bug.h"
#include "base/text.h"
#include "base/time.h"
#include "base/utf8.h"

/* Far beyond a page that anybody scrapes: labels are closed sets. */
#define PAGE_SIZE_MAX     ((size_t)64 * 1024 * 1024)
#define FAMILY_SIZE_FIRST 256

struct family {
    const struct measure *what;
    char *text; /* `size` bytes of `capacity`, not ended by a NUL */
    size_t size;
    size_t capacity;
    struct family *next;
};

struct measures {
    struct arena *arena;
    struct family *first;
    struct family **end;
    struct family *recent; /* most samples follow one of their own family */
};

struct measures *measures_new(void)
{
    struct arena *arena = arena_new(PAGE_SIZE_MAX);
    struct measures *measures = arena_alloc(arena, sizeof(*measures));

    measures->arena = arena;
    measures->end = &measures->first;
    return measures;
}

void measures_free(struct measures *measures)
{
    if (measures != NULL)
        arena_free(measures->arena);
}

static void append(struct measures *out, struct family *family, const char *bytes, size_t size)
{
    if (size > family->capacity - family->size) {
        size_t capacity = family->capacity == 0 ? FAMILY_SIZE_FIRST : family->capacity * 2;
        while (size > capacity - family->size)
            capacity *= 2;
        char *text = arena_alloc(out->arena, capacity);
        if (family->size > 0)
            memcpy(text, family->text, family->size);
        family->text = text;
        family->capacity = capacity;
    }
    memcpy(family->text + family->size, bytes, size);
    family->size += size;
}

static void append_text(struct measures *out, struct family *family, const char *text)
{
    append(out, family, text, strlen(text));
}

/* As the format escapes: a label's value `quoted`, a HELP line not.  What is no UTF-8 becomes
 * U+FFFD: one bad byte would spoil the whole page. */
static void append_escaped(struct measures *out, struct family *family, const char *text,
                           bool quoted)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t size = utf8_decode(text, left, NULL);
        if (size == 0) {
            append_text(out, family, "\xef\xbf\xbd");
            size = 1;
        } else if (*text == '\\') {
            append_text(out, family, "\\\\");
        } else if (*text == '\n') {
            append_text(out, family, "\\n");
        } else if (*text == '"' && quoted) {
            append_text(out, family, "\\\"");
        } else {
            append(out, family, text, size);
        }
        text += size;
        left -= size;
    }
}

static const char *kind_name(enum measure_kind kind)
{
    switch (kind) {
    case MEASURE_COUNTER:
        return "counter";
    case MEASURE_GAUGE:
        return "gauge";
    case MEASURE_HISTOGRAM:
        return "histogram";
    }
    bug("measure: no kind %d", (int)kind);
}

static struct family *family_new(struct measures *out, const struct measure *what)
{
    struct family *family = arena_alloc(out->arena, sizeof(*family));

    family->what = what;
    *out->end = family;
    out->end = &family->next;
    append_text(out, family, "# HELP ");
    append_text(out, family, what->name);
    append_text(out, family, " ");
    append_escaped(out, family, what->help, false);
    append_text(out, family, "\n# TYPE ");
    append_text(out, family, what->name);
    append_text(out, family, " ");
    append_text(out, family, kind_name(what->kind));
    append_text(out, family, "\n");
    return family;
}

static struct family *family_of(struct measures *out, const struct measure *what)
{
    struct family *family = out->recent;

    if (family == NULL || (family->what != what && !text_equal(family->what->name, what->name))) {
        family = out->first;
        while (family != NULL && !text_equal(family->what->name, what->name))
            family = family->next;
    }
    if (family == NULL)
        family = family_new(out, what);
    if (family->what->kind != what->kind || family->what->unit != what->unit)
        bug("measure: \"%s\" is two things", what->name);
    out->recent = family;
    return family;
}

/* `name` and `suffix` with the labels, and `le` behind them when it is not NULL. */
static void append_name(struct measures *out, struct family *family, const char *suffix,
                        struct measure_labels labels, const char *le)
{
    const char *separator = "{";

    append_text(out, family, family->what->name);
    append_text(out, family, suffix);
    for (size_t i = 0; i < labels.count; i++) {
        append_text(out, family, separator);
        append_text(out, family, labels.list[i].name);
        append_text(out, family, "=\"");
        append_escaped(out, family, labels.list[i].value, true);
        append_text(out, family, "\"");
        separator = ",";
    }
    if (le != NULL) {
        append_text(out, family, separator);
        append_text(out, family, "le=\"");
        append_text(out, family, le);
        append_text(out, family, "\"");
    }
    append_text(out, family, labels.count > 0 || le != NULL ? "} " : " ");
}

#define NUMBER_TEXT_SIZE 32

static void format_seconds(int64_t duration_us, char text[NUMBER_TEXT_SIZE])
{
    uint64_t magnitude = duration_us < 0 ? 0 - (uint64_t)duration_us : (uint64_t)duration_us;

    snprintf(text, NUMBER_TEXT_SIZE, "%s%" PRIu64 ".%06" PRIu64, duration_us < 0 ? "-" : "",
             magnitude / (uint64_t)US_PER_SECOND, magnitude % (uint64_t)US_PER_SECOND);
}

/* A bound is part of a series' name, so it is written as everybody writes it: "0.0025", "1". */
static void format_bound(int64_t bound_us, char text[NUMBER_TEXT_SIZE])
{
    format_seconds(bound_us, text);
    size_t length = strlen(text);
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    text[length] = '\0';
}

static void append_count(struct measures *out, struct family *family, uint64_t count)
{
    char text[NUMBER_TEXT_SIZE];

    snprintf(text, sizeof(text), "%" PRIu64 "\n", count);
    append_text(out, family, text);
}

void measure_number(struct measures *out, const struct measure *what, struct measure_labels labels,
                    int64_t value)
{
    struct family *family = family_of(out, what);
    char text[NUMBER_TEXT_SIZE];

    if (what->unit == MEASURE_SECONDS)
        format_seconds(value, text);
    else
        snprintf(text, sizeof(text), "%" PRId64, value);
    append_name(out, family, "", labels, NULL);
    append_text(out, family, text);
    append_text(out, family, "\n");
}

/* The counts are read one after another while others add; `_count` is what was read, so that the
 * page agrees with itself. */
void measure_histogram(struct measures *out, const struct measure *what,
                       struct measure_labels labels, const struct histogram *histogram)
{
    struct family *family = family_of(out, what);
    char text[NUMBER_TEXT_SIZE];
    uint64_t count = 0;

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        if (i < HISTOGRAM_BOUNDS)
            format_bound(histogram_bounds_us[i], text);
        append_name(out, family, "_bucket", labels, i < HISTOGRAM_BOUNDS ? text : "+Inf");
        append_count(out, family, count);
    }
    format_seconds((int64_t)atomic_load_explicit(&histogram->sum_us, memory_order_relaxed), text);
    append_name(out, family, "_sum", labels, NULL);
    append_text(out, family, text);
    append_text(out, family, "\n");
    append_name(out, family, "_count", labels, NULL);
    append_count(out, family, count);
}

const char *measures_text(const struct measures *measures, size_t *size)
{
    size_t total = 0;

    for (const struct family *each = measures->first; each != NULL; each = each->next)
        total += each->size;
    char *page = arena_alloc(measures->arena, total + 1);
    char *end = page;
    for (const struct family *each = measures->first; each != NULL; each = each->next) {
        memcpy(end, each->text, each->size);
        end += each->size;
    }
    *size = total;
    return page;
}
