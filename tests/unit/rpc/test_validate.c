/*
 * The walk over the wire format: what no request of ours can show by itself (nesting, lists, maps),
 * shown on other messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "rpc/validate.h"

struct fixture {
    struct arena *arena;
    struct call call;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->arena = arena_new(1024 * 1024);
    f->call.arena = f->arena;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(f->arena);
    free(f);
    return 0;
}

static const struct error *check(struct fixture *f, const ProtobufCMessageDescriptor *type,
                                 const char *bytes, size_t size)
{
    return validate_message(&f->call, type, (const uint8_t *)bytes, size, false);
}

/* A message type that contains itself: the contract has none, a mistake could make one. */
static ProtobufCMessageDescriptor endless;
static const ProtobufCFieldDescriptor endless_fields[] = {
    {.name = "inner",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .descriptor = &endless},
};
static const ProtobufCIntRange endless_ranges[] = {{1, 0}, {0, 1}};

static size_t nest(uint8_t *bytes, size_t size, int depth)
{
    uint8_t *start = bytes + size;

    for (int i = 0; i < depth; i++) {
        size_t inner = (size_t)(bytes + size - start);
        if (inner < 128) {
            *--start = (uint8_t)inner;
        } else {
            *--start = (uint8_t)(inner >> 7);
            *--start = (uint8_t)((inner & 0x7f) | 0x80);
        }
        *--start = 0x0a;
    }
    size_t used = (size_t)(bytes + size - start);
    memmove(bytes, start, used);
    return used;
}

static void stops_at_a_depth(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[4096];

    endless.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC;
    endless.n_fields = 1;
    endless.fields = endless_fields;
    endless.n_field_ranges = 1;
    endless.field_ranges = endless_ranges;

    size_t size = nest(bytes, sizeof bytes, MESSAGE_DEPTH_MAX);
    assert_null(validate_message(&f->call, &endless, bytes, size, false));
    size = nest(bytes, sizeof bytes, 1000);
    const struct error *error = validate_message(&f->call, &endless, bytes, size, false);
    assert_non_null(error);
    assert_string_equal(error->reason, "MALFORMED_REQUEST");
}

static void says_which_of_a_list_is_wrong(void **state)
{
    /* field_violations = 1 { field = 1 } three times, the last with a control character */
    static const char bytes[] = "\x0a\x03\x0a\x01"
                                "a\x0a\x03\x0a\x01"
                                "b\x0a\x03\x0a\x01\x01";

    const struct error *error =
        check(*state, &google__rpc__bad_request__descriptor, bytes, sizeof bytes - 1);

    assert_non_null(error);
    assert_int_equal(error->field_count, 1);
    assert_string_equal(error->fields[0].field, "field_violations[2].field");
    assert_string_equal(error->message,
                        "field field_violations[2].field must not contain control characters");
}

static void looks_into_maps(void **state)
{
    /* ErrorInfo.metadata = 3 { key = 1, value = 2 } */
    static const char bytes[] = "\x1a\x06\x0a\x01k\x12\x01\x01";

    const struct error *error =
        check(*state, &google__rpc__error_info__descriptor, bytes, sizeof bytes - 1);

    assert_non_null(error);
    assert_string_equal(error->fields[0].field, "metadata[0].value");
}

static void reports_at_most_sixteen_fields(void **state)
{
    struct fixture *f = *state;
    char bytes[400];

    for (size_t i = 0; i < 100; i++)
        memcpy(bytes + 4 * i, "\x0a\x02\x0a\x00", 4);
    assert_null(check(f, &google__rpc__bad_request__descriptor, bytes, sizeof bytes));
    for (size_t i = 0; i < 133; i++)
        memcpy(bytes + 3 * i, "\x12\x01\x01", 3); /* Status.message */
    const struct error *error = check(f, &google__rpc__status__descriptor, bytes, 399);

    assert_non_null(error);
    assert_int_equal(error->field_count, ERROR_FIELDS_MAX);
}

#define VALIDATE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALIDATE_TEST(stops_at_a_depth),
        VALIDATE_TEST(says_which_of_a_list_is_wrong),
        VALIDATE_TEST(looks_into_maps),
        VALIDATE_TEST(reports_at_most_sixteen_fields),
    };

    return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
