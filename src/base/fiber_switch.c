/*
 * The change of stacks below fiber.c: swapcontext(3), announced to whoever watches stacks.
 *
 * swapcontext saves the signal mask with a system call each way.  Measured: 0.4 µs for there and
 * back, against 37 µs that a call costs in all; so there is no assembly here to be wrong.
 */

#include "base/fiber_switch.h"

#include "base/bug.h"
#include "base/sanitizer.h"

#if DUES_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if DUES_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

static void announce_departure(struct fiber_side *from, struct fiber_side *to, bool from_ends)
{
#if DUES_ASAN
    /* No place for the fake stack of one that ends: AddressSanitizer then frees it. */
    __sanitizer_start_switch_fiber(from_ends ? NULL : &from->fake_stack, to->stack, to->stack_size);
#endif
    (void)from;
    (void)to;
    (void)from_ends;
}

/* `self` runs again; `other` was left for it. */
static void announce_arrival(struct fiber_side *self, struct fiber_side *other)
{
#if DUES_ASAN
    __sanitizer_finish_switch_fiber(self == NULL ? NULL : self->fake_stack, &other->stack,
                                    &other->stack_size);
#endif
    (void)self;
    (void)other;
}

void fiber_side_open(struct fiber_side *side, void *stack, size_t stack_size)
{
    if (getcontext(&side->context) != 0)
        bug("fiber: getcontext failed");
    side->stack = stack;
    side->stack_size = stack_size;
    side->context.uc_stack.ss_sp = stack;
    side->context.uc_stack.ss_size = stack_size;
#ifdef VALGRIND_STACK_REGISTER
    side->valgrind_id = VALGRIND_STACK_REGISTER(stack, (char *)stack + stack_size);
#endif
}

void fiber_side_close(struct fiber_side *side)
{
#ifdef VALGRIND_STACK_DEREGISTER
    VALGRIND_STACK_DEREGISTER(side->valgrind_id);
#endif
    (void)side;
}

void fiber_side_begin(struct fiber_side *side, void (*entry)(void))
{
    side->context.uc_link = NULL;
    makecontext(&side->context, entry, 0);
    side->fake_stack = NULL;
#if DUES_ASAN
    /* The last frames of the stack's former fiber never returned: their redzones still stand. */
    __asan_unpoison_memory_region(side->stack, side->stack_size);
#endif
#if DUES_TSAN
    side->tsan_fiber = __tsan_create_fiber(0);
#endif
}

void fiber_side_end(struct fiber_side *side)
{
#if DUES_TSAN
    __tsan_destroy_fiber(side->tsan_fiber);
    side->tsan_fiber = NULL;
#endif
    (void)side;
}

void fiber_side_adopt_thread(struct fiber_side *side)
{
#if DUES_TSAN
    side->tsan_fiber = __tsan_get_current_fiber();
#endif
    (void)side;
}

void fiber_switch(struct fiber_side *from, struct fiber_side *to, bool from_ends)
{
    announce_departure(from, to, from_ends);
#if DUES_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    if (swapcontext(&from->context, &to->context) != 0)
        bug("fiber: swapcontext failed");
    announce_arrival(from, to);
}

void fiber_switch_arrived(struct fiber_side *from)
{
    announce_arrival(NULL, from);
}
