/*
 * The texts of evidence as they go to the gateway.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "payment/dispute_internal.h"

static void line_ends_become_line_feeds(void **state)
{
    Dues__Payment__V1__DisputeEvidence evidence = DUES__PAYMENT__V1__DISPUTE_EVIDENCE__INIT;
    struct gateway_evidence_text texts[GATEWAY_EVIDENCE_TEXTS];
    char log[] = "09:00 log in\r\n09:01 read\n09:02 read\r\n";
    char name[] = "Ada";
    (void)state;
    evidence.access_activity_log = log;
    evidence.customer_name = name;

    dispute_evidence_join_line_ends(&evidence);

    assert_int_equal(dispute_evidence_texts(&evidence, texts), 2);
    assert_string_equal(evidence.access_activity_log, "09:00 log in\n09:01 read\n09:02 read\n");
    assert_string_equal(evidence.customer_name, "Ada");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_become_line_feeds),
    };

    return cmocka_run_group_tests_name("texts of evidence", tests, NULL, NULL);
}
