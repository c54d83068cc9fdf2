/*
 * What a gateway's present shows of a response to a dispute whose answer was lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "payment/dispute_internal.h"

static const enum gateway_dispute_status statuses[] = {
    GATEWAY_DISPUTE_NEEDS_RESPONSE, GATEWAY_DISPUTE_UNDER_REVIEW, GATEWAY_DISPUTE_WON,
    GATEWAY_DISPUTE_LOST,           GATEWAY_DISPUTE_CLOSED,
};

static enum dispute_seen seen(enum dispute_action action, bool had_evidence,
                              enum gateway_dispute_status status, bool has_evidence)
{
    const struct dispute_response response = {.action = action, .had_evidence = had_evidence};
    const struct gateway_dispute news = {.status = status, .has_evidence = has_evidence};

    return dispute_response_seen(&response, &news);
}

static void evidence_that_is_not_there_did_not_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        bool is_open = statuses[i] == GATEWAY_DISPUTE_NEEDS_RESPONSE ||
                       statuses[i] == GATEWAY_DISPUTE_UNDER_REVIEW;
        for (int had = 0; had < 2; had++)
            assert_int_equal(seen(DISPUTE_EVIDENCE, had != 0, statuses[i], false),
                             is_open ? DISPUTE_SEEN_ABSENT : DISPUTE_SEEN_REFUSED);
    }
}

static void evidence_counts_when_it_was_not_there_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        assert_int_equal(seen(DISPUTE_EVIDENCE, false, statuses[i], true), DISPUTE_SEEN_DONE);
        assert_int_equal(seen(DISPUTE_EVIDENCE, true, statuses[i], true), DISPUTE_SEEN_NOTHING);
    }
}

static void giving_in_shows_in_the_end_alone(void **state)
{
    static const enum dispute_seen expected[] = {DISPUTE_SEEN_ABSENT, DISPUTE_SEEN_ABSENT,
                                                 DISPUTE_SEEN_REFUSED, DISPUTE_SEEN_DONE,
                                                 DISPUTE_SEEN_DONE};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        for (int has = 0; has < 2; has++)
            assert_int_equal(seen(DISPUTE_ACCEPT, true, statuses[i], has != 0), expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_that_is_not_there_did_not_arrive),
        cmocka_unit_test(evidence_counts_when_it_was_not_there_before),
        cmocka_unit_test(giving_in_shows_in_the_end_alone),
    };
    return cmocka_run_group_tests_name("dispute rules", tests, NULL, NULL);
}
