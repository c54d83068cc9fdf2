/*
 * The sandbox's journal: one JSON object a line, one write(2) a line, appended only.
 */
#pragma once

#include "gateway/sandbox/sandbox.h"

/* What a line holds beyond what ListGatewayCalls shows: all that is needed to go on after a
 * restart. */
struct journal_line {
    struct sandbox_call call; /* `token` is the stored one, `<name>.<id>` when it counts */
    const char *acted_on;     /* capture, void, refund: the transaction */
    bool off_session;
    bool final;
    const char *error; /* "" unless the request was wrong */
};

struct journal {
    int descriptor;
    int64_t size;   /* where the next line begins */
    bool is_ragged; /* the last line was cut: begin with a line feed */
};

/*
 * Opens or creates the file and gives each whole line to `each`.  False and one line in `problem`
 * when it cannot be opened, is locked by another process, or holds something else.
 */
bool journal_open(struct journal *journal, const char *path,
                  bool (*each)(void *arg, const struct journal_line *line, int64_t offset),
                  void *arg, char problem[256]);
void journal_close(struct journal *journal);

/* False when the line is not in the file: then it did not happen.  `*offset` is where it begins. */
bool journal_append(struct journal *journal, struct arena *arena, const struct journal_line *line,
                    int64_t *offset);

/* Reads the line at `offset` into the arena. */
bool journal_read(const struct journal *journal, struct arena *arena, int64_t offset,
                  struct journal_line *line);
