/*
 * What Stripe makes of a key: a key is refused only by an answer that says so.
 */

#include "unit/gateway/stripe_fixture.h"

#define PROBE_GET "/v1/payment_intents?limit=1"

static struct {
    enum stripe_verdict verdict;
    char problem[STRIPE_PROBLEM_SIZE];
} result;

static void run_probe(void *argument)
{
    const struct fixture *f = argument;

    result.problem[0] = '\0';
    result.verdict = stripe_probe(f->stripe, f->call.arena, result.problem);
}

static void a_key_is_what_the_answer_says(void **state)
{
    static const struct {
        int status;
        enum stripe_verdict verdict;
        const char *problem;
    } cases[] = {
        {200, STRIPE_KEY_GOOD, ""},
        {401, STRIPE_KEY_REFUSED, "it does not know the key"},
        {403, STRIPE_KEY_REFUSED, "the key may not read payments"},
        {429, STRIPE_NO_VERDICT, "it answers with an error"},
        {500, STRIPE_NO_VERDICT, "it answers with an error"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        f->asked = 0;
        given(f, 0, get(PROBE_GET, cases[i].status, LIST("")));

        fiber_run(f->fibers, run_probe, f);

        assert_false(f->went_wrong);
        assert_int_equal(result.verdict, cases[i].verdict);
        assert_non_null(strstr(result.problem, cases[i].problem));
        assert_int_equal(result.problem[0] == '\0', cases[i].verdict == STRIPE_KEY_GOOD);
    }
}

static void silence_says_nothing_of_the_key(void **state)
{
    struct fixture *f = *state;
    struct step step = get(PROBE_GET, 401, "");
    step.is_lost = true;
    given(f, 0, step);

    fiber_run(f->fibers, run_probe, f);

    assert_int_equal(result.verdict, STRIPE_NO_VERDICT);
    assert_true(result.problem[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_what_the_answer_says, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_says_nothing_of_the_key, setup, teardown),
    };

    return cmocka_run_group_tests_name("stripe probe", tests, NULL, NULL);
}
