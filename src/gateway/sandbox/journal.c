/*
 * The journal file.  A line is in it or it is not: a write that was cut short leaves a ragged end,
 * which reading skips and the next append closes with a line feed.  A whole line that is not ours
 * stops the start.
 */

#include "gateway/sandbox/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define LINE_SIZE_MAX    8192
#define READ_ARENA_SIZE  (64 * 1024)
#define READ_BUFFER_SIZE (64 * 1024)

static void json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static const char *text_of(struct arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return arena_strdup(arena, text == NULL ? "" : text);
}

static int64_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static bool line_parse(struct arena *arena, const char *text, size_t size,
                       struct journal_line *line)
{
    AUTO(json_release) json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object))
        return false;
    *line = (struct journal_line){
        .call =
            {
                .number = number_of(object, "number"),
                .operation = text_of(arena, object, "operation"),
                .key = text_of(arena, object, "key"),
                .reference = text_of(arena, object, "reference"),
                .token = text_of(arena, object, "token"),
                .currency = text_of(arena, object, "currency"),
                .amount_minor = number_of(object, "amount"),
                .outcome = text_of(arena, object, "outcome"),
                .transaction = text_of(arena, object, "transaction"),
                .decline_code = text_of(arena, object, "decline_code"),
                .traceparent = text_of(arena, object, "traceparent"),
                .answer_lost = json_is_true(json_object_get(object, "answer_lost")),
            },
        .acted_on = text_of(arena, object, "charge"),
        .off_session = json_is_true(json_object_get(object, "off_session")),
        .final = json_is_true(json_object_get(object, "final")),
        .error = text_of(arena, object, "error"),
    };
    return line->call.number > 0 && line->call.operation[0] != '\0' &&
           time_parse(text_of(arena, object, "time"), &line->call.time_us);
}

static char *line_format(struct arena *arena, const struct journal_line *line)
{
    const struct sandbox_call *call = &line->call;
    char time[TIME_TEXT_SIZE];

    time_format(call->time_us, time);
    return arena_printf(
        arena,
        "{\"number\":%" PRId64 ",\"time\":\"%s\",\"operation\":%s,\"key\":%s,\"reference\":%s,"
        "\"token\":%s,\"amount\":%" PRId64 ",\"currency\":%s,\"charge\":%s,\"off_session\":%s,"
        "\"final\":%s,\"outcome\":%s,\"transaction\":%s,\"decline_code\":%s,\"answer_lost\":%s,"
        "\"error\":%s,"
        "\"traceparent\":%s}\n",
        call->number, time, json_quote(arena, call->operation), json_quote(arena, call->key),
        json_quote(arena, call->reference), json_quote(arena, call->token), call->amount_minor,
        json_quote(arena, call->currency), json_quote(arena, line->acted_on),
        line->off_session ? "true" : "false", line->final ? "true" : "false",
        json_quote(arena, call->outcome), json_quote(arena, call->transaction),
        json_quote(arena, call->decline_code), call->answer_lost ? "true" : "false",
        json_quote(arena, line->error), json_quote(arena, call->traceparent));
}

struct reader {
    struct journal *journal;
    struct arena *arena;
    bool (*each)(void *arg, const struct journal_line *line, int64_t offset);
    void *arg;
    const char *path;
    char *problem;
};

/*
 * One line without its line feed.  A cut line is never whole JSON; what came after it began with a
 * line feed.
 */
static bool reader_take(struct reader *reader, const char *text, size_t size, int64_t offset)
{
    struct journal_line line;

    if (size == 0)
        return true;
    arena_reset(reader->arena);
    if (!line_parse(reader->arena, text, size, &line)) {
        if (text[0] == '{' && text[size - 1] != '}')
            return true;
        snprintf(reader->problem, 256, "\"%s\" is not a journal of the sandbox, at byte %" PRId64,
                 reader->path, offset);
        return false;
    }
    if (!reader->each(reader->arg, &line, offset)) {
        snprintf(reader->problem, 256, "the journal \"%s\" is too large, at byte %" PRId64,
                 reader->path, offset);
        return false;
    }
    return true;
}

static bool reader_run(struct reader *reader, char *buffer)
{
    size_t held = 0;    /* bytes in the buffer: the beginning of a line */
    int64_t offset = 0; /* of buffer[0] */

    for (;;) {
        ssize_t got = pread(reader->journal->descriptor, buffer + held, READ_BUFFER_SIZE - held,
                            offset + (int64_t)held);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(reader->problem, 256, "could not read the journal \"%s\": %s", reader->path,
                     strerror(errno));
            return false;
        }
        if (got == 0)
            break;
        held += (size_t)got;
        size_t begin = 0;
        for (const char *end; (end = memchr(buffer + begin, '\n', held - begin)) != NULL;) {
            size_t size = (size_t)(end - buffer) - begin;
            if (!reader_take(reader, buffer + begin, size, offset + (int64_t)begin))
                return false;
            begin += size + 1;
        }
        if (begin == 0 && held == READ_BUFFER_SIZE) {
            snprintf(reader->problem, 256,
                     "\"%s\" is not a journal of the sandbox: a line is too long", reader->path);
            return false;
        }
        memmove(buffer, buffer + begin, held - begin);
        held -= begin;
        offset += (int64_t)begin;
    }
    reader->journal->is_ragged = held > 0;
    reader->journal->size = offset + (int64_t)held;
    return true;
}

bool journal_open(struct journal *journal, const char *path,
                  bool (*each)(void *arg, const struct journal_line *line, int64_t offset),
                  void *arg, char problem[256])
{
    *journal = (struct journal){
        .descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (journal->descriptor < 0) {
        snprintf(problem, 256, "could not open the journal \"%s\": %s", path, strerror(errno));
        return false;
    }
    if (flock(journal->descriptor, LOCK_EX | LOCK_NB) != 0) {
        snprintf(problem, 256, "the journal \"%s\" is in use by another process", path);
        journal_close(journal);
        return false;
    }
    struct arena *arena = arena_new(READ_ARENA_SIZE + READ_BUFFER_SIZE);
    struct arena *lines = arena_new(READ_ARENA_SIZE);
    struct reader reader = {journal, lines, each, arg, path, problem};
    bool is_read = reader_run(&reader, arena_alloc(arena, READ_BUFFER_SIZE));
    arena_free(lines);
    arena_free(arena);
    if (!is_read)
        journal_close(journal);
    return is_read;
}

void journal_close(struct journal *journal)
{
    if (journal->descriptor >= 0)
        close(journal->descriptor);
    journal->descriptor = -1;
}

bool journal_append(struct journal *journal, struct arena *arena, const struct journal_line *line,
                    int64_t *offset)
{
    const char *text = line_format(arena, line);

    if (journal->is_ragged)
        text = arena_printf(arena, "\n%s", text);
    size_t size = strlen(text);
    if (size > LINE_SIZE_MAX)
        return false;
    ssize_t written;
    do {
        written = write(journal->descriptor, text, size);
    } while (written < 0 && errno == EINTR);
    if (written < 0)
        return false;
    int64_t begin = journal->size + (journal->is_ragged ? 1 : 0);
    journal->size += written;
    if ((size_t)written != size) {
        journal->is_ragged = true;
        return false;
    }
    journal->is_ragged = false;
    *offset = begin;
    return true;
}

bool journal_read(const struct journal *journal, struct arena *arena, int64_t offset,
                  struct journal_line *line)
{
    char text[LINE_SIZE_MAX];
    ssize_t got;

    do {
        got = pread(journal->descriptor, text, sizeof text, offset);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    const char *end = memchr(text, '\n', (size_t)got);
    return end != NULL && line_parse(arena, text, (size_t)(end - text), line);
}
