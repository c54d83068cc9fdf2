/*
 * Stripe's signatures and events: what is believed, and what is made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/news.h"

#define SECRET "whsec_test_secret"
#define BODY   "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define TAG    "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd"
#define SIGNED 1700000000

#define OUR_CUSTOMER "01900000-0000-7000-8000-000000000001"
#define OUR_ATTEMPT  "01900000-0000-7000-8000-000000000002"

static struct arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new((size_t)64 * 1024 * 1024);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static enum gateway_letter_verdict check_at(const char *header, const char *body, size_t size,
                                            int64_t now_s)
{
    const struct stripe_news_secrets secrets = {.text = {"whsec_the_newer_one", SECRET}};

    return stripe_signature_check(&secrets, arena, header, (struct bytes){body, size}, now_s);
}

static enum gateway_letter_verdict check(const char *header)
{
    return check_at(header, BODY, strlen(BODY), SIGNED);
}

/* The vector of Stripe's own libraries. */
static void believes_what_was_signed_with_either_secret(void **state)
{
    const struct stripe_news_secrets alone = {.text = {SECRET}};
    const struct bytes body = {BODY, strlen(BODY)};

    (void)state;
    assert_int_equal(check("t=1700000000,v1=" TAG), GATEWAY_LETTER_GENUINE);
    assert_int_equal(stripe_signature_check(&alone, arena, "t=1700000000,v1=" TAG, body, SIGNED),
                     GATEWAY_LETTER_GENUINE);
}

static void finds_the_right_one_among_signatures_and_schemes(void **state)
{
    static const char other[] = "v1=00000000000000000000000000000000"
                                "00000000000000000000000000000000";

    (void)state;
    assert_int_equal(check(arena_printf(arena, "t=1700000000,%s,v0=x,v1=" TAG, other)),
                     GATEWAY_LETTER_GENUINE);
    assert_int_equal(check(arena_printf(arena, "v1=" TAG ",%s,t=1700000000", other)),
                     GATEWAY_LETTER_GENUINE);
}

static void knows_no_header_but_a_right_one(void **state)
{
    static const char *const wrong[] = {
        NULL,
        "",
        ",",
        "t=1700000000",
        "v1=" TAG,
        "t=1700000000,v0=" TAG,
        "t=1700000000,v1=",
        "t=1700000000,v1=" TAG "0",
        "t=1700000000,v1=0" TAG,
        "t=1700000000,t=1700000000,v1=" TAG,
        "t=,v1=" TAG,
        "t=-1700000000,v1=" TAG,
        "t=17000000000000000,v1=" TAG,
        "t=1700000000,v1=" TAG ",",
        "t=1700000000,=" TAG,
        "t=1700000000, v1=" TAG,
        "t=1700000000,v1=zc8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_int_equal(check(wrong[i]), GATEWAY_LETTER_UNSIGNED);
}

static void looks_at_no_more_than_sixteen_signatures(void **state)
{
    const char *header = "t=1700000000";

    (void)state;
    for (int i = 0; i < 15; i++)
        header = arena_printf(arena, "%s,v1=%064d", header, i);
    assert_int_equal(check(arena_printf(arena, "%s,v1=" TAG, header)), GATEWAY_LETTER_GENUINE);
    assert_int_equal(check(arena_printf(arena, "%s,v1=%064d,v1=" TAG, header, 1)),
                     GATEWAY_LETTER_UNSIGNED);
    for (int i = 0; i < 100; i++)
        header = arena_printf(arena, "%s,v1=%064d", header, i);
    assert_int_equal(check(header), GATEWAY_LETTER_UNSIGNED);
}

static void one_other_bit_anywhere_is_a_forgery(void **state)
{
    char body[] = BODY;
    char tag[] = TAG;

    (void)state;
    for (size_t i = 0; i < 8 * strlen(BODY); i++) {
        body[i / 8] = (char)(BODY[i / 8] ^ (1 << i % 8));
        assert_int_equal(check_at("t=1700000000,v1=" TAG, body, strlen(BODY), SIGNED),
                         GATEWAY_LETTER_FORGED);
        body[i / 8] = BODY[i / 8];
    }
    for (size_t i = 0; i < strlen(TAG); i++) {
        tag[i] = TAG[i] == '0' ? '1' : '0';
        assert_int_equal(check(arena_printf(arena, "t=1700000000,v1=%s", tag)),
                         GATEWAY_LETTER_FORGED);
        tag[i] = TAG[i];
    }
    assert_int_equal(check("t=1700000001,v1=" TAG), GATEWAY_LETTER_FORGED);
    assert_int_equal(check_at("t=1700000000,v1=" TAG, BODY, strlen(BODY) - 1, SIGNED),
                     GATEWAY_LETTER_FORGED);
}

static void five_minutes_are_not_too_old_and_a_second_more_is(void **state)
{
    static const char header[] = "t=1700000000,v1=" TAG;

    (void)state;
    assert_int_equal(check_at(header, BODY, strlen(BODY), SIGNED + 300), GATEWAY_LETTER_GENUINE);
    assert_int_equal(check_at(header, BODY, strlen(BODY), SIGNED + 301), GATEWAY_LETTER_STALE);
    assert_int_equal(check_at(header, BODY, strlen(BODY), SIGNED - 300), GATEWAY_LETTER_GENUINE);
    assert_int_equal(check_at(header, BODY, strlen(BODY), SIGNED - 301), GATEWAY_LETTER_STALE);
}

/* ---- Events ---- */

static bool read_event(const char *type, const char *object, struct gateway_news *news)
{
    const char *text = arena_printf(arena,
                                    "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"%s\","
                                    "\"created\":7,\"livemode\":false,"
                                    "\"data\":{\"object\":%s}}",
                                    type, object);

    return stripe_read_event(arena, false, (struct bytes){text, strlen(text)}, news);
}

#define METADATA                                                                                   \
    "\"metadata\":{\"attempt_id\":\"" OUR_ATTEMPT "\",\"customer_id\":\"" OUR_CUSTOMER "\"}"

static void reads_which_object_to_look_at(void **state)
{
    static const struct {
        const char *type;
        const char *object;
        enum gateway_news_kind kind;
        const char *id;
        const char *belongs_to;
    } cases[] = {
        {"payment_intent.succeeded", "{\"object\":\"payment_intent\",\"id\":\"pi_1\"," METADATA "}",
         GATEWAY_NEWS_PAYMENT, "pi_1", ""},
        {"charge.refund.updated",
         "{\"object\":\"refund\",\"id\":\"re_1\",\"payment_intent\":\"pi_1\"," METADATA "}",
         GATEWAY_NEWS_REFUND, "re_1", "pi_1"},
        {"charge.dispute.created",
         "{\"object\":\"dispute\",\"id\":\"du_1\",\"payment_intent\":{\"id\":\"pi_2\"}," METADATA
         "}",
         GATEWAY_NEWS_DISPUTE, "du_1", "pi_2"},
        {"payment_method.automatically_updated",
         "{\"object\":\"payment_method\",\"id\":\"pm_1\",\"customer\":\"cus_1\"," METADATA "}",
         GATEWAY_NEWS_PAYMENT_METHOD, "pm_1", "cus_1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct gateway_news news;
        assert_true(read_event(cases[i].type, cases[i].object, &news));
        assert_string_equal(news.event, "evt_1");
        assert_string_equal(news.type, cases[i].type);
        assert_int_equal(news.kind, cases[i].kind);
        assert_string_equal(news.object, cases[i].id);
        assert_string_equal(news.belongs_to, cases[i].belongs_to);
        assert_string_equal(news.reference, OUR_ATTEMPT);
        assert_string_equal(news.customer, OUR_CUSTOMER);
        assert_int_equal(news.created_us, 7 * US_PER_SECOND);
    }
}

static void passes_over_what_is_of_no_interest(void **state)
{
    static const char *const cases[][2] = {
        {"balance.available", "{\"object\":\"balance\"}"},
        {"charge.succeeded", "{\"object\":\"charge\",\"id\":\"ch_1\"}"},
        {"payment_intent.created", "{\"object\":\"payment_intent\",\"id\":\"pi_1\"}"},
        {"payment_intent.succeeded", "{\"object\":\"payment_intent\",\"id\":\"pi_1/../x\"}"},
        {"payment_intent.succeeded", "{\"object\":\"payment_intent\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct gateway_news news;
        assert_true(read_event(cases[i][0], cases[i][1], &news));
        assert_int_equal(news.kind, GATEWAY_NEWS_OTHER);
        assert_string_equal(news.object, "");
    }
}

static void takes_nothing_for_an_event_that_is_none(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\",\"livemode\":false}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"livemode\":false,\"data\":{\"object\":{}}}",
        "{\"id\":\"pi_1\",\"object\":\"event\",\"type\":\"x\",\"livemode\":false,"
        "\"data\":{\"object\":{}}}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\",\"livemode\":true,"
        "\"data\":{\"object\":{}}}",
    };
    struct gateway_news news;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_false(
            stripe_read_event(arena, false, (struct bytes){texts[i], strlen(texts[i])}, &news));
}

/* ---- Secrets ---- */

static void takes_no_other_text_for_a_secret(void **state)
{
    static const char *const texts[] = {"", "sk_test_0123456789abcdef", "whsec_short",
                                        "whsec_with a blank in it", "whsec_0123456789abcdef\n"};

    (void)state;
    assert_true(stripe_news_secret_is_right("whsec_0123456789abcdef"));
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_false(stripe_news_secret_is_right(texts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_what_was_signed_with_either_secret),
        cmocka_unit_test(finds_the_right_one_among_signatures_and_schemes),
        cmocka_unit_test(knows_no_header_but_a_right_one),
        cmocka_unit_test(looks_at_no_more_than_sixteen_signatures),
        cmocka_unit_test(one_other_bit_anywhere_is_a_forgery),
        cmocka_unit_test(five_minutes_are_not_too_old_and_a_second_more_is),
        cmocka_unit_test(reads_which_object_to_look_at),
        cmocka_unit_test(passes_over_what_is_of_no_interest),
        cmocka_unit_test(takes_nothing_for_an_event_that_is_none),
        cmocka_unit_test(takes_no_other_text_for_a_secret),
    };
    return cmocka_run_group_tests_name("Stripe's news", tests, open_arena, close_arena);
}
