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

#include "base/text.h"

#define DIGITS_MIN  13
#define DIGITS_MAX  19
#define UUID_LENGTH 36

/* Digits of a group in front of a dot, as cards have them: 4-4-4-4, 4-6-5, 4-6-4. */
#define DOTTED_MIN 4
#define DOTTED_MAX 6

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_separator(char c)
{
    return c == ' ' || c == '-';
}

/* `text` begins with 8-4-4-4-12 hexadecimal digits and nothing that would prolong them. */
static bool begins_with_uuid(const char *text)
{
    for (size_t i = 0; i < UUID_LENGTH; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return !is_digit(text[UUID_LENGTH]) && !is_letter(text[UUID_LENGTH]);
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
        in_word = is_digit(*text) || is_letter(*text);
        text++;
    }
    return false;
}
