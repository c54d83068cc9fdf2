/*
 * The tripwire for card numbers: what it must catch, and what it must leave alone.  All numbers are
 * the published test numbers of the schemes.
 */

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/random.h"
#include "base/time.h"

static void catches_numbers_of_every_length(void **state)
{
    static const char *const cards[] = {
        "4222222222222",       /* 13 */
        "30569309025904",      /* 14 */
        "378282246310005",     /* 15 */
        "4242424242424242",    /* 16 */
        "5555555555554444",    /* 16 */
        "6304000000000000000", /* 19: the test below counts its check digit */
    };

    (void)state;
    for (size_t i = 0; i + 1 < ARRAY_LENGTH(cards); i++) {
        if (!text_has_card_number(cards[i]))
            fail_msg("missed %s", cards[i]);
    }
    int caught = 0;
    for (int check = '0'; check <= '9'; check++) {
        char number[20];
        snprintf(number, sizeof number, "630400000000000000%c", check);
        caught += text_has_card_number(number);
    }
    assert_int_equal(caught, 1);
}

static void catches_them_as_people_write_them(void **state)
{
    static const char *const texts[] = {
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242-4242 42424242",
        "3782 822463 10005",
        "4242.4242.4242.4242",
        "3782.822463.10005",
        "pay 4242.4242.4242.4242.",
        "4242.4242.4242.4242 123",
        "my card is 4242424242424242.",
        "card:4242424242424242,cvc:123",
        "4242424242424242 12/29",
        "4242 4242 4242 4242 123",
        "123 4242 4242 4242 4242",
        "on 2026-11-22: 4242424242424242",
        ("\xe5\x8f\xb7"
         "4242424242424242\xe5\x8f\xb7"),
        "(4242424242424242)",
        "tok_4242424242424242",
        "A4 4242424242424242",
        "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b 4242424242424242",
        "4242424242424242 0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (!text_has_card_number(texts[i]))
            fail_msg("missed '%s'", texts[i]);
    }
}

static void a_wrong_check_digit_is_no_card(void **state)
{
    (void)state;
    for (int check = '0'; check <= '9'; check++) {
        char number[17];
        snprintf(number, sizeof number, "424242424242424%c", check);
        assert_int_equal(text_has_card_number(number), check == '2');
    }
}

static void leaves_other_text_alone(void **state)
{
    static const char *const texts[] = {
        "",
        "premium-monthly",
        "424242424242",         /* 12 digits */
        "42424242424242424242", /* 20 */
        "4242  4242 4242 4242", /* two blanks are no grouping */
        "4242/4242/4242/4242",
        "4242.4242 4242.4242", /* two decimals */
        "4242.424242424242",   /* one */
        "42424242.42424242",   /* one */
        "42.42.42.42.42.42.42.42",
        "424.242.424.242.424.2", /* an amount as some countries write it */
        "4242424242424242a",     /* of a hexadecimal token */
        "f4242424242424242",
        "9f4242424242424242",
        "0000000000000000",
        "2026-11-22T10:11:12.123456Z",
        "+49 170 1234567",
        "1.0.0-rc.1",
        "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
        "01905555-5555-7555-8444-424242424242", /* a UUID of digits alone */
        ("customers/01905555-5555-7555-8444-424242424242/payments/"
         "0190A1B2-4242-7242-8242-424242424242"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (text_has_card_number(texts[i]))
            fail_msg("tripped over '%s'", texts[i]);
    }
}

static void does_not_trip_over_names_made_of_a_million_ids(void **state)
{
    int64_t now_us = 1795342272LL * US_PER_SECOND;

    (void)state;
    for (int i = 0; i < 500000; i++) {
        char customer[UUID_TEXT_LENGTH + 1], payment[UUID_TEXT_LENGTH + 1], name[128];
        now_us += 1234567;
        uuid_format(uuid_make(random_system(), now_us), customer);
        uuid_format(uuid_make(random_system(), now_us), payment);
        snprintf(name, sizeof name, "customers/%s/payments/%s", customer, payment);
        if (text_has_card_number(name))
            fail_msg("tripped over '%s'", name);
    }
}

/* A random UUID where a single field is digits alone, as a request_id, with words around it. */
static void does_not_trip_over_ids_of_digits(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char id[UUID_TEXT_LENGTH + 1], text[64];
        struct uuid uuid = uuid_make(random_system(), 0x123456789012LL * US_PER_MS);
        for (size_t j = 6; j < sizeof uuid.bytes; j++) {
            uint8_t random = uuid.bytes[j];
            uuid.bytes[j] = (uint8_t)((random >> 4) % 10 << 4 | (random & 0x0f) % 10);
        }
        uuid_format(uuid, id);
        snprintf(text, sizeof text, "charge-%s-1", id);
        if (text_has_card_number(id) || text_has_card_number(text))
            fail_msg("tripped over '%s'", text);
    }
}

static void does_not_trip_over_hashes(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        unsigned char hash[32];
        char text[65];
        random_fill(random_system(), hash, sizeof hash);
        hex_encode(hash, sizeof hash, text);
        /* Only a hash that is digits from end to end could, and none is. */
        if (text_has_card_number(text))
            fail_msg("tripped over '%s'", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catches_numbers_of_every_length),
        cmocka_unit_test(catches_them_as_people_write_them),
        cmocka_unit_test(a_wrong_check_digit_is_no_card),
        cmocka_unit_test(leaves_other_text_alone),
        cmocka_unit_test(does_not_trip_over_names_made_of_a_million_ids),
        cmocka_unit_test(does_not_trip_over_ids_of_digits),
        cmocka_unit_test(does_not_trip_over_hashes),
    };
    return cmocka_run_group_tests_name("card number", tests, NULL, NULL);
}
