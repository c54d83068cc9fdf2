/*
 * The pool of fibers: its size, its stacks and their guard pages, and what misuse does.
 */

#include "base/fiber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/base/fiber_fixture.h"

static void park_once(void *arg)
{
    fiber_park(keep, arg);
}

struct depth {
    struct fiber_pool *pool;
    int reached;
    int refused;
};

static void start_deeper(void *arg)
{
    struct depth *depth = arg;

    depth->reached++;
    if (!fiber_start(depth->pool, start_deeper, depth))
        depth->refused++;
}

static void nesting_ends_at_the_size_of_the_pool(void **state)
{
    struct depth depth = {.pool = *state};

    assert_true(fiber_start(*state, start_deeper, &depth));

    assert_int_equal(depth.reached, POOL_SIZE);
    assert_int_equal(depth.refused, 1);
    assert_int_equal(fiber_pool_live(*state), 0);
}

static void a_full_pool_starts_nothing(void **state)
{
    struct fiber *parked[POOL_SIZE];
    bool ran = false;

    for (size_t i = 0; i < POOL_SIZE; i++)
        assert_true(fiber_start(*state, park_once, &parked[i]));
    assert_false(fiber_start(*state, set_flag, &ran));
    assert_false(ran);
    assert_int_equal(fiber_pool_live(*state), POOL_SIZE);

    fiber_resume(parked[7]);
    assert_true(fiber_start(*state, set_flag, &ran));
    assert_true(ran);
    for (size_t i = 0; i < POOL_SIZE; i++) {
        if (i != 7)
            fiber_resume(parked[i]);
    }
    assert_int_equal(fiber_pool_live(*state), 0);
}

struct place {
    uintptr_t address;
};

static void note_place(void *arg)
{
    struct place *place = arg;
    volatile char here = 0;

    place->address = (uintptr_t)&here + (uintptr_t)here;
}

static void stacks_are_used_again(void **state)
{
    struct place first, second;

    assert_true(fiber_start(*state, note_place, &first));
    assert_true(fiber_start(*state, note_place, &second));

    /* Under AddressSanitizer locals may live elsewhere, but near. */
    uintptr_t apart = first.address > second.address ? first.address - second.address
                                                     : second.address - first.address;
    assert_true(apart < FIBER_STACK_SIZE);
}

/* How a child process that does `work` ends. */
static int status_of_child(void (*work)(void))
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int fall(int depth)
{
    volatile char room[1024];

    room[0] = (char)depth;
    return depth == 0 ? room[0] : fall(depth - 1) + room[0];
}

static void fall_through_the_floor(void *arg)
{
    *(volatile int *)arg = fall(1 << 20);
}

static void overflow_a_stack(void)
{
    int result;
    struct fiber_pool *pool = fiber_pool_open(1);

    fiber_run(pool, fall_through_the_floor, &result);
}

static void a_stack_that_overflows_kills_the_process(void **state)
{
    int status = status_of_child(overflow_a_stack);

    (void)state;
    /* By the guard page; under a sanitizer, by its report of the same. */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void use_most_of_a_stack(void *arg)
{
    *(int *)arg = fall(FIBER_STACK_SIZE / 1024 * 3 / 4) == 12345;
}

static void most_of_a_stack_may_be_used(void **state)
{
    int result = 1;

    fiber_run(*state, use_most_of_a_stack, &result);

    assert_int_equal(result, 0);
}

static struct fiber *twice;

static void resume_a_running_fiber(void)
{
    struct fiber_pool *pool = fiber_pool_open(1);

    if (!fiber_start(pool, park_once, &twice))
        _exit(0);
    fiber_resume(twice);
    fiber_resume(twice);
}

static void park_a_plain_thread(void)
{
    fiber_park(NULL, NULL);
}

static void close_a_living_pool(void)
{
    struct fiber_pool *pool = fiber_pool_open(1);

    if (fiber_start(pool, park_once, &twice))
        fiber_pool_close(pool);
}

static void misuse_ends_the_process(void **state)
{
    static void (*const mistakes[])(void) = {resume_a_running_fiber, park_a_plain_thread,
                                             close_a_living_pool};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++) {
        int status = status_of_child(mistakes[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

int main(void)
{
#define FIBER_TEST(name) cmocka_unit_test_setup_teardown(name, given_pool, close_pool)
    const struct CMUnitTest tests[] = {
        /* First: a child of a process with threads is fragile under ThreadSanitizer. */
        cmocka_unit_test(a_stack_that_overflows_kills_the_process),
        cmocka_unit_test(misuse_ends_the_process),
        FIBER_TEST(nesting_ends_at_the_size_of_the_pool),
        FIBER_TEST(a_full_pool_starts_nothing),
        FIBER_TEST(stacks_are_used_again),
        FIBER_TEST(most_of_a_stack_may_be_used),
    };
    return cmocka_run_group_tests_name("fiber pool", tests, NULL, NULL);
}
