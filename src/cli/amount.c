/*
 * Amounts as people write and read them.  Nothing is guessed: an amount that could mean two things
 * is refused.
 */
#include "cli/amount.h"

#include <inttypes.h>

#include "base/money.h"
#include "base/text.h"

/* As many as cannot overflow; the server's own limit is below. */
#define DIGITS_MAX 15

static const char digits[] = "0123456789";

/* Where the number ends and, after blanks, the currency begins. */
static const char *after_number(const char *text)
{
    return text + strspn(text, "0123456789.");
}

const char *amount_currency(struct arena *arena, const char *text)
{
    const char *currency = after_number(text);

    return arena_strdup(arena, currency + strspn(currency, " "));
}

/* "3.00" for 2, "3" for 0. */
static const char *example(struct arena *arena, int exponent)
{
    return exponent == 0 ? "3" : arena_printf(arena, "3.%0*d", exponent, 0);
}

const char *amount_read(struct arena *arena, const char *text, const char *currency,
                        int64_t *minor_units)
{
    int exponent = 0;
    size_t length = (size_t)(after_number(text) - text);
    size_t whole = strspn(text, digits);
    size_t point = text[whole] == '.' ? 1 : 0;
    size_t decimals = strspn(text + whole + point, digits);
    int64_t units = 0;

    if (whole == 0)
        return arena_printf(arena, "\"%s\" is no amount; write 3.00 or 3.00 USD, above 0", text);
    if (!currency_known(currency, &exponent))
        return arena_printf(arena, "\"%s\" is no currency; write 3.00 or 3.00 USD", currency);
    if (whole + point + decimals != length || (point == 1) != (exponent > 0) ||
        decimals != (size_t)exponent || whole + decimals > DIGITS_MAX)
        return arena_printf(arena, "\"%s\" is no amount of %s; write it like %s", text, currency,
                            example(arena, exponent));
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '.')
            units = units * 10 + (text[i] - '0');
    }
    if (units == 0)
        return "the amount must be above 0";
    *minor_units = units;
    return NULL;
}

const char *amount_text(struct arena *arena, const Dues__Type__V1__Money *money)
{
    char *text = arena_alloc(arena, MONEY_TEXT_SIZE);

    if (money == NULL)
        return "-";
    /* A newer server may know one that this program does not. */
    if (!currency_known(money->currency_code, NULL))
        return arena_printf(arena, "%" PRId64 " %s", money->minor_units, money->currency_code);
    money_format(money_make(money->currency_code, money->minor_units), text);
    return text;
}
