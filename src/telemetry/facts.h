/*
 * What only the database knows, asked for by one fiber every few seconds and kept: obligations that
 * are overdue, attempts whose outcome is unknown, a ledger that does not balance.
 */
#pragma once

#include "telemetry/telemetry.h"

struct facts;

struct facts *facts_open(const struct telemetry_options *options);

/* Asks all of it once, before facts_start; blocks the plain thread.  False: it failed. */
bool facts_look(struct facts *facts) MUST_CHECK;

/* Starts the fiber that looks again and again. */
void facts_start(struct facts *facts);

/* The fiber ends as soon as what it asks is answered. */
void facts_stop(struct facts *facts);

/* Waits for the fiber. */
void facts_close(struct facts *facts);

void facts_measure(struct facts *facts, struct measures *out);
