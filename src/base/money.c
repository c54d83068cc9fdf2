/*
 * Money in exact integers.  The currencies are the active codes of ISO 4217 that people can be
 * charged in, with the exponents of the standard; what a gateway makes of them (ISK, UGX, HUF) is
 * known in gateway/ only.
 */

#include "base/money.h"

#include <inttypes.h>

#include "base/bug.h"

#define CODE_LENGTH 3

/* By exponent.  Precious metals, units of account and codes withdrawn up to 2026 are left out. */
static const char *const codes_by_exponent[] = {
    /* 0 */ "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ",
    /* 1 */ "",
    /* 2 */
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB "
    "EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD "
    "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
    "TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ",
    /* 3 */ "BHD IQD JOD KWD LYD OMR TND ",
    /* 4 */ "CLF UYW ",
};

static bool code_in(const char *code, const char *codes)
{
    for (; *codes != '\0'; codes += CODE_LENGTH + 1) {
        if (memcmp(codes, code, CODE_LENGTH) == 0)
            return true;
    }
    return false;
}

bool currency_known(const char *code, int *exponent)
{
    if (code == NULL || strnlen(code, CODE_LENGTH + 1) != CODE_LENGTH)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(codes_by_exponent); i++) {
        if (!code_in(code, codes_by_exponent[i]))
            continue;
        if (exponent != NULL)
            *exponent = (int)i;
        return true;
    }
    return false;
}

struct money money_make(const char *currency, int64_t minor_units)
{
    struct money money = {.minor_units = minor_units};

    if (!currency_known(currency, NULL))
        bug("money: unknown currency");
    memcpy(money.currency, currency, CODE_LENGTH);
    return money;
}

bool money_same_currency(struct money a, struct money b)
{
    return memcmp(a.currency, b.currency, sizeof a.currency) == 0;
}

bool money_add(struct money a, struct money b, struct money *sum)
{
    int64_t minor_units;

    if (!money_same_currency(a, b) ||
        __builtin_add_overflow(a.minor_units, b.minor_units, &minor_units))
        return false;
    *sum = a;
    sum->minor_units = minor_units;
    return true;
}

bool money_subtract(struct money a, struct money b, struct money *difference)
{
    int64_t minor_units;

    if (!money_same_currency(a, b) ||
        __builtin_sub_overflow(a.minor_units, b.minor_units, &minor_units))
        return false;
    *difference = a;
    difference->minor_units = minor_units;
    return true;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void money_format(struct money money, char text[MONEY_TEXT_SIZE])
{
    int exponent = 0;
    uint64_t units = magnitude(money.minor_units);
    uint64_t scale = 1;
    const char *sign = money.minor_units < 0 ? "-" : "";

    if (!currency_known(money.currency, &exponent))
        bug("money: unknown currency");
    for (int i = 0; i < exponent; i++)
        scale *= 10;
    if (exponent == 0)
        snprintf(text, MONEY_TEXT_SIZE, "%s%" PRIu64 " %s", sign, units, money.currency);
    else
        snprintf(text, MONEY_TEXT_SIZE, "%s%" PRIu64 ".%0*" PRIu64 " %s", sign, units / scale,
                 exponent, units % scale, money.currency);
}

int64_t money_share(int64_t price, int64_t elapsed_us, int64_t period_us)
{
    if (period_us <= 0)
        bug("money_share: a period of %" PRId64 " microseconds", period_us);
    if (elapsed_us <= 0)
        return 0;
    if (elapsed_us >= period_us)
        return price;

    /* floor(2pe + T / 2T) rounds half up; of the magnitude that is half away from zero. */
    unsigned __int128 period = (unsigned __int128)period_us;
    unsigned __int128 product = (unsigned __int128)magnitude(price) * (uint64_t)elapsed_us;
    uint64_t share = (uint64_t)((2 * product + period) / (2 * period));
    return price < 0 ? (int64_t)(0 - share) : (int64_t)share;
}
