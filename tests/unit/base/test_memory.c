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

static void knows_how_much_is_resident(void **state)
{
    (void)state;

    assert_true(memory_resident() > MIB);
}

static void gives_back_what_was_freed_below_what_is_kept(void **state)
{
    static void *blocks[BLOCKS];
    int64_t mark = 0;
    (void)state;
    if (DUES_ASAN || DUES_TSAN)
        skip(); /* their allocators keep what they like */
    memory_give_back(&mark, MIB);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        memset(blocks[i], 1, SIZE);
    }
    /* The last one stays, so the heap's end cannot come down by itself. */
    for (size_t i = 0; i < BLOCKS - 1; i++)
        free(blocks[i]);
    int64_t before = memory_resident();

    memory_give_back(&mark, MIB);

    assert_true(before - memory_resident() > (int64_t)BLOCKS * SIZE / 2);
    assert_true(mark <= memory_resident() + MIB);
    free(blocks[BLOCKS - 1]);
}

static void follows_a_process_that_has_become_smaller(void **state)
{
    int64_t mark = memory_resident() + 100 * (int64_t)MIB;
    (void)state;

    memory_give_back(&mark, MIB);

    assert_true(mark <= memory_resident() + MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_how_much_is_resident),
        cmocka_unit_test(gives_back_what_was_freed_below_what_is_kept),
        cmocka_unit_test(follows_a_process_that_has_become_smaller),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
