/*
 * Checks of fields: each wrong value is reported with the name of its field, all in one answer.
 */

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/time.h"

#define ID    "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
#define TEN   "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN

struct fixture {
    struct call call;
    struct field_errors errors;
};

static int given_call(void **state)
{
    static struct fixture f;

    f = (struct fixture){.call = {.arena = arena_new(1 << 20)}};
    f.errors.call = &f.call;
    *state = &f;
    return 0;
}

static int end_call(void **state)
{
    struct fixture *f = *state;

    arena_free(f->call.arena);
    return 0;
}

static void assert_right(struct fixture *f, const char *what)
{
    if (f->errors.count != 0)
        fail_msg("'%s' was refused: %s %s", what, f->errors.list[0].field,
                 f->errors.list[0].description);
}

/* One violation, of `field`, with a description; then forgets it. */
static void assert_wrong(struct fixture *f, const char *field, const char *what)
{
    if (f->errors.count != 1)
        fail_msg("'%s' made %zu violations", what, f->errors.count);
    assert_string_equal(f->errors.list[0].field, field);
    assert_true(strlen(f->errors.list[0].description) > 0);
    f->errors.count = 0;
}

static void nothing_wrong_is_no_error(void **state)
{
    struct fixture *f = *state;

    assert_null(field_errors_result(&f->errors));
}

static void one_wrong_field_is_told_in_the_message(void **state)
{
    struct fixture *f = *state;

    check_text(&f->errors, "display_name", "", 1, 64);

    const struct error *error = field_errors_result(&f->errors);
    assert_non_null(error);
    assert_int_equal(error->status, STATUS_INVALID_ARGUMENT);
    assert_string_equal(error->reason, "INVALID_FIELD");
    assert_string_equal(error->message, "field display_name must not be empty");
    assert_int_equal(error->field_count, 1);
    assert_string_equal(error->fields[0].field, "display_name");
    assert_string_equal(error->fields[0].description, "must not be empty");
    assert_string_equal(error->metadata[0].key, "field");
    assert_string_equal(error->metadata[0].value, "display_name");
}

static void all_wrong_fields_are_told_at_once(void **state)
{
    struct fixture *f = *state;
    struct money amount;
    struct uuid id;

    check_email(&f->errors, "email", "nobody");
    check_money(&f->errors, "amount", true, "usd", 0, &amount);
    check_name(&f->errors, "parent", "customers/1", "customers/{}", &id, 1);

    const struct error *error = field_errors_result(&f->errors);
    assert_int_equal(error->field_count, 4);
    assert_string_equal(error->fields[0].field, "email");
    assert_string_equal(error->fields[1].field, "amount.currency_code");
    assert_string_equal(error->fields[2].field, "amount.minor_units");
    assert_string_equal(error->fields[3].field, "parent");
    assert_string_equal(
        error->fields[3].description,
        "must be a resource name of the form 'customers/{customer}', each id a UUID in "
        "lower case as the server gave it");
}

static void never_more_than_fit_into_an_answer(void **state)
{
    struct fixture *f = *state;
    struct money money = {.minor_units = 7};

    for (int i = 0; i < ERROR_FIELDS_MAX + 10; i++)
        field_error_add(&f->errors, "field", "is wrong in way %d", i);
    check_money(&f->errors, "amount", true, "usd", 0, &money);

    const struct error *error = field_errors_result(&f->errors);
    assert_int_equal(error->field_count, ERROR_FIELDS_MAX);
    assert_string_equal(error->fields[ERROR_FIELDS_MAX - 1].description, "is wrong in way 15");
    assert_int_equal(money.minor_units, 7);
}

static void text_is_counted_in_characters(void **state)
{
    struct fixture *f = *state;

    check_text(&f->errors, "f", "Zoë名", 4, 4);
    check_text(&f->errors, "f", "", 0, 4);
    check_text(&f->errors, "f", NULL, 0, 4);
    assert_right(f, "four characters");

    check_text(&f->errors, "f", "Zoë名x", 1, 4);
    assert_wrong(f, "f", "too long");
    check_text(&f->errors, "f", "ab", 3, 4);
    assert_wrong(f, "f", "too short");
    check_text(&f->errors, "f", NULL, 1, 4);
    assert_wrong(f, "f", "NULL");
}

static void tokens_have_a_small_alphabet(void **state)
{
    static const char *const wrong[] = {"", "a b", "a.b", "a/b", "é", "a\n", SIXTY "abcde"};
    struct fixture *f = *state;

    check_token(&f->errors, "request_id", "A-z_09", 1, 64);
    check_token(&f->errors, "request_id", SIXTY "abcd", 1, 64);
    check_token(&f->errors, "request_id", "", 0, 64);
    check_token(&f->errors, "request_id", NULL, 0, 64);
    assert_right(f, "a token");

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        check_token(&f->errors, "request_id", wrong[i], 1, 64);
        assert_wrong(f, "request_id", wrong[i]);
    }
}

static void knows_an_email_address(void **state)
{
    static const char *const right[] = {
        "a@b.co",
        "first.last+tag@sub.example.com",
        "o'brien@example.ie",
        "x_y-z@1-2.example",
        "A@EXAMPLE.COM",
        SIXTY "abcd@example.com",
    };
    static const char *const wrong[] = {
        "",
        "a",
        "@",
        "a@",
        "@b.co",
        "a@b",
        "a@b.",
        "a@.co",
        "a@b..co",
        "a@-b.co",
        "a@b-.co",
        "a@b.co-",
        "a b@c.de",
        "a@b c.de",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.de",
        "a@b@c.de",
        "\"a\"@b.co",
        "a@[127.0.0.1]",
        "a@b.co\n",
        "zoë@example.com",
        "zoe@exämple.com",
        SIXTY "abcde@example.com",
        "a@" SIXTY "abcd.com",
        "a@" SIXTY "." SIXTY "." SIXTY "." SIXTY "." SIXTY ".com",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
        check_email(&f->errors, "email", right[i]);
        assert_right(f, right[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        check_email(&f->errors, "email", wrong[i]);
        assert_wrong(f, "email", wrong[i]);
    }
}

static void money_has_bounds_and_a_currency(void **state)
{
    struct fixture *f = *state;
    struct money money = {.minor_units = -7};

    check_money(&f->errors, "amount", true, "USD", 1, &money);
    assert_right(f, "one cent");
    assert_int_equal(money.minor_units, 1);
    assert_string_equal(money.currency, "USD");
    check_money(&f->errors, "amount", true, "JPY", MONEY_MINOR_UNITS_MAX, &money);
    assert_right(f, "the largest");

    money.minor_units = -7;
    check_money(&f->errors, "amount", true, "USD", 0, &money);
    assert_wrong(f, "amount.minor_units", "0");
    check_money(&f->errors, "amount", true, "USD", -1, &money);
    assert_wrong(f, "amount.minor_units", "-1");
    check_money(&f->errors, "amount", true, "USD", MONEY_MINOR_UNITS_MAX + 1, &money);
    assert_wrong(f, "amount.minor_units", "above the largest");
    check_money(&f->errors, "amount", true, "USD", INT64_MIN, &money);
    assert_wrong(f, "amount.minor_units", "INT64_MIN");
    check_money(&f->errors, "amount", true, "XYZ", 1, &money);
    assert_wrong(f, "amount.currency_code", "XYZ");
    check_money(&f->errors, "amount", true, NULL, 1, &money);
    assert_wrong(f, "amount.currency_code", "NULL");
    check_money(&f->errors, "amount", false, "USD", 1, &money);
    assert_wrong(f, "amount", "absent");
    assert_int_equal(money.minor_units, -7);
}

static void names_are_read_by_their_pattern(void **state)
{
    struct fixture *f = *state;
    struct uuid ids[2] = {UUID_NIL, UUID_NIL};
    const char *pattern = "customers/{}/payments/{}";

    check_name(&f->errors, "name", "customers/" ID "/payments/" ID, pattern, ids, 2);
    assert_right(f, "a payment");
    assert_false(uuid_is_nil(ids[1]));

    check_name(&f->errors, "name", "", pattern, ids, 2);
    assert_wrong(f, "name", "");
    check_name(&f->errors, "name", NULL, pattern, ids, 2);
    assert_wrong(f, "name", "NULL");
    check_name(&f->errors, "name", "customers/" ID "/refunds/" ID, pattern, ids, 2);
    assert_string_equal(
        f->errors.list[0].description,
        "must be a resource name of the form 'customers/{customer}/payments/{payment}', each "
        "id a UUID in lower case as the server gave it");
    assert_wrong(f, "name", "a refund");
}

static void catalogue_names_have_readable_ids(void **state)
{
    static const char *const wrong[] = {
        "",          "plans",     "plans/",     "plans/-a", "plans/a-", "plans/A",
        "plans/a_b", "plans/a/b", "tiers/free", "plansx/a", "plans/é",  "plans/" SIXTY "abcd",
    };
    struct fixture *f = *state;
    const char *id = NULL;

    check_catalogue_name(&f->errors, "plan", "plans/premium-monthly", "plans", &id);
    assert_right(f, "a plan");
    assert_string_equal(id, "premium-monthly");

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        check_catalogue_name(&f->errors, "plan", wrong[i], "plans", &id);
        assert_wrong(f, "plan", wrong[i]);
    }
    assert_string_equal(id, "premium-monthly");
}

static void page_sizes_follow_aip_158(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(check_page_size(&f->errors, "page_size", 0), 50);
    assert_int_equal(check_page_size(&f->errors, "page_size", 1), 1);
    assert_int_equal(check_page_size(&f->errors, "page_size", 100), 100);
    assert_int_equal(check_page_size(&f->errors, "page_size", 101), 100);
    assert_int_equal(check_page_size(&f->errors, "page_size", INT32_MAX), 100);
    assert_right(f, "page sizes");

    check_page_size(&f->errors, "page_size", -1);
    assert_wrong(f, "page_size", "-1");
    check_page_size(&f->errors, "page_size", INT32_MIN);
    assert_wrong(f, "page_size", "INT32_MIN");
}

static void timestamps_have_the_range_of_protobuf(void **state)
{
    struct fixture *f = *state;
    int64_t time_us = 7;

    check_timestamp(&f->errors, "t", true, 1, 999, &time_us);
    assert_int_equal(time_us, US_PER_SECOND);
    check_timestamp(&f->errors, "t", true, -62135596800LL, 0, &time_us);
    assert_int_equal(time_us, TIME_US_MIN);
    check_timestamp(&f->errors, "t", true, 253402300799LL, 999999999, &time_us);
    assert_int_equal(time_us, TIME_US_MAX);
    assert_right(f, "the whole range");

    time_us = 7;
    check_timestamp(&f->errors, "t", false, 1, 0, &time_us);
    assert_wrong(f, "t", "absent");
    check_timestamp(&f->errors, "t", true, 1, -1, &time_us);
    assert_wrong(f, "t", "negative nanos");
    check_timestamp(&f->errors, "t", true, 1, 1000000000, &time_us);
    assert_wrong(f, "t", "a second of nanos");
    check_timestamp(&f->errors, "t", true, -62135596801LL, 0, &time_us);
    assert_wrong(f, "t", "year 0");
    check_timestamp(&f->errors, "t", true, 253402300800LL, 0, &time_us);
    assert_wrong(f, "t", "year 10000");
    check_timestamp(&f->errors, "t", true, INT64_MAX, 0, &time_us);
    assert_wrong(f, "t", "INT64_MAX");
    check_timestamp(&f->errors, "t", true, INT64_MIN, 0, &time_us);
    assert_wrong(f, "t", "INT64_MIN");
    assert_int_equal(time_us, 7);
}

static void descriptions_never_repeat_the_value(void **state)
{
    static const char secret[] = "hunter2 hunter2@";
    struct fixture *f = *state;
    struct uuid id;
    const char *plan;
    struct money money;

    check_text(&f->errors, "f", secret, 1, 2);
    check_token(&f->errors, "f", secret, 1, 64);
    check_email(&f->errors, "f", secret);
    check_money(&f->errors, "f", true, secret, 1, &money);
    check_name(&f->errors, "f", secret, "customers/{}", &id, 1);
    check_catalogue_name(&f->errors, "f", secret, "plans", &plan);

    assert_int_equal(f->errors.count, 6);
    for (size_t i = 0; i < f->errors.count; i++)
        assert_null(strstr(f->errors.list[i].description, "hunter2"));
}

int main(void)
{
#define CHECK_TEST(name) cmocka_unit_test_setup_teardown(name, given_call, end_call)
    const struct CMUnitTest tests[] = {
        CHECK_TEST(nothing_wrong_is_no_error),
        CHECK_TEST(one_wrong_field_is_told_in_the_message),
        CHECK_TEST(all_wrong_fields_are_told_at_once),
        CHECK_TEST(never_more_than_fit_into_an_answer),
        CHECK_TEST(text_is_counted_in_characters),
        CHECK_TEST(tokens_have_a_small_alphabet),
        CHECK_TEST(knows_an_email_address),
        CHECK_TEST(money_has_bounds_and_a_currency),
        CHECK_TEST(names_are_read_by_their_pattern),
        CHECK_TEST(catalogue_names_have_readable_ids),
        CHECK_TEST(page_sizes_follow_aip_158),
        CHECK_TEST(timestamps_have_the_range_of_protobuf),
        CHECK_TEST(descriptions_never_repeat_the_value),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
