/*
 * The sandbox's list of what moved money: a page costs what is on it, however long the journal is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/time.h"
#include "unit/gateway/sandbox_fixture.h"

#define CHARGES    1200
#define PAGE_BYTES ((size_t)256 * 1024)

static void given_charges(struct fixture *f, int count)
{
    static int made;

    for (int i = 0; i < count; i++)
        ask(f, charge_of(arena_printf(f->arena, "key-of-charge-%d", made++), "tok_visa", 100));
}

/* In memory of its own, which is `*used`. */
static struct gateway_transaction_page list(struct fixture *f, int64_t from_us, int64_t until_us,
                                            const char *cursor, size_t *used)
{
    struct arena *arena = arena_new(PAGE_BYTES);
    struct call call = f->call;
    struct gateway_transaction_page page;

    call.arena = arena;
    assert_true(f->gateway->list_transactions(f->gateway, &call, from_us, until_us, cursor, &page));
    page.next = arena_strdup(f->arena, page.next);
    page.list = arena_copy(f->arena, page.list, GATEWAY_LINES_MAX * sizeof *page.list);
    *used = arena_used(arena);
    arena_free(arena);
    return page;
}

static void a_long_journal_is_listed_page_by_page(void **state)
{
    struct fixture *f = *state;
    const char *cursor = "";
    size_t listed = 0;
    size_t used;

    given_charges(f, CHARGES);
    ask(f, charge_of("key-of-declined", "tok_chargeDeclined", 100));
    do {
        struct gateway_transaction_page page = list(f, 0, INT64_MAX, cursor, &used);
        listed += page.count;
        cursor = page.next;
    } while (cursor[0] != '\0');

    assert_int_equal(listed, CHARGES);
}

static void what_is_outside_of_the_window_is_not_read(void **state)
{
    struct fixture *f = *state;
    size_t used_by_none;
    size_t used;

    given_charges(f, 50);
    int64_t between_us = clock_wall_us(clock_system());
    given_charges(f, 10);
    crash_and_open(f);
    struct gateway_transaction_page later = list(f, between_us, INT64_MAX, "", &used);
    struct gateway_transaction_page earlier = list(f, 0, between_us, "", &used);
    struct gateway_transaction_page none = list(f, INT64_MAX - 1, INT64_MAX, "", &used_by_none);

    assert_int_equal(later.count, 10);
    assert_int_equal(earlier.count, 50);
    assert_int_equal(none.count, 0);
    assert_true(used_by_none <= GATEWAY_LINES_MAX * sizeof *none.list + 64);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_long_journal_is_listed_page_by_page),
        TEST(what_is_outside_of_the_window_is_not_read),
    };
    return cmocka_run_group_tests_name("the sandbox's list", tests, NULL, NULL);
}
