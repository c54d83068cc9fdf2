/*
 * Errors in their wire form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "rpc/status.h"

static int setup(void **state)
{
    *state = arena_new(1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static Google__Rpc__Status *wire_form(struct arena *arena, const struct error *error, size_t *size)
{
    const uint8_t *bytes = rpc_status_pack(arena, error, "0123", size);

    return google__rpc__status__unpack(NULL, *size, bytes);
}

static bool has_detail(const Google__Rpc__Status *status, const char *type)
{
    for (size_t i = 0; i < status->n_details; i++) {
        if (strcmp(status->details[i]->type_url, type) == 0)
            return true;
    }
    return false;
}

static void says_the_reason_and_the_trace(void **state)
{
    size_t size;
    const struct error *error =
        error_make(*state, STATUS_NOT_FOUND, "PAYMENT_NOT_FOUND", "no such payment");

    Google__Rpc__Status *status = wire_form(*state, error, &size);

    assert_int_equal(status->code, 5);
    assert_string_equal(status->message, "no such payment");
    assert_int_equal(status->n_details, 2);
    assert_true(has_detail(status, "type.googleapis.com/google.rpc.ErrorInfo"));
    assert_true(has_detail(status, "type.googleapis.com/google.rpc.RequestInfo"));
    google__rpc__status__free_unpacked(status, NULL);
}

static void says_when_to_try_again(void **state)
{
    size_t size;
    const struct error *error =
        error_retry(error_make(*state, STATUS_ABORTED, "CONCURRENT_CHANGE", "try again"), 1500);

    Google__Rpc__Status *status = wire_form(*state, error, &size);
    const Google__Protobuf__Any *any = status->details[1];
    Google__Rpc__RetryInfo *retry =
        google__rpc__retry_info__unpack(NULL, any->value.len, any->value.data);

    assert_string_equal(any->type_url, "type.googleapis.com/google.rpc.RetryInfo");
    assert_int_equal(retry->retry_delay->seconds, 1);
    assert_int_equal(retry->retry_delay->nanos, 500000000);
    google__rpc__retry_info__free_unpacked(retry, NULL);
    google__rpc__status__free_unpacked(status, NULL);
}

static void never_says_the_cause(void **state)
{
    size_t size;
    const struct error *error =
        error_cause(*state, error_make(*state, STATUS_INTERNAL, "INTERNAL", "the private message"),
                    "the private cause");

    const uint8_t *bytes = rpc_status_pack(*state, error, "0123", &size);

    assert_null(memmem(bytes, size, "private", 7));
    assert_non_null(memmem(bytes, size, "internal error", 14));
}

static void fits_the_metadata_of_every_client(void **state)
{
    struct error *error =
        error_make(*state, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", "%02000d", 1);
    size_t size;

    for (size_t i = 0; i < ERROR_FIELDS_MAX; i++)
        error->fields[error->field_count++] = (struct field_error){
            .field = "payment.description", .description = arena_printf(*state, "%0900d", 1)};
    Google__Rpc__Status *status = wire_form(*state, error, &size);

    assert_non_null(status);
    assert_true(size <= STATUS_DETAILS_SIZE_MAX);
    assert_true(has_detail(status, "type.googleapis.com/google.rpc.BadRequest"));
    google__rpc__status__free_unpacked(status, NULL);
}

static void cuts_a_message_between_characters(void **state)
{
    char text[STATUS_MESSAGE_LENGTH_MAX + 32] = "";
    size_t size;

    /* Three bytes each, and 512 is no multiple of three. */
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 4);
    Google__Rpc__Status *status = wire_form(
        *state, error_make(*state, STATUS_ABORTED, "CONCURRENT_CHANGE", "%s", text), &size);

    assert_true(text_is_utf8(status->message, strlen(status->message)));
    assert_int_equal(strlen(status->message), 510);
    google__rpc__status__free_unpacked(status, NULL);
}

#define STATUS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATUS_TEST(says_the_reason_and_the_trace),
        STATUS_TEST(says_when_to_try_again),
        STATUS_TEST(never_says_the_cause),
        STATUS_TEST(fits_the_metadata_of_every_client),
        STATUS_TEST(cuts_a_message_between_characters),
    };

    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
