/*
 * Text from outside: UTF-8, encodings, JSON.
 */

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/random.h"
#include "base/utf8.h"

static int given_arena(void **state)
{
    *state = arena_new(1 << 20);
    return 0;
}

static int free_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void accepts_well_formed_utf8(void **state)
{
    static const char *const right[] = {
        "",
        "plain",
        "\x7f",
        "\xc2\x80",         /* U+0080, the least of two bytes */
        "\xdf\xbf",         /* U+07FF */
        "\xe0\xa0\x80",     /* U+0800, the least of three */
        "\xed\x9f\xbf",     /* U+D7FF, just below the surrogates */
        "\xee\x80\x80",     /* U+E000, just above them */
        "\xef\xbf\xbf",     /* U+FFFF */
        "\xf0\x90\x80\x80", /* U+10000, the least of four */
        "\xf4\x8f\xbf\xbf", /* U+10FFFF, the last */
        "Zoë 名前 🎫",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
        if (!text_is_utf8(right[i], strlen(right[i])))
            fail_msg("refused text %zu", i);
    }
    assert_true(text_is_utf8("a\0b", 3));
}

static void refuses_malformed_utf8(void **state)
{
    static const char *const wrong[] = {
        "\x80", /* a continuation alone */
        "\xbf",
        "a\x80z",
        "\xc0\x80", /* overlong NUL */
        "\xc0\xaf", /* overlong slash */
        "\xc1\xbf",
        "\xe0\x80\xaf",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\xaf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80",             /* U+D800 */
        "\xed\xbf\xbf",             /* U+DFFF */
        "\xed\xa1\x8c\xed\xbe\xb4", /* a pair of surrogates (CESU-8) */
        "\xf4\x90\x80\x80",         /* U+110000 */
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",     /* five bytes */
        "\xfc\x84\x80\x80\x80\x80", /* six */
        "\xfe",
        "\xff",
        "\xc2", /* cut off */
        "\xe2\x82",
        "\xf0\x9f\x8e",
        "\xc2z", /* interrupted */
        "\xe2\x28\xa1",
        "\xe2\x82\x28",
        "\xf0\x28\x8c\xbc",
        "\xf0\x90\x28\xbc",
        "\xf0\x90\x80\x28",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        if (text_is_utf8(wrong[i], strlen(wrong[i])))
            fail_msg("accepted text %zu", i);
    }
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static void decodes_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110010; code++) {
        char bytes[4];
        uint32_t decoded = 0;
        size_t size = encode(code, bytes);
        bool exists = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);

        assert_int_equal(utf8_decode(bytes, size, &decoded), exists ? size : 0);
        if (exists)
            assert_int_equal(decoded, code);
        assert_int_equal(utf8_decode(bytes, size - 1, &decoded), 0);
    }
}

static void counts_code_points(void **state)
{
    (void)state;
    assert_int_equal(text_length(""), 0);
    assert_int_equal(text_length("abc"), 3);
    assert_int_equal(text_length("Zoë"), 3);
    assert_int_equal(text_length("名前🎫"), 3);
}

static void finds_control_characters(void **state)
{
    (void)state;
    assert_false(text_has_control("Zoë 名前 \xc2\xa0~"));
    assert_true(text_has_control("a\nb"));
    assert_true(text_has_control("\x01"));
    assert_true(text_has_control("\x1f"));
    assert_true(text_has_control("\x7f"));
    assert_true(text_has_control("a\xc2\x80"));
    assert_true(text_has_control("a\xc2\x9f"));
    assert_false(text_has_control("\xc3\x80"));
}

/* Every byte at every place of every short length, beside the plain definition. */
static void plain_is_printable_ascii_wherever_a_byte_stands(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 20; size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[20];
                memset(text, byte % 2 == 0 ? '~' : ' ', sizeof text);
                text[at] = (char)byte;
                assert_int_equal(text_is_plain(text, size), byte >= 0x20 && byte <= 0x7e);
            }
        }
    }
    assert_true(text_is_plain("", 0));
}

static void compares_text(void **state)
{
    (void)state;
    assert_true(text_starts_with("plans/free", "plans/"));
    assert_true(text_starts_with("plans", ""));
    assert_false(text_starts_with("plan", "plans"));
    assert_false(text_starts_with("Plans", "plans"));
    assert_true(text_equal("a", "a"));
    assert_false(text_equal("a", "ab"));
}

static void hex_goes_there_and_back(void **state)
{
    const unsigned char bytes[] = {0x00, 0x7f, 0xab, 0xff};
    unsigned char back[4] = {0};
    char text[9];

    (void)state;
    hex_encode(bytes, sizeof bytes, text);
    assert_string_equal(text, "007fabff");
    assert_true(hex_decode("007FabFF", back, sizeof back));
    assert_memory_equal(back, bytes, sizeof bytes);
}

static void hex_of_another_length_or_alphabet_is_refused(void **state)
{
    unsigned char back[4] = {1, 2, 3, 4};

    (void)state;
    assert_false(hex_decode("", back, 4));
    assert_false(hex_decode("007fabf", back, 4));
    assert_false(hex_decode("007fabff0", back, 4));
    assert_false(hex_decode("007fabfg", back, 4));
    assert_false(hex_decode("0x7fabff", back, 4));
    assert_memory_equal(back, "\1\2\3\4", 4);
    assert_true(hex_decode("", back, 0));
}

static void assert_base64url(struct arena *arena, const char *bytes, const char *text)
{
    size_t size = SIZE_MAX;

    assert_string_equal(base64url_encode(arena, bytes, strlen(bytes)), text);
    uint8_t *back = base64url_decode(arena, text, strlen(text), &size);
    assert_non_null(back);
    assert_int_equal(size, strlen(bytes));
    assert_memory_equal(back, bytes, size);
}

/* RFC 4648 section 10, without the padding; then what tells base64url from base64. */
static void base64url_goes_there_and_back(void **state)
{
    struct arena *arena = *state;

    assert_base64url(arena, "", "");
    assert_base64url(arena, "f", "Zg");
    assert_base64url(arena, "fo", "Zm8");
    assert_base64url(arena, "foo", "Zm9v");
    assert_base64url(arena, "foob", "Zm9vYg");
    assert_base64url(arena, "fooba", "Zm9vYmE");
    assert_base64url(arena, "foobar", "Zm9vYmFy");
    assert_base64url(arena, "\xfb\xff\xfe", "-__-");
}

static void base64_is_padded(void **state)
{
    struct arena *arena = *state;

    assert_string_equal(base64_encode(arena, "", 0), "");
    assert_string_equal(base64_encode(arena, "f", 1), "Zg==");
    assert_string_equal(base64_encode(arena, "fo", 2), "Zm8=");
    assert_string_equal(base64_encode(arena, "foo", 3), "Zm9v");
    assert_string_equal(base64_encode(arena, "\xfb\xff\xfe", 3), "+//+");
}

static void random_bytes_survive_base64url(void **state)
{
    struct arena *arena = *state;
    unsigned char bytes[67];

    for (size_t size = 0; size <= sizeof bytes; size++) {
        size_t back_size;
        random_fill(random_system(), bytes, size);
        char *text = base64url_encode(arena, bytes, size);
        uint8_t *back = base64url_decode(arena, text, strlen(text), &back_size);
        assert_non_null(back);
        assert_int_equal(back_size, size);
        assert_memory_equal(back, bytes, size);
    }
    arena_reset(arena);
}

static void only_canonical_base64url_is_read(void **state)
{
    static const char *const wrong[] = {
        "Z",    "Zm9vY", /* one digit too many or too few */
        "Zh",   "Zm9",   /* left-over bits that are not zero: Zg and Zm8 mean the same bytes */
        "Zg==", "Zm8=",  "Zm9v====", "Zm+v", "Zm/v", "Zm 9v", "Zm9v\n", "Zm\xc3\xb6", "Zm.v",
    };
    struct arena *arena = *state;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        size_t size = 42;
        if (base64url_decode(arena, wrong[i], strlen(wrong[i]), &size) != NULL)
            fail_msg("accepted '%s'", wrong[i]);
        assert_int_equal(size, 42);
    }
}

static void quotes_json(void **state)
{
    struct arena *arena = *state;

    assert_string_equal(json_quote(arena, ""), "\"\"");
    assert_string_equal(json_quote(arena, "a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    assert_string_equal(json_quote(arena, "\n\r\t\b\x01\x1f\x7f"),
                        "\"\\n\\r\\t\\u0008\\u0001\\u001f\\u007f\"");
    assert_string_equal(json_quote(arena, "Zoë 🎫"), "\"Zoë 🎫\"");
    assert_string_equal(json_quote(arena, "\xc2\x85"), "\"\\u0085\"");
}

static void quotes_bytes_that_are_not_utf8(void **state)
{
    struct arena *arena = *state;

    assert_string_equal(json_quote(arena, "a\xffz"), "\"a\\ufffdz\"");
    assert_string_equal(json_quote(arena, "\xc0\xaf"), "\"\\ufffd\\ufffd\"");
    assert_string_equal(json_quote(arena, "\xe2\x82"), "\"\\ufffd\\ufffd\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_well_formed_utf8),
        cmocka_unit_test(refuses_malformed_utf8),
        cmocka_unit_test(decodes_every_code_point),
        cmocka_unit_test(counts_code_points),
        cmocka_unit_test(finds_control_characters),
        cmocka_unit_test(plain_is_printable_ascii_wherever_a_byte_stands),
        cmocka_unit_test(compares_text),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(hex_of_another_length_or_alphabet_is_refused),
        cmocka_unit_test(base64url_goes_there_and_back),
        cmocka_unit_test(base64_is_padded),
        cmocka_unit_test(random_bytes_survive_base64url),
        cmocka_unit_test(only_canonical_base64url_is_read),
        cmocka_unit_test(quotes_json),
        cmocka_unit_test(quotes_bytes_that_are_not_utf8),
    };
    return cmocka_run_group_tests_name("text", tests, given_arena, free_arena);
}
