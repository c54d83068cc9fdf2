/*
 * Parameters as they go over the wire.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pg/params.h"

static struct pg_encoded encode(struct pg_param param)
{
    struct pg_encoded encoded;
    const struct pg_params params = {.list = &param, .count = 1};

    pg_encode(&params, &encoded);
    return encoded;
}

static void check_bytes(struct pg_param param, Oid type, const char *bytes, size_t size)
{
    /* `values` points into `scratch`, so it must not be a copy that is looked at. */
    struct pg_encoded encoded;
    const struct pg_params params = {.list = &param, .count = 1};

    pg_encode(&params, &encoded);
    assert_int_equal(encoded.types[0], type);
    assert_int_equal(encoded.formats[0], 1);
    assert_int_equal(encoded.lengths[0], size);
    assert_memory_equal(encoded.values[0], bytes, size);
}

static void sends_numbers_in_network_order(void **state)
{
    (void)state;
    check_bytes(pg_int64(0x0102030405060708), 20, "\1\2\3\4\5\6\7\10", 8);
    check_bytes(pg_int64(-2), 20, "\xff\xff\xff\xff\xff\xff\xff\xfe", 8);
    check_bytes(pg_int64(INT64_MIN), 20, "\x80\0\0\0\0\0\0\0", 8);
    check_bytes(pg_int32(0x01020304), 23, "\1\2\3\4", 4);
    check_bytes(pg_int32(-1), 23, "\xff\xff\xff\xff", 4);
    check_bytes(pg_bool(true), 16, "\1", 1);
    check_bytes(pg_bool(false), 16, "\0", 1);
}

static void counts_time_from_2000(void **state)
{
    (void)state;
    check_bytes(pg_time(946684800000000), 1184, "\0\0\0\0\0\0\0\0", 8);
    check_bytes(pg_time(946684800000001), 1184, "\0\0\0\0\0\0\0\1", 8);
    check_bytes(pg_time(946684799999999), 1184, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}

static void sends_ids_and_bytes_as_they_are(void **state)
{
    struct uuid id = {.bytes = {1, 2, 3, [15] = 16}};

    (void)state;
    check_bytes(pg_uuid(id), 2950, (const char *)id.bytes, 16);
    check_bytes(pg_uuid_or_null(id), 2950, (const char *)id.bytes, 16);
    check_bytes(pg_bytes("a\0b", 3), 17, "a\0b", 3);
    check_bytes(pg_bytes("", 0), 17, "", 0);
}

static void lets_the_server_infer_the_type_of_text(void **state)
{
    struct pg_encoded encoded = encode(pg_text("premium"));

    (void)state;
    assert_int_equal(encoded.types[0], 0);
    assert_int_equal(encoded.formats[0], 0);
    assert_string_equal(encoded.values[0], "premium");
}

static void sends_what_is_absent_as_null_of_its_type(void **state)
{
    const struct pg_param absent[] = {
        pg_text(NULL),     pg_bytes(NULL, 0), pg_uuid_or_null(UUID_NIL), pg_time_or_null(0),
        pg_null(PG_INT64), pg_null(PG_INT32), pg_null(PG_BOOL),          pg_null(PG_UUID),
        pg_null(PG_TEXT),  pg_null(PG_BYTES), pg_null(PG_TIME),
    };
    const Oid types[] = {0, 17, 2950, 1184, 20, 23, 16, 2950, 0, 17, 1184};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(absent); i++) {
        struct pg_encoded encoded = encode(absent[i]);

        assert_null(encoded.values[0]);
        assert_int_equal(encoded.types[0], types[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_numbers_in_network_order),
        cmocka_unit_test(counts_time_from_2000),
        cmocka_unit_test(sends_ids_and_bytes_as_they_are),
        cmocka_unit_test(lets_the_server_infer_the_type_of_text),
        cmocka_unit_test(sends_what_is_absent_as_null_of_its_type),
    };
    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
