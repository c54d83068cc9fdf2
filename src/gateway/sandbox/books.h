/*
 * The sandbox's books: what its journal says about money, as a gateway's list tells it.
 */
#pragma once

#include "gateway/sandbox/memory.h"

/* What the line moved; 0: nothing. */
int64_t books_moved(const struct journal_line *line);

/*
 * The line in the books that this line of the journal, which moved money, made.  Under the
 * sandbox's mutex; texts are in the arena.
 */
void books_line(struct memory *memory, struct arena *arena, const struct journal_line *line,
                struct gateway_transaction *entry);
