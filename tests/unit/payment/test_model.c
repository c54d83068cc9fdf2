/*
 * The model of a charge (tests/model) moves attempts as the code does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "payment/payment.h"

/* The number that moves.pml gives to `name`; -1: none. */
static int defined(const char *name)
{
    FILE *file = fopen(SOURCE_DIR "/tests/model/moves.pml", "r");
    char beginning[80];
    char line[256];
    int number = -1;

    assert_non_null(file);
    snprintf(beginning, sizeof beginning, "#define %s ", name);
    while (number < 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, beginning, strlen(beginning)) == 0)
            number = (int)strtol(line + strlen(beginning), NULL, 10);
    }
    fclose(file);
    return number;
}

static void numbers_the_states_as_the_code_does(void **state)
{
    (void)state;
    for (int at = 0; at < ATTEMPT_STATE_COUNT; at++)
        assert_int_equal(defined(attempt_state_name((enum attempt_state)at)), at);
}

static void allows_the_moves_that_the_code_allows(void **state)
{
    char name[64];

    (void)state;
    for (int from = 0; from < ATTEMPT_STATE_COUNT; from++) {
        int moves = 0;
        for (int to = 0; to < ATTEMPT_STATE_COUNT; to++) {
            if (attempt_may_move((enum attempt_state)from, (enum attempt_state)to))
                moves |= 1 << to;
        }
        snprintf(name, sizeof name, "MOVES_%s", attempt_state_name((enum attempt_state)from));
        assert_int_equal(defined(name), moves);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_the_states_as_the_code_does),
        cmocka_unit_test(allows_the_moves_that_the_code_allows),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
