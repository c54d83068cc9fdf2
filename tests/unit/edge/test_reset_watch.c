/*
 * The streams that the server resets by itself are counted in what it sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/reset_watch.h"

#define SETTINGS "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"
#define DATA     "\0\0\5\0\1\0\0\0\1\3\3\3\3\3"
#define PROTOCOL "\0\0\4\3\0\0\0\0\1\0\0\0\1"
#define CANCEL   "\0\0\4\3\0\0\0\0\3\0\0\0\x08"
#define FAR_CODE "\0\0\4\3\0\0\0\0\3\1\0\0\0"
#define NO_ERROR "\0\0\4\3\0\0\0\0\5\0\0\0\0"
#define TOO_LONG "\0\0\5\3\0\0\0\0\5\0\0\0\1\1"
#define BYTES(x) (const uint8_t *)(x), sizeof(x) - 1

static void counts_resets_with_an_error(void **state)
{
    struct reset_watch watch = {0};
    (void)state;

    int64_t resets = reset_watch_feed(&watch, BYTES(SETTINGS DATA PROTOCOL DATA CANCEL FAR_CODE));

    assert_int_equal(resets, 3);
}

static void does_not_count_the_end_of_an_early_answer(void **state)
{
    struct reset_watch watch = {0};
    (void)state;

    assert_int_equal(reset_watch_feed(&watch, BYTES(SETTINGS NO_ERROR DATA NO_ERROR)), 0);
}

static void steps_over_other_frames_of_that_type(void **state)
{
    struct reset_watch watch = {0};
    (void)state;

    assert_int_equal(reset_watch_feed(&watch, BYTES(TOO_LONG CANCEL)), 1);
}

static void counts_the_same_however_the_bytes_are_parted(void **state)
{
    static const uint8_t bytes[] = SETTINGS DATA PROTOCOL NO_ERROR CANCEL DATA PROTOCOL;
    (void)state;

    for (size_t piece = 1; piece < sizeof bytes; piece++) {
        struct reset_watch watch = {0};
        int64_t resets = 0;
        for (size_t at = 0; at < sizeof bytes - 1; at += piece) {
            size_t left = sizeof bytes - 1 - at;
            resets += reset_watch_feed(&watch, bytes + at, left < piece ? left : piece);
        }
        assert_int_equal(resets, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_resets_with_an_error),
        cmocka_unit_test(does_not_count_the_end_of_an_early_answer),
        cmocka_unit_test(steps_over_other_frames_of_that_type),
        cmocka_unit_test(counts_the_same_however_the_bytes_are_parted),
    };
    return cmocka_run_group_tests_name("reset watch", tests, NULL, NULL);
}
