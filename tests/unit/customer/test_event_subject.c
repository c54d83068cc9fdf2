/*
 * What events are about, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "customer/event.h"

#define C "0190d9a8-1111-7000-8000-000000000001"
#define S "0190d9a8-2222-7000-8000-000000000002"
#define P "0190d9a8-3333-7000-8000-000000000003"

static struct uuid id_of(const char *text)
{
    struct uuid id = UUID_NIL;

    assert_true(uuid_parse(text, &id));
    return id;
}

static int given_arena(void **state)
{
    *state = arena_new(4096);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void every_kind_of_event_names_what_it_is_about(void **state)
{
    static const struct {
        const char *type;
        const char *name;
    } rows[] = {
        {"customer.created", "customers/" S},
        {"device.enrolled", "users/" C "/devices/" S},
        {"dispute.lost", "customers/" C "/disputes/" S},
        {"incident.opened", "customers/" C "/incidents/" S},
        {"invoice.paid", "customers/" C "/invoices/" S},
        {"membership.renewed", "customers/" C "/memberships/" S},
        {"payment.succeeded", "customers/" C "/payments/" S},
        {"payment_method.created", "customers/" C "/paymentMethods/" S},
        {"refund.failed", "customers/" C "/payments/" P "/refunds/" S},
        {"session.ended", "users/" C "/sessions/" S},
        {"webhook_endpoint.disabled", "webhookEndpoints/" S},
        {"paymentish.succeeded", ""},
        {"payment", ""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(event_subject_name(*state, rows[i].type, id_of(C), id_of(S), id_of(P)),
                            rows[i].name);
}

static void a_refund_without_its_payment_has_no_name(void **state)
{
    assert_string_equal(event_subject_name(*state, "refund.failed", id_of(C), id_of(S), UUID_NIL),
                        "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_event_names_what_it_is_about),
        cmocka_unit_test(a_refund_without_its_payment_has_no_name),
    };
    return cmocka_run_group_tests_name("event subjects", tests, given_arena, free_arena);
}
