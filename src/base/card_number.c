/*
 * The tripwire for card numbers.  It is not a search for smugglers: it catches the number that a
 * person typed into the wrong field or a program passed by mistake.
 *
 * A run is ASCII digits with at most one blank or dash between two of them; its groups are what the
 * separators leave.  Dots separate too, but only groups of 4 to 6 digits and no run with blanks or
 * dashes in it, so that decimals, versions and addresses are left alone.  Any row of neighbouring
 * groups with 13–19 digits in all that passes the Luhn check is a card number, so that "4242 4242
 * 4242 4242 12" is found too.  Not looked at are
 * - groups that touch a letter: they are part of a hexadecimal or base64 token;
 * - the canonical form of a UUID, in either case, that touches no letter or digit: our own names
 *   are made of them, and some hold long runs of digits;
 * - rows that begin with 0: no payment card does (ISO/IEC 7812).
 */

#include <limits.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define DIGITS_MIN  13
#define DIGITS_MAX  19
#define UUID_LENGTH 36

/* Digits of a group in front of a dot, as cards have them: 4-4-4-4, 4-6-5, 4-6-4. */
#define DOTTED_MIN 4
#define DOTTED_MAX 6

/* Every string of every request is looked through, hence a table. */
enum { DIGIT = 1, HEX_DIGIT = 2, LETTER = 4 };

static const uint8_t kinds[UCHAR_MAX + 1] = {
    ['0' ... '9'] = DIGIT | HEX_DIGIT,
    ['a' ... 'f'] = HEX_DIGIT | LETTER,
    ['A' ... 'F'] = HEX_DIGIT | LETTER,
    ['g' ... 'z'] = LETTER,
    ['G' ... 'Z'] = LETTER,
};

static bool is(char c, int kind)
{
    return (kinds[(unsigned char)c] & kind) != 0;
}

static bool is_digit(char c)
{
    return is(c, DIGIT);
}

static bool is_letter(char c)
{
    return is(c, LETTER);
}

static bool is_separator(char c)
{
    return c == ' ' || c == '-';
}

static bool begins_with_hex(const char *text, size_t count)
{
    size_t i = 0;

    while (i < count && is(text[i], HEX_DIGIT))
        i++;
    return i == count;
}

/* `text` begins with 8-4-4-4-12 hexadecimal digits and nothing that would prolong them. */
static bool begins_with_uuid(const char *text)
{
    static const size_t groups[] = {8, 4, 4, 4};

    for (size_t i = 0; i < ARRAY_LENGTH(groups); i++) {
        if (!begins_with_hex(text, groups[i]) || text[groups[i]] != '-')
            return false;
        text += groups[i] + 1;
    }
    return begins_with_hex(text, 12) && !is(text[12], DIGIT | LETTER);
}

static bool passes_luhn(const char *digits, size_t count)
{
    int sum = 0;

    for (size_t i = 0; i < count; i++) {
        int digit = digits[count - 1 - i] - '0';
        if (i % 2 == 1)
            digit = digit < 5 ? 2 * digit : 2 * digit - 9;
        sum += digit;
    }
    return sum % 10 == 0;
}

/* How a row of groups goes on. */
struct row {
    char digits[DIGITS_MAX];
    size_t count;
    size_t group; /* length of the last group */
    char separator;
};

/* False: it has more digits than a card number. */
static bool take_group(struct row *row, const char **text)
{
    row->group = 0;
    for (; is_digit(**text); (*text)++) {
        if (row->count == DIGITS_MAX)
            return false;
        row->digits[row->count++] = **text;
        row->group++;
    }
    return true;
}

/* Does what stands behind the last group join it to another one? */
static bool takes_separator(struct row *row, const char *text)
{
    size_t next = strspn(text[0] == '\0' ? text : text + 1, "0123456789");
    bool dot = text[0] == '.';

    if ((!dot && !is_separator(text[0])) || next == 0 || begins_with_uuid(text + 1))
        return false;
    if (row->separator != '\0' && dot != (row->separator == '.'))
        return false;
    if (dot && (row->group < DOTTED_MIN || row->group > DOTTED_MAX || next > DOTTED_MAX))
        return false;
    row->separator = text[0];
    return true;
}

/* Does a row of whole groups that begins here make a card number? */
static bool row_is_card_number(const char *text)
{
    struct row row = {.count = 0};

    if (*text == '0')
        return false;
    for (;;) {
        if (!take_group(&row, &text) || is_letter(*text))
            return false;
        if (row.count >= DIGITS_MIN && passes_luhn(row.digits, row.count))
            return true;
        if (!takes_separator(&row, text))
            return false;
        text++;
    }
}

bool text_has_card_number(const char *text)
{
    bool in_word = false; /* a letter or digit stands before */

    while (*text != '\0') {
        if (!in_word && begins_with_uuid(text)) {
            text += UUID_LENGTH;
            continue;
        }
        if (!in_word && is_digit(*text) && row_is_card_number(text))
            return true;
        in_word = is(*text, DIGIT | LETTER);
        text++;
    }
    return false;
}
