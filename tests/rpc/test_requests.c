/*
 * Requests that no honest client sends.  Bytes are written by hand, because libraries would refuse
 * to make them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/call.h"
#include "support/rpc_bare.h"

struct fixture {
    struct rpc_bare *bare;
    struct dues_client *client;
    struct dues_answer *answer;
};

/* A message under construction. */
struct bytes_maker {
    uint8_t bytes[80000];
    size_t size;
};

static struct bytes_maker maker;

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->bare = rpc_bare_new(NULL);
    f->client = rpc_bare_client(f->bare, f->bare->service);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dues_client_close(f->client);
    rpc_bare_free(f->bare);
    free(f);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    maker.size = 0;
    return 0;
}

static int forget_answer(void **state)
{
    struct fixture *f = *state;

    dues_answer_free(f->answer);
    f->answer = NULL;
    return 0;
}

static void put(const void *bytes, size_t size)
{
    memcpy(maker.bytes + maker.size, bytes, size);
    maker.size += size;
}

static void put_varint(uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)(value & 0x7f);
        value >>= 7;
        if (value != 0)
            byte |= 0x80;
        put(&byte, 1);
    } while (value != 0);
}

static void put_string(uint32_t number, const void *text, size_t size)
{
    put_varint(number << 3 | 2);
    put_varint(size);
    put(text, size);
}

static void put_number(uint32_t number, uint64_t value)
{
    put_varint(number << 3);
    put_varint(value);
}

static const struct dues_answer *send_to(struct fixture *f, const char *method)
{
    dues_answer_free(f->answer);
    f->answer = rpc_bare_bytes(f->client, method, maker.bytes, maker.size);
    return f->answer;
}

static void assert_invalid(const struct dues_answer *answer, const char *reason, const char *field)
{
    assert_int_equal(answer->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(answer->reason, reason);
    if (field == NULL) {
        assert_int_equal(answer->field_count, 0);
        return;
    }
    assert_true(answer->field_count >= 1);
    assert_string_equal(answer->fields[0].field, field);
}

/* GetPayment: name = 1 */
static void assert_name_refused(struct fixture *f, const char *text, size_t size)
{
    maker.size = 0;
    put_string(1, text, size);
    assert_invalid(send_to(f, "GetPayment"), "INVALID_FIELD", "name");
}

static void refuses_bytes_that_are_no_message(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } broken[] = {
        {"\xff\xff\xff\xff", 4}, /* a tag without end */
        {"\x0a\x05"
         "abc",
         5},                             /* a length past the end */
        {"\x0a\xff\xff\xff\xff\x0f", 6}, /* 4 GiB */
        {"\x0b\x0c", 2},                 /* a group */
        {"\x00\x01", 2},                 /* field 0 */
        {"\x0f", 1},                     /* wire type 7 */
        {"\x08\x01", 2},                 /* a number where a string is */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        maker.size = 0;
        put(broken[i].bytes, broken[i].size);
        assert_invalid(send_to(f, "GetPayment"), "MALFORMED_REQUEST", NULL);
    }
}

static void refuses_a_nul_inside_a_string(void **state)
{
    assert_name_refused(*state, "customers/1\0/payments/2", 23);
    assert_name_refused(*state, "\0", 1);
}

static void refuses_invalid_utf8(void **state)
{
    static const char *const texts[] = {
        "\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "abc\xc3", "\xe2\x28\xa1",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_name_refused(*state, texts[i], strlen(texts[i]));
}

static void refuses_control_characters(void **state)
{
    static const char *const texts[] = {"a\nb", "a\rb", "a\tb", "\x1b[2J", "\x7f", "\xc2\x85"};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_name_refused(*state, texts[i], strlen(texts[i]));
}

static void refuses_strings_of_more_than_eight_kilobytes(void **state)
{
    static char text[8193];
    struct fixture *f = *state;

    memset(text, 'a', sizeof text);
    assert_name_refused(f, text, 8193);
    maker.size = 0;
    put_string(1, text, 8192);
    assert_int_equal(send_to(f, "GetPayment")->status, DUES_OK);
}

/* CreatePayment: payment = 2 {capture_mode = 5, description = 9, amount = 2 {currency_code = 1}} */
static void refuses_enum_values_that_do_not_exist(void **state)
{
    static const uint64_t values[] = {3, 99, 0xffffffffffffffff};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        struct bytes_maker inner;
        maker.size = 0;
        put_number(5, values[i]);
        inner = maker;
        maker.size = 0;
        put_string(2, inner.bytes, inner.size);
        assert_invalid(send_to(f, "CreatePayment"), "INVALID_FIELD", "payment.capture_mode");
    }
}

static void names_the_whole_path_of_a_field(void **state)
{
    static const uint8_t amount[] = {0x12, 0x03, 0x0a, 0x01, 0x01}; /* amount.currency_code */

    put_string(2, amount, sizeof amount);

    assert_invalid(send_to(*state, "CreatePayment"), "INVALID_FIELD",
                   "payment.amount.currency_code");
}

static void names_all_wrong_fields_at_once(void **state)
{
    struct fixture *f = *state;

    put_string(1, "\x01", 1);
    put_string(3, "\xff", 1);
    const struct dues_answer *answer = send_to(f, "CreatePayment");

    assert_invalid(answer, "INVALID_FIELD", "parent");
    assert_int_equal(answer->field_count, 2);
    assert_string_equal(answer->fields[1].field, "request_id");
}

static void refuses_card_numbers_in_any_string_and_does_not_log_them(void **state)
{
    static const char *const texts[] = {
        "4242424242424242",    "4242 4242 4242 4242",
        "4242-4242-4242-4242", "my card is 5555555555554444, thanks",
        "378282246310005",     "6011000990139424",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct bytes_maker inner;
        maker.size = 0;
        put_string(9, texts[i], strlen(texts[i]));
        inner = maker;
        maker.size = 0;
        put_string(2, inner.bytes, inner.size);
        const struct dues_answer *answer = send_to(f, "CreatePayment");
        assert_invalid(answer, "CARD_NUMBER_REFUSED", "payment.description");
        assert_null(strstr(answer->message, texts[i]));
        assert_null(strstr(answer->fields[0].description, texts[i]));
        assert_false(rpc_bare_log_has(f->bare, texts[i]));
    }
}

static void refuses_card_numbers_as_names_and_ids_too(void **state)
{
    struct fixture *f = *state;

    put_string(1, "customers/4242424242424242", 26);
    assert_invalid(send_to(f, "GetPayment"), "CARD_NUMBER_REFUSED", "name");
    maker.size = 0;
    put_string(3, "4242424242424242", 16);
    assert_invalid(send_to(f, "CreatePayment"), "CARD_NUMBER_REFUSED", "request_id");
    assert_false(rpc_bare_log_has(f->bare, "4242424242424242"));
}

static void takes_ids_that_look_like_card_numbers(void **state)
{
    /* The last two groups hold sixteen digits that pass the Luhn check. */
    static const char name[] = "customers/0198c0de-0000-7abc-4242-424242424242";
    struct fixture *f = *state;

    put_string(1, name, sizeof name - 1);

    assert_int_equal(send_to(f, "GetPayment")->status, DUES_OK);
}

static void refuses_unknown_fields_where_money_moves(void **state)
{
    static const uint8_t inner[] = {0xf8, 0x06, 0x01}; /* field 111 of the payment */
    struct fixture *f = *state;

    put_string(2, inner, sizeof inner);
    put_string(3, "id-1", 4);
    assert_invalid(send_to(f, "CreatePayment"), "INVALID_FIELD", "payment.111");
    maker.size = 0;
    put_number(77, 1);
    assert_invalid(send_to(f, "CreatePayment"), "INVALID_FIELD", "77");
}

static void ignores_unknown_fields_elsewhere(void **state)
{
    struct fixture *f = *state;

    put_string(1, "a", 1);
    put_number(77, 1);
    put_string(78, "x", 1);

    assert_int_equal(send_to(f, "GetPayment")->status, DUES_OK);
}

static void bounds_the_number_of_fields(void **state)
{
    struct fixture *f = *state;

    /* 30,000 unknown fields of two bytes would become megabytes. */
    for (int i = 0; i < 30000; i++)
        put_number(15, 1);
    const struct dues_answer *answer = send_to(f, "GetPayment");

    assert_int_equal(answer->status, DUES_RESOURCE_EXHAUSTED);
    assert_string_equal(answer->reason, "REQUEST_TOO_LARGE");
}

static void bounds_the_size_of_a_request(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 70; i++) {
        static char text[1000];
        memset(text, 'a', sizeof text);
        put_string(1, text, sizeof text);
    }
    assert_int_equal(send_to(f, "GetPayment")->status, DUES_RESOURCE_EXHAUSTED);
    maker.size = 0;
    put_string(1, "a", 1);
    assert_int_equal(send_to(f, "GetPayment")->status, DUES_OK);
}

static void takes_an_empty_message(void **state)
{
    assert_int_equal(send_to(*state, "GetPayment")->status, DUES_OK);
}

static void takes_the_last_of_a_repeated_single_field(void **state)
{
    struct fixture *f = *state;

    put_string(1, "first", 5);
    put_string(1, "second", 6);
    const struct dues_answer *answer = send_to(f, "GetPayment");

    assert_int_equal(answer->status, DUES_OK);
    assert_non_null(memmem(answer->reply_bytes, answer->reply_size, "second", 6));
}

static void checks_every_copy_of_a_repeated_single_field(void **state)
{
    struct fixture *f = *state;

    put_string(1, "4242424242424242", 16);
    put_string(1, "second", 6);

    assert_invalid(send_to(f, "GetPayment"), "CARD_NUMBER_REFUSED", "name");
}

#define REQUEST_TEST(test) cmocka_unit_test_setup_teardown(test, begin, forget_answer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REQUEST_TEST(refuses_bytes_that_are_no_message),
        REQUEST_TEST(refuses_a_nul_inside_a_string),
        REQUEST_TEST(refuses_invalid_utf8),
        REQUEST_TEST(refuses_control_characters),
        REQUEST_TEST(refuses_strings_of_more_than_eight_kilobytes),
        REQUEST_TEST(refuses_enum_values_that_do_not_exist),
        REQUEST_TEST(names_the_whole_path_of_a_field),
        REQUEST_TEST(names_all_wrong_fields_at_once),
        REQUEST_TEST(refuses_card_numbers_in_any_string_and_does_not_log_them),
        REQUEST_TEST(refuses_card_numbers_as_names_and_ids_too),
        REQUEST_TEST(takes_ids_that_look_like_card_numbers),
        REQUEST_TEST(refuses_unknown_fields_where_money_moves),
        REQUEST_TEST(ignores_unknown_fields_elsewhere),
        REQUEST_TEST(bounds_the_number_of_fields),
        REQUEST_TEST(bounds_the_size_of_a_request),
        REQUEST_TEST(takes_an_empty_message),
        REQUEST_TEST(takes_the_last_of_a_repeated_single_field),
        REQUEST_TEST(checks_every_copy_of_a_repeated_single_field),
    };

    return cmocka_run_group_tests_name("requests", tests, setup, teardown);
}
