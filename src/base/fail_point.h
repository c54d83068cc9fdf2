/*
 * Places where a fault can be ordered, for tests/fault/points.  Without -DDUES_FAIL_POINTS=ON
 * nothing of this is compiled: a step is the step, and a name is in no binary.
 *
 *   TRY(FAIL_STEP(call, "refund.record", "", refund_record(…)));   a step that can fail
 *   if (FAIL_DO("attempt.send", "", gateway->send(…))) …           one that cannot: its result is
 * lost if (FAIL_HIT("http.connected", "POST")) …                      an instant that can go wrong
 *   FAIL_POINT("rpc.answer");                                      an instant
 *   FAIL_POINT_HELD("sandbox.decided");                            one with a lock held
 *   now_us += FAIL_SHIFT("clock.wall");                            what a jump adds, in
 * microseconds
 *
 * A name stands at one place.  The second text tells passages of one point apart (an operation, a
 * statement); an order may be for one of them.  Every point leaves a line in the linker section
 * "fail_points", from which the build makes BUILD/fail_points.
 */
#pragma once

#ifdef DUES_FAIL_POINTS

#include <stdbool.h>
#include <stdint.h>

#include "base/call.h"

enum fail_fault {
    FAIL_NONE,
    FAIL_CRASH_BEFORE,
    FAIL_CRASH_AFTER,
    FAIL_ERROR,
    FAIL_DELAY,
    FAIL_DUPLICATE,
    FAIL_JUMP,
};

/*
 * The file with the orders, "NAME DETAIL FAULT NTH MILLISECONDS" each; "*" is any detail, NTH 0
 * every passage.  It is read at each passage and may be replaced at any time, which begins the
 * counting anew.  What was passed and what was done is appended to FILE.log.  NULL: no orders.
 */
void fail_points_open(const char *path);

/* Before a step; crashes and delays happen here.  The answer is what is left to do. */
enum fail_fault fail_point_enter(const char *name, const char *detail);

/* After it. */
void fail_point_leave(enum fail_fault fault);

/* An instant.  True: something goes wrong. */
bool fail_point_hit(const char *name, const char *detail);

int64_t fail_point_shift_us(const char *name);

const struct error *fail_point_error(struct call *call, const char *name);

#define FAIL_QUOTE(text)  #text
#define FAIL_TEXT(number) FAIL_QUOTE(number)
#define FAIL_ENTRY(name, faults)                                                                   \
    static const char fail_point_entry_[] __attribute__((section("fail_points"), used)) =          \
        name " " faults " " __FILE__ ":" FAIL_TEXT(__LINE__)

#define FAIL_POINTS_OPEN(path) fail_points_open(path)
#define FAIL_STEP(call, name, detail, ...)                                                         \
    ({                                                                                             \
        FAIL_ENTRY(name, "crash_before,crash_after,error,delay,duplicate");                        \
        enum fail_fault fail_fault_ = fail_point_enter(name, detail);                              \
        const struct error *fail_error_ =                                                          \
            fail_fault_ == FAIL_ERROR ? fail_point_error(call, name) : (__VA_ARGS__);              \
        if (fail_fault_ == FAIL_DUPLICATE && fail_error_ == NULL)                                  \
            fail_error_ = (__VA_ARGS__);                                                           \
        fail_point_leave(fail_fault_);                                                             \
        fail_error_;                                                                               \
    })
#define FAIL_DO(name, detail, ...)                                                                 \
    ({                                                                                             \
        FAIL_ENTRY(name, "crash_before,crash_after,error,delay,duplicate");                        \
        enum fail_fault fail_fault_ = fail_point_enter(name, detail);                              \
        __VA_ARGS__;                                                                               \
        if (fail_fault_ == FAIL_DUPLICATE)                                                         \
            __VA_ARGS__;                                                                           \
        fail_point_leave(fail_fault_);                                                             \
        fail_fault_ == FAIL_ERROR;                                                                 \
    })
#define FAIL_HIT(name, detail)                                                                     \
    ({                                                                                             \
        FAIL_ENTRY(name, "crash_before,error,delay");                                              \
        fail_point_hit(name, detail);                                                              \
    })
#define FAIL_POINT(name)                                                                           \
    ({                                                                                             \
        FAIL_ENTRY(name, "crash_before,delay");                                                    \
        (void)fail_point_hit(name, "");                                                            \
    })
#define FAIL_POINT_HELD(name)                                                                      \
    ({                                                                                             \
        FAIL_ENTRY(name, "crash_before");                                                          \
        (void)fail_point_hit(name, "");                                                            \
    })
#define FAIL_SHIFT(name)                                                                           \
    ({                                                                                             \
        FAIL_ENTRY(name, "jump");                                                                  \
        fail_point_shift_us(name);                                                                 \
    })

#else

/* The second text is used, but not made. */
#define FAIL_POINTS_OPEN(path)             ((void)0)
#define FAIL_STEP(call, name, detail, ...) ((void)sizeof(detail), (__VA_ARGS__))
#define FAIL_DO(name, detail, ...)         ((void)sizeof(detail), (__VA_ARGS__), false)
#define FAIL_HIT(name, detail)             ((void)sizeof(detail), false)
#define FAIL_POINT(name)                   ((void)0)
#define FAIL_POINT_HELD(name)              ((void)0)
#define FAIL_SHIFT(name)                   0

#endif
