/*
 * The arena: what it promises about alignment, zeroes, its cap and its reset.
 */

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CAP ((size_t)64 * 1024)

static int given_arena(void **state)
{
    *state = arena_new(CAP);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static bool all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* True when a child process that does `work` is ended by SIGABRT. */
static bool aborts(void (*work)(struct arena *arena), struct arena *arena)
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        work(arena);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void hands_out_zeroed_aligned_memory(void **state)
{
    struct arena *arena = *state;

    for (size_t size = 0; size < 300; size++) {
        unsigned char *memory = arena_alloc(arena, size);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        assert_true(all_zero(memory, size));
        memset(memory, 0xff, size);
    }
}

static void keeps_every_allocation_apart(void **state)
{
    struct arena *arena = *state;
    unsigned char *parts[200];

    for (size_t i = 0; i < 200; i++) {
        parts[i] = arena_alloc(arena, 1 + i);
        memset(parts[i], (int)i, 1 + i);
    }

    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < 1 + i; j++)
            assert_int_equal(parts[i][j], i);
    }
}

static void gives_everything_up_to_the_cap_and_nothing_beyond(void **state)
{
    struct arena *arena = *state;

    assert_non_null(arena_try_alloc(arena, 16));
    assert_non_null(arena_try_alloc(arena, CAP - 32));
    assert_null(arena_try_alloc(arena, 17));
    assert_non_null(arena_try_alloc(arena, 16));

    assert_null(arena_try_alloc(arena, 1));
    assert_int_equal(arena_used(arena), CAP);
}

static void refuses_sizes_that_overflow(void **state)
{
    struct arena *arena = *state;

    assert_null(arena_try_alloc(arena, SIZE_MAX));
    assert_null(arena_try_alloc(arena, SIZE_MAX - 15));
    assert_null(arena_try_alloc(arena, CAP + 1));

    assert_int_equal(arena_used(arena), 0);
}

static void pass_the_cap(struct arena *arena)
{
    arena_alloc(arena, CAP + 1);
}

static void overflow_an_array(struct arena *arena)
{
    arena_array(arena, SIZE_MAX / 8 + 2, 8);
}

static void aborts_where_the_cap_is_our_bug(void **state)
{
    assert_true(aborts(pass_the_cap, *state));
    assert_true(aborts(overflow_an_array, *state));
}

static void wipes_what_was_handed_out(void **state)
{
    struct arena *arena = *state;
    /* The first block is kept: after the reset the same memory is handed out again. */
    unsigned char *secret = arena_alloc(arena, 64);
    memset(secret, 's', 64);
    arena_alloc(arena, 32 * 1024);

    arena_reset(arena);

    assert_int_equal(arena_used(arena), 0);
    unsigned char *again = arena_alloc(arena, 64);
    assert_ptr_equal(again, secret);
    assert_true(all_zero(again, 64));
}

static void gives_the_whole_cap_again_after_a_reset(void **state)
{
    struct arena *arena = *state;

    for (int round = 0; round < 3; round++) {
        while (arena_try_alloc(arena, 1000) != NULL)
            continue;
        assert_true(arena_used(arena) > CAP - 1008);
        arena_reset(arena);
    }

    assert_int_equal(arena_used(arena), 0);
}

static void copies_text_and_bytes(void **state)
{
    struct arena *arena = *state;
    char source[] = "premium";

    char *whole = arena_strdup(arena, source);
    char *part = arena_strndup(arena, source, 3);
    char *longer = arena_strndup(arena, source, 100);
    char *bytes = arena_copy(arena, source, 2);
    void *none = arena_copy(arena, NULL, 0);
    source[0] = 'X';

    assert_string_equal(whole, "premium");
    assert_string_equal(part, "pre");
    assert_string_equal(longer, "premium");
    assert_memory_equal(bytes, "pr", 2);
    assert_non_null(none);
}

static void prints_text_of_any_length(void **state)
{
    struct arena *arena = *state;

    assert_string_equal(arena_printf(arena, "%s/%d", "plans", 7), "plans/7");
    assert_string_equal(arena_printf(arena, "%s", ""), "");
    assert_int_equal(strlen(arena_printf(arena, "%05000d", 1)), 5000);
}

static void array_is_count_times_size(void **state)
{
    struct arena *arena = *state;

    int64_t *numbers = arena_array(arena, 10, sizeof *numbers);

    numbers[9] = INT64_MAX;
    assert_int_equal(arena_used(arena), 80);
}

static void releasing_nothing_is_allowed(void **state)
{
    struct arena *none = NULL;

    (void)state;
    arena_free(NULL);
    arena_auto_free(&none);

    struct arena *some = arena_new(100);
    arena_auto_free(&some);
    assert_null(some);
}

int main(void)
{
#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, given_arena, free_arena)
    const struct CMUnitTest tests[] = {
        ARENA_TEST(hands_out_zeroed_aligned_memory),
        ARENA_TEST(keeps_every_allocation_apart),
        ARENA_TEST(gives_everything_up_to_the_cap_and_nothing_beyond),
        ARENA_TEST(refuses_sizes_that_overflow),
        ARENA_TEST(aborts_where_the_cap_is_our_bug),
        ARENA_TEST(wipes_what_was_handed_out),
        ARENA_TEST(gives_the_whole_cap_again_after_a_reset),
        ARENA_TEST(copies_text_and_bytes),
        ARENA_TEST(prints_text_of_any_length),
        ARENA_TEST(array_is_count_times_size),
        cmocka_unit_test(releasing_nothing_is_allowed),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
