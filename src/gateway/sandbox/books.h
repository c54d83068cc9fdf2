/*
 * The sandbox's books: what its journal says about money, as a gateway's list tells it.
 */
#pragma once

#include "gateway/sandbox/memory.h"

/*
 * The line in the books that this line of the journal made.  False: it moved no money.  Under the
 * sandbox's mutex; texts are in the arena.
 */
bool books_line(struct memory *memory, struct arena *arena, const struct journal_line *line,
                struct gateway_transaction *entry);
