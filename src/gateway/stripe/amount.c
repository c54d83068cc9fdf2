/*
 * Stripe keeps two decimals for ISK and UGX though they have none, and wants the last two to be
 * zero; of currencies with three decimals it wants the last to be zero; MGA it counts whole.
 */

#include "gateway/stripe/amount.h"

#include "base/attributes.h"
#include "base/text.h"

static const struct rule {
    char currency[4];
    int exponent;     /* decimals at Stripe; -1: not taken */
    int64_t multiple; /* units are a multiple of it */
} rules[] = {
    {"BHD", 3, 10}, {"CLF", -1, 1}, {"IQD", -1, 1},  {"ISK", 2, 100},
    {"JOD", 3, 10}, {"KWD", 3, 10}, {"LYD", -1, 1},  {"MGA", 0, 1},
    {"OMR", 3, 10}, {"TND", 3, 10}, {"UGX", 2, 100}, {"UYW", -1, 1},
};

static bool rule_of(const char *currency, int *iso, struct rule *rule)
{
    if (!currency_known(currency, iso))
        return false;
    *rule = (struct rule){.exponent = *iso, .multiple = 1};
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        if (text_equal(rules[i].currency, currency))
            *rule = rules[i];
    }
    return rule->exponent >= 0;
}

/* False: not a whole number, or out of range. */
static bool shift(int64_t number, int from, int to, int64_t *result)
{
    for (; from < to; from++) {
        if (__builtin_mul_overflow(number, 10, &number))
            return false;
    }
    for (; from > to; from--) {
        if (number % 10 != 0)
            return false;
        number /= 10;
    }
    *result = number;
    return true;
}

static int64_t round_shift(int64_t number, int from, int to)
{
    int64_t divisor = 1;

    for (; from > to; from--)
        divisor *= 10;
    int64_t half = divisor / 2;
    return (number + (number < 0 ? -half : half)) / divisor;
}

bool stripe_amount(struct money money, int64_t *units)
{
    struct rule rule;
    int64_t shifted;
    int iso;

    if (!rule_of(money.currency, &iso, &rule) ||
        !shift(money.minor_units, iso, rule.exponent, &shifted) || shifted % rule.multiple != 0)
        return false;
    *units = shifted;
    return true;
}

static bool read_money(const char *currency, int64_t units, bool rounds, struct money *money)
{
    char code[4] = "";
    struct rule rule;
    int64_t minor_units;
    int iso;

    if (strlen(currency) != 3 || units < -MONEY_MINOR_UNITS_MAX || units > MONEY_MINOR_UNITS_MAX)
        return false;
    for (int i = 0; i < 3; i++) {
        if (currency[i] < 'a' || currency[i] > 'z')
            return false;
        code[i] = (char)(currency[i] - 'a' + 'A');
    }
    if (!rule_of(code, &iso, &rule))
        return false;
    if (rounds && rule.exponent > iso)
        units = round_shift(units, rule.exponent, iso);
    if (!shift(units, rounds && rule.exponent > iso ? iso : rule.exponent, iso, &minor_units) ||
        minor_units > MONEY_MINOR_UNITS_MAX || minor_units < -MONEY_MINOR_UNITS_MAX)
        return false;
    *money = money_make(code, minor_units);
    return true;
}

bool stripe_money(const char *currency, int64_t units, struct money *money)
{
    return read_money(currency, units, false, money);
}

bool stripe_money_rounded(const char *currency, int64_t units, struct money *money)
{
    return read_money(currency, units, true, money);
}
