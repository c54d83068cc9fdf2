/*
 * The change of stacks below fiber.c, and what the sanitizers and valgrind are told about it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

/* One side of a switch: registers, and the sanitizers' memory of it. */
struct fiber_side {
    ucontext_t context;
    const void *stack; /* lowest address; known for the other side only under AddressSanitizer */
    size_t stack_size;
    void *fake_stack; /* AddressSanitizer's, while this side is left */
    void *tsan_fiber; /* ThreadSanitizer's */
    unsigned valgrind_id;
};

/* Tells valgrind of the stack; once in its life. */
void fiber_side_open(struct fiber_side *side, void *stack, size_t stack_size);
void fiber_side_close(struct fiber_side *side);

/* Makes the next switch to `side` begin `entry` on an empty stack. */
void fiber_side_begin(struct fiber_side *side, void (*entry)(void));

/* After the last switch away from it. */
void fiber_side_end(struct fiber_side *side);

/* A thread's side needs its ThreadSanitizer name before it is left. */
void fiber_side_adopt_thread(struct fiber_side *side);

/*
 * Leaves `from` and continues `to`; returns when somebody switches back.  `from_ends` says that
 * nobody will.
 */
void fiber_switch(struct fiber_side *from, struct fiber_side *to, bool from_ends);

/* First thing on a new stack: `from` is the side that was left for it. */
void fiber_switch_arrived(struct fiber_side *from);
