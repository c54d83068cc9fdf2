/*
 * What all obligations of a membership have in common: is it still owed, then do it, and decide
 * again when somebody changed the membership meanwhile.
 */
#pragma once

#include "membership/membership_store.h"

typedef const struct error *due_step(struct call *call, const struct obligation *obligation,
                                     const struct membership_due *due, enum step_outcome *outcome);

const struct error *run_due(struct call *call, const struct obligation *obligation, due_step *step)
    MUST_CHECK;

/* The membership ends: a due_step. */
due_step end_due;
