/*
 * The decline table: complete, safe to show, and never empty-handed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/text.h"
#include "gateway/decline.h"

/* All of them. */
static const char *const codes[] = {
    "approve_with_id",
    "authentication_required",
    "authentication_not_handled",
    "call_issuer",
    "card_not_supported",
    "card_velocity_exceeded",
    "currency_not_supported",
    "do_not_honor",
    "do_not_try_again",
    "duplicate_transaction",
    "expired_card",
    "fraudulent",
    "generic_decline",
    "highest_risk_level",
    "incorrect_cvc",
    "incorrect_number",
    "incorrect_pin",
    "incorrect_zip",
    "insufficient_funds",
    "invalid_account",
    "invalid_amount",
    "invalid_cvc",
    "invalid_expiry_month",
    "invalid_expiry_year",
    "invalid_number",
    "invalid_pin",
    "invalid_request",
    "issuer_not_available",
    "lost_card",
    "merchant_blacklist",
    "new_account_information_available",
    "no_action_taken",
    "not_permitted",
    "offline_pin_required",
    "online_or_offline_pin_required",
    "pickup_card",
    "pin_try_exceeded",
    "previously_declined_do_not_retry",
    "processing_error",
    "reenter_transaction",
    "restricted_card",
    "revocation_of_all_authorizations",
    "revocation_of_authorization",
    "security_violation",
    "service_not_allowed",
    "stolen_card",
    "stop_payment_order",
    "testmode_decline",
    "transaction_not_allowed",
    "try_again_later",
    "withdrawal_count_limit_exceeded",
};

static void knows_every_code(void **state)
{
    (void)state;
    assert_int_equal(decline_count, ARRAY_LENGTH(codes));
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        const struct decline *decline = decline_find(codes[i]);

        assert_string_equal(decline->code, codes[i]);
    }
}

static void is_sorted_and_free_of_repeats(void **state)
{
    (void)state;
    for (size_t i = 1; i < decline_count; i++)
        assert_true(strcmp(decline_table[i - 1].code, decline_table[i].code) < 0);
}

static void takes_an_unknown_code_for_a_generic_decline(void **state)
{
    (void)state;
    assert_string_equal(decline_find("made_up")->code, "generic_decline");
    assert_string_equal(decline_find("")->code, "generic_decline");
}

static void classifies_as_written(void **state)
{
    static const struct {
        const char *code;
        enum decline_class class;
        enum decline_actor actor;
    } expected[] = {
        {"processing_error", DECLINE_RETRY_NOW, DECLINE_BY_NOBODY},
        {"insufficient_funds", DECLINE_RETRY_LATER, DECLINE_BY_CUSTOMER},
        {"do_not_honor", DECLINE_RETRY_LATER, DECLINE_BY_CUSTOMER},
        {"expired_card", DECLINE_FIX_DATA, DECLINE_BY_CUSTOMER},
        {"incorrect_cvc", DECLINE_FIX_DATA, DECLINE_BY_CUSTOMER},
        {"lost_card", DECLINE_NEW_METHOD, DECLINE_BY_CUSTOMER},
        {"card_not_supported", DECLINE_NEW_METHOD, DECLINE_BY_CUSTOMER},
        {"authentication_required", DECLINE_STEP_UP, DECLINE_BY_CUSTOMER},
        {"fraudulent", DECLINE_STOP, DECLINE_BY_MERCHANT},
        {"stop_payment_order", DECLINE_STOP, DECLINE_BY_MERCHANT},
        {"issuer_not_available", DECLINE_RETRY_NOW, DECLINE_BY_ISSUER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        assert_int_equal(decline_find(expected[i].code)->class, expected[i].class);
        assert_int_equal(decline_find(expected[i].code)->actor, expected[i].actor);
    }
}

static void tells_a_thief_nothing(void **state)
{
    static const char *const quiet[] = {
        "fraudulent",  "highest_risk_level", "lost_card",          "merchant_blacklist",
        "pickup_card", "restricted_card",    "security_violation", "stolen_card"};
    const struct decline *general = decline_find("generic_decline");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(quiet); i++) {
        for (int language = 0; language < DECLINE_LANGUAGE_COUNT; language++)
            assert_string_equal(decline_find(quiet[i])->texts[language], general->texts[language]);
    }
}

static void speaks_every_language_of_every_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < decline_count; i++) {
        const char *const *texts = decline_table[i].texts;

        for (int language = 0; language < DECLINE_LANGUAGE_COUNT; language++) {
            assert_non_null(texts[language]);
            assert_in_range(text_length(texts[language]), 20, 255);
            assert_true(text_is_utf8(texts[language], strlen(texts[language])));
            assert_int_equal(texts[language][strlen(texts[language]) - 1], '.');
            for (int other = 0; other < language; other++)
                assert_string_not_equal(texts[language], texts[other]);
        }
    }
}

static void lets_the_network_overrule_the_code(void **state)
{
    (void)state;
    assert_int_equal(decline_class_of("do_not_honor", DECLINE_ADVICE_NONE), DECLINE_RETRY_LATER);
    assert_int_equal(decline_class_of("do_not_honor", DECLINE_ADVICE_DO_NOT_TRY_AGAIN),
                     DECLINE_STOP);
    assert_int_equal(decline_class_of("lost_card", DECLINE_ADVICE_DO_NOT_TRY_AGAIN),
                     DECLINE_NEW_METHOD);
    assert_int_equal(decline_class_of("processing_error", DECLINE_ADVICE_TRY_AGAIN_LATER),
                     DECLINE_RETRY_NOW);
    assert_int_equal(decline_class_of("generic_decline", DECLINE_ADVICE_CONFIRM_CARD_DATA),
                     DECLINE_FIX_DATA);
    assert_int_equal(decline_class_of("fraudulent", DECLINE_ADVICE_CONFIRM_CARD_DATA),
                     DECLINE_STOP);
    assert_int_equal(decline_class_of("fraudulent", DECLINE_ADVICE_TRY_AGAIN_LATER), DECLINE_STOP);
}

static void reads_the_advice_that_it_writes(void **state)
{
    (void)state;
    for (int i = 0; i < DECLINE_ADVICE_COUNT; i++)
        assert_int_equal(decline_advice_of(decline_advice_name((enum decline_advice)i)), i);
    assert_int_equal(decline_advice_of("made_up"), DECLINE_ADVICE_NONE);
}

static const char *whole_file(const char *path, char *text, size_t text_size)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(text, 1, text_size - 1, file);
    fclose(file);
    assert_true(size < text_size - 1);
    text[size] = '\0';
    return text;
}

static void the_contract_names_the_same_codes(void **state)
{
    static char text[65536];
    size_t count = 0;

    (void)state;
    whole_file(SOURCE_DIR "/proto/dues/payment/v1/decline.proto", text, sizeof text);
    char *list = strstr(text, "One of: ");
    assert_non_null(list);
    char *end = strstr(list, "string code = 1");
    assert_non_null(end);
    *end = '\0';
    for (char *word = list + strlen("One of: "); *word != '\0';) {
        size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz_");
        char behind = word[length];
        word[length] = '\0';
        if (length > 0) {
            assert_true(decline_is_known(word));
            count++;
        }
        word += behind == '\0' ? length : length + 1;
    }
    assert_int_equal(count, decline_count);
}

/* docs/declines.md as it must be; written anew into the build's folder when it is not. */
static const char introduction[] =
    "# The language of declines\n"
    "\n"
    "Whatever a gateway says when a charge is refused, a `Decline` says it in these words\n"
    "([api.md](api.md)). A gateway's code that is not here is `generic_decline`; what the gateway "
    "said\n"
    "stays in the evidence of the attempt. This page is compared with `src/gateway/decline.c` by\n"
    "`unit_gateway_test_decline`.\n"
    "\n"
    "| class | what it calls for |\n"
    "| --- | --- |\n"
    "| RETRY_NOW | a passing fault: the same charge may work at once |\n"
    "| RETRY_LATER | the same charge may work in hours or days |\n"
    "| FIX_DATA | something must be corrected first |\n"
    "| NEW_METHOD | this method will not do; another may |\n"
    "| STEP_UP | the customer must authenticate |\n"
    "| STOP | do not try again: the method becomes STOPPED until the card's data change |\n"
    "\n"
    "The card network's `advice` can change the class of one decline: `do_not_try_again` makes it "
    "STOP\n"
    "(NEW_METHOD stays), `confirm_card_data` makes FIX_DATA of what could be retried. Visa's codes "
    "of\n"
    "category 1 (04 07 12 14 15 41 43 46 57) and R0, R1, R3 stop the method, too.\n"
    "\n"
    "`network_decline_code` is the network's own code, for whoever talks to the bank; `advice` "
    "what "
    "the network\n"
    "makes of it. Both are in every `decline` of a payment, of a change of a payment and of a "
    "membership\n"
    "(`last_decline`) that came of an answer of the gateway, and empty when the gateway did not "
    "tell "
    "them. The\n"
    "sandbox tells them for its tokens, Stripe in `network_decline_code` and `advice_code`.\n"
    "\n"
    "However a charge is declined, a card is tried at most 15 times in 30 days of the customer's "
    "time,\n"
    "under whichever of the customer's methods it is stored; then PAYMENT_METHOD_RETRY_LIMIT says "
    "when\n"
    "it may be tried again. Successful charges do not count. A renewal that the limit forbids is "
    "not\n"
    "sent and counts as declined with `card_velocity_exceeded`; the next day of the dunning plan "
    "is\n"
    "tried.\n"
    "\n"
    "## Codes\n"
    "\n"
    "*Tried again*: whether the dunning of a membership sends the same charge again by itself.\n"
    "\n"
    "| code | class | who must act | tried again |\n"
    "| --- | --- | --- | --- |\n";

static void write_codes(FILE *out)
{
    for (size_t i = 0; i < decline_count; i++) {
        const struct decline *decline = &decline_table[i];

        fprintf(out, "| `%s` | %s | %s | %s |\n", decline->code, decline_class_name(decline->class),
                decline_actor_name(decline->actor),
                decline_may_retry(decline->class) ? "yes" : "no");
    }
}

static void write_texts(FILE *out)
{
    static const char *const languages[] = {"en", "de", "es", "fr"};

    fprintf(out,
            "\n## What the customer reads\n\n"
            "Suspected fraud, lost and stolen cards get the text of `generic_decline`, in every"
            " language.\n");
    for (size_t i = 0; i < decline_count; i++) {
        size_t first = 0;
        while (decline_table[first].texts != decline_table[i].texts)
            first++;
        if (first < i)
            continue;
        fprintf(out, "\n`%s`", decline_table[i].code);
        for (size_t j = i + 1; j < decline_count; j++) {
            if (decline_table[j].texts == decline_table[i].texts)
                fprintf(out, ", `%s`", decline_table[j].code);
        }
        fprintf(out, ":\n\n");
        for (int language = 0; language < DECLINE_LANGUAGE_COUNT; language++)
            fprintf(out, "- %s: %s\n", languages[language], decline_table[i].texts[language]);
    }
}

static void the_catalogue_says_the_same(void **state)
{
    static char found[65536];
    static char wanted[65536];

    (void)state;
    FILE *out = fopen(BINARY_DIR "/declines.md", "we");
    assert_non_null(out);
    fputs(introduction, out);
    write_codes(out);
    write_texts(out);
    fclose(out);
    whole_file(BINARY_DIR "/declines.md", wanted, sizeof wanted);

    if (!text_equal(whole_file(SOURCE_DIR "/docs/declines.md", found, sizeof found), wanted))
        fail_msg("docs/declines.md is not current: cp %s docs/declines.md",
                 BINARY_DIR "/declines.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_code),
        cmocka_unit_test(is_sorted_and_free_of_repeats),
        cmocka_unit_test(takes_an_unknown_code_for_a_generic_decline),
        cmocka_unit_test(classifies_as_written),
        cmocka_unit_test(tells_a_thief_nothing),
        cmocka_unit_test(speaks_every_language_of_every_code),
        cmocka_unit_test(lets_the_network_overrule_the_code),
        cmocka_unit_test(reads_the_advice_that_it_writes),
        cmocka_unit_test(the_contract_names_the_same_codes),
        cmocka_unit_test(the_catalogue_says_the_same),
    };
    return cmocka_run_group_tests_name("declines", tests, NULL, NULL);
}
