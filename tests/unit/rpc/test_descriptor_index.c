/*
 * The index behind reflection, on a set written by hand that has what ours does not: extensions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "descriptor_set.h"
#include "rpc/descriptor_index.h"

struct text {
    char bytes[512];
    size_t size;
};

static struct text field(int number, const void *bytes, size_t size)
{
    struct text text = {.size = size + 2};

    assert_true(size < 128);
    text.bytes[0] = (char)(number << 3 | 2);
    text.bytes[1] = (char)size;
    memcpy(text.bytes + 2, bytes, size);
    return text;
}

static void add(struct text *to, struct text what)
{
    memcpy(to->bytes + to->size, what.bytes, what.size);
    to->size += what.size;
}

static void add_string(struct text *to, int number, const char *value)
{
    add(to, field(number, value, strlen(value)));
}

/* extension { name = 1, extendee = 2, number = 3 } */
static struct text extension(const char *name, const char *extended, char number)
{
    struct text text = {.size = 0};
    const struct text tag = {.bytes = {0x18, number}, .size = 2};

    add_string(&text, 1, name);
    add_string(&text, 2, extended);
    add(&text, tag);
    return text;
}

static struct text set_with_extensions(void)
{
    struct text file = {.size = 0};
    struct text message = {.size = 0};
    struct text inner = extension("nested", ".p.M", 8);
    struct text outer = extension("top", ".p.M", 7);
    struct text set = {.size = 0};

    add_string(&message, 1, "M");
    add(&message, field(6, inner.bytes, inner.size));
    add_string(&file, 1, "p/x.proto");
    add_string(&file, 2, "p");
    add(&file, field(4, message.bytes, message.size));
    add(&file, field(7, outer.bytes, outer.size));
    add(&set, field(1, file.bytes, file.size));
    return set;
}

static void finds_extensions(void **state)
{
    struct text set = set_with_extensions();
    struct descriptor_index *index = descriptor_index_open(set.bytes, set.size);
    int32_t numbers[4] = {0};

    (void)state;
    assert_non_null(index);
    const struct descriptor_file *file = descriptor_index_file(index, "p/x.proto");
    assert_non_null(file);
    assert_ptr_equal(descriptor_index_symbol(index, "p.M"), file);
    assert_ptr_equal(descriptor_index_symbol(index, "p.top"), file);
    assert_ptr_equal(descriptor_index_symbol(index, "p.M.nested"), file);
    assert_ptr_equal(descriptor_index_extension(index, "p.M", 7), file);
    assert_ptr_equal(descriptor_index_extension(index, "p.M", 8), file);
    assert_null(descriptor_index_extension(index, "p.M", 9));
    assert_int_equal(descriptor_index_extensions_of(index, "p.M", numbers, 4), 2);
    assert_int_equal(numbers[0] + numbers[1], 15);
    assert_int_equal(descriptor_index_extensions_of(index, "p.top", numbers, 4), -1);
    descriptor_index_close(index);
}

static void refuses_bytes_that_are_no_set(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"\x0a\x7f", 2}, {"\x12\x00", 2}, {"\x08\x01", 2}, {"\xff", 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_null(descriptor_index_open(bad[i].bytes, bad[i].size));
}

static void reads_our_own_set(void **state)
{
    struct descriptor_index *index =
        descriptor_index_open(dues_descriptor_set, dues_descriptor_set_size);

    (void)state;
    assert_non_null(index);
    assert_true(descriptor_index_file_count(index) > 15);
    assert_non_null(descriptor_index_symbol(index, "dues.payment.v1.Payment"));
    assert_non_null(descriptor_index_symbol(index, "google.rpc.ErrorInfo"));
    assert_null(descriptor_index_symbol(index, "dues.payment.v1.Payments"));
    descriptor_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_extensions),
        cmocka_unit_test(refuses_bytes_that_are_no_set),
        cmocka_unit_test(reads_our_own_set),
    };

    return cmocka_run_group_tests_name("descriptor index", tests, NULL, NULL);
}
