/*
 * Memory that was freed goes back to the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/sanitizer.h"

#define BLOCKS 20000
#define SIZE   2048
#define MIB    (1024 * 1024)
#define MUCH   ((int64_t)BLOCKS * SIZE / 2)

static void *blocks[BLOCKS];

static int take_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        memset(blocks[i], 1, SIZE);
    }
    return 0;
}

/* The last one stays, so the heap's end cannot come down by itself. */
static void free_all_but_one(void)
{
    for (size_t i = 0; i < BLOCKS - 1; i++) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

static int free_blocks(void **state)
{
    (void)state;
    free_all_but_one();
    free(blocks[BLOCKS - 1]);
    return 0;
}

static void knows_how_much_is_resident(void **state)
{
    (void)state;

    assert_true(memory_resident() > MIB);
}

static void gives_back_what_was_freed_below_what_is_kept(void **state)
{
    struct memory_watch watch = {.mark = memory_resident() - 2 * MIB};
    (void)state;
    if (DUES_ASAN || DUES_TSAN)
        skip(); /* their allocators keep what they like */
    free_all_but_one();
    int64_t before = memory_resident();

    memory_give_back(&watch, MIB);

    assert_true(before - memory_resident() > MUCH);
}

static void gives_back_what_is_freed_soon_after_the_growth(void **state)
{
    struct memory_watch watch = {.mark = memory_resident() - 2 * MIB};
    (void)state;
    if (DUES_ASAN || DUES_TSAN)
        skip();
    memory_give_back(&watch, MIB);
    free_all_but_one();
    int64_t before = memory_resident();

    memory_give_back(&watch, MIB);

    assert_true(before - memory_resident() > MUCH);
}

static void leaves_a_process_alone_that_stays_as_it_is(void **state)
{
    struct memory_watch watch = {0};
    (void)state;

    memory_give_back(&watch, 64 * MIB);
    memory_give_back(&watch, 64 * MIB);

    assert_int_equal(watch.again, 0);
    assert_true(watch.mark > MIB);
}

static void follows_a_process_that_has_become_smaller(void **state)
{
    struct memory_watch watch = {.mark = memory_resident() + 100 * (int64_t)MIB};
    (void)state;

    memory_give_back(&watch, MIB);

    assert_true(watch.mark <= memory_resident() + MIB);
}

#define BLOCKS_TEST(name) cmocka_unit_test_setup_teardown(name, take_blocks, free_blocks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_how_much_is_resident),
        BLOCKS_TEST(gives_back_what_was_freed_below_what_is_kept),
        BLOCKS_TEST(gives_back_what_is_freed_soon_after_the_growth),
        cmocka_unit_test(leaves_a_process_alone_that_stays_as_it_is),
        cmocka_unit_test(follows_a_process_that_has_become_smaller),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
