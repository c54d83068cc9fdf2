/*
 * The guard of guesses: a few mistakes cost nothing, guessing gets slow, and who knows the password
 * is let in again at once.
 */

#include "auth/guess_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/random.h"

#define ADA   "ada@example.com"
#define PHONE "spiffe://dues.local/device/ada-phone"

struct fixture {
    struct clock clock;
    int64_t now_us;
    struct guess_guard *guard;
};

static int64_t read_clock(const struct clock *clock)
{
    return ((const struct fixture *)(const void *)clock)->now_us;
}

static int given_guard(void **state)
{
    static struct fixture f;

    f = (struct fixture){.clock = {read_clock, read_clock}, .now_us = US_PER_SECOND};
    f.guard = guess_guard_open(&f.clock, random_system());
    *state = &f;
    return 0;
}

static int close_guard(void **state)
{
    struct fixture *f = *state;

    guess_guard_close(f->guard);
    return 0;
}

static int64_t wait_of(const struct fixture *f, const char *email)
{
    return guess_guard_begin(f->guard, email, "");
}

/* One after the other, each as soon as it may be. */
static void given_wrong(struct fixture *f, const char *email, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t wait_us = wait_of(f, email);
        f->now_us += wait_us;
        if (wait_us > 0)
            assert_int_equal(wait_of(f, email), 0);
        guess_guard_wrong(f->guard, email, "");
    }
}

static void a_few_mistakes_cost_nothing(void **state)
{
    struct fixture *f = *state;

    given_wrong(f, ADA, GUESSES_FREE - 1);

    assert_int_equal(wait_of(f, ADA), 0);
}

static void each_wrong_guess_doubles_the_wait_up_to_an_hour(void **state)
{
    struct fixture *f = *state;
    int64_t expected_us = US_PER_SECOND;

    given_wrong(f, ADA, GUESSES_FREE - 1);
    for (int i = 0; i < 20; i++) {
        given_wrong(f, ADA, 1);
        assert_int_equal(wait_of(f, ADA), expected_us);
        f->now_us += expected_us - 1;
        assert_int_equal(wait_of(f, ADA), 1);
        f->now_us += 1;
        expected_us = expected_us * 2 < GUESS_LONGEST_US ? expected_us * 2 : GUESS_LONGEST_US;
    }
}

static void of_many_at_once_one_is_let_through(void **state)
{
    struct fixture *f = *state;

    given_wrong(f, ADA, GUESSES_FREE + 2);
    f->now_us += 4 * US_PER_SECOND;

    assert_int_equal(wait_of(f, ADA), 0);
    assert_int_equal(wait_of(f, ADA), 8 * US_PER_SECOND);
}

/* Their passwords are still being looked at. */
static void those_that_are_not_answered_yet_count(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < GUESSES_FREE; i++)
        assert_int_equal(wait_of(f, ADA), 0);

    assert_int_equal(wait_of(f, ADA), US_PER_SECOND);
}

static void what_was_not_found_out_is_given_back(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3 * GUESSES_FREE; i++) {
        assert_int_equal(wait_of(f, ADA), 0);
        guess_guard_untold(f->guard, ADA, "");
    }
    given_wrong(f, ADA, GUESSES_FREE - 1);
    assert_int_equal(wait_of(f, ADA), 0);
    guess_guard_untold(f->guard, ADA, "");

    assert_int_equal(wait_of(f, ADA), 0);
}

static void the_right_password_forgets_the_wrong_ones(void **state)
{
    struct fixture *f = *state;

    given_wrong(f, ADA, GUESSES_FREE + 2);
    guess_guard_right(f->guard, ADA, "");

    assert_int_equal(wait_of(f, ADA), 0);
    guess_guard_right(f->guard, ADA, "");
    given_wrong(f, ADA, GUESSES_FREE - 1);
    assert_int_equal(wait_of(f, ADA), 0);
}

static void a_day_without_a_try_forgets_them_too(void **state)
{
    struct fixture *f = *state;

    given_wrong(f, ADA, 100);
    f->now_us += GUESS_LONGEST_US + GUESS_FORGET_US;

    given_wrong(f, ADA, GUESSES_FREE - 1);
    assert_int_equal(wait_of(f, ADA), 0);
}

static void strangers_keep_neither_others_nor_a_persons_own_device_waiting(void **state)
{
    struct fixture *f = *state;

    given_wrong(f, ADA, 100);

    assert_int_not_equal(wait_of(f, ADA), 0);
    assert_int_equal(wait_of(f, "bob@example.com"), 0);
    assert_int_equal(guess_guard_begin(f->guard, ADA, PHONE), 0);
}

static void a_flood_of_other_addresses_does_not_make_it_forget(void **state)
{
    struct fixture *f = *state;
    char email[64];

    given_wrong(f, ADA, 100);
    for (int i = 0; i < 100000; i++) {
        snprintf(email, sizeof email, "user-%d@example.com", i);
        given_wrong(f, email, 1);
    }

    assert_int_not_equal(wait_of(f, ADA), 0);
}

/* AUTH-06 at its worst: somebody tries as often as he is let for a month. */
static void a_month_of_guessing_is_a_few_hundred_guesses(void **state)
{
    struct fixture *f = *state;
    const int64_t end_us = f->now_us + 30 * GUESS_FORGET_US;
    int guesses = 0;

    while (f->now_us < end_us) {
        int64_t wait_us = wait_of(f, ADA);
        f->now_us += wait_us;
        if (wait_us > 0)
            continue;
        guess_guard_wrong(f->guard, ADA, "");
        guesses++;
    }

    assert_in_range(guesses, 100, 24 * 30 + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_few_mistakes_cost_nothing, given_guard, close_guard),
        cmocka_unit_test_setup_teardown(each_wrong_guess_doubles_the_wait_up_to_an_hour,
                                        given_guard, close_guard),
        cmocka_unit_test_setup_teardown(of_many_at_once_one_is_let_through, given_guard,
                                        close_guard),
        cmocka_unit_test_setup_teardown(those_that_are_not_answered_yet_count, given_guard,
                                        close_guard),
        cmocka_unit_test_setup_teardown(what_was_not_found_out_is_given_back, given_guard,
                                        close_guard),
        cmocka_unit_test_setup_teardown(the_right_password_forgets_the_wrong_ones, given_guard,
                                        close_guard),
        cmocka_unit_test_setup_teardown(a_day_without_a_try_forgets_them_too, given_guard,
                                        close_guard),
        cmocka_unit_test_setup_teardown(
            strangers_keep_neither_others_nor_a_persons_own_device_waiting, given_guard,
            close_guard),
        cmocka_unit_test_setup_teardown(a_flood_of_other_addresses_does_not_make_it_forget,
                                        given_guard, close_guard),
        cmocka_unit_test_setup_teardown(a_month_of_guessing_is_a_few_hundred_guesses, given_guard,
                                        close_guard),
    };

    return cmocka_run_group_tests_name("guess_guard", tests, NULL, NULL);
}
