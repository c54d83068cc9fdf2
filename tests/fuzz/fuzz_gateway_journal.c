/*
 * What the sandbox gateway reads back at its start: a journal that a crash has cut, or that
 * somebody has edited.  It is taken whole or refused with a word, and what is appended is read.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "gateway/sandbox/journal.h"

static bool count_line(void *arg, const struct journal_line *line, int64_t offset)
{
    size_t *count = arg;

    if (line->call.operation == NULL || line->call.key == NULL || offset < 0)
        bug("a line without its texts");
    (*count)++;
    return true;
}

static void append_and_read(struct journal *journal)
{
    struct arena *arena = fuzz_arena();
    struct journal_line read;
    const struct journal_line line = {
        .call = {.number = 1,
                 .operation = "CHARGE",
                 .key = "key",
                 .reference = "ref",
                 .token = "tok_visa",
                 .currency = "USD",
                 .amount_minor = 999,
                 .outcome = "SUCCEEDED",
                 .transaction = "ch_1",
                 .decline_code = "",
                 .traceparent = ""},
        .acted_on = "",
        .error = "",
    };
    int64_t offset;

    if (!journal_append(journal, arena, &line, &offset) ||
        !journal_read(journal, arena, offset, &read) || read.call.amount_minor != 999)
        bug("what was appended is not read");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    char problem[256] = "";
    char path[64];
    struct journal journal;
    size_t lines = 0;
    int file = memfd_create("journal", MFD_CLOEXEC);

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        bug("no file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (journal_open(&journal, path, count_line, &lines, problem)) {
        append_and_read(&journal);
        journal_close(&journal);
    } else if (problem[0] == '\0') {
        bug("refused without a word");
    }
    close(file);
    return 0;
}
