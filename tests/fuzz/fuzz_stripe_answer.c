/*
 * What Stripe, or whoever answers in its place, sends back.  The first byte says what was asked;
 * an outcome that moves money or ends an attempt needs a transaction and an amount that were there.
 */
#include "base/bug.h"
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "gateway/decline.h"
#include "gateway/stripe/answer.h"

#define REFERENCE  "0197a1b2-0000-7000-8000-000000000001"
#define MEMORY_MAX (64u << 20)
#define PAYMENT    "0197a1b2-0000-7000-8000-000000000002"

static void check(const struct gateway_answer *answer, bool pays, const char *body)
{
    const char *const texts[] = {answer->transaction,
                                 answer->decline_code,
                                 answer->network_decline_code,
                                 answer->advice,
                                 answer->evidence,
                                 answer->action.redirect_url,
                                 answer->action.client_secret};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (texts[i] == NULL || !text_is_utf8(texts[i], strlen(texts[i])))
            bug("a text that is none");
    }
    if (answer->outcome == GATEWAY_SUCCEEDED &&
        (answer->transaction[0] == '\0' || answer->amount.currency[0] == '\0'))
        bug("a success without transaction or amount");
    if (answer->outcome == GATEWAY_DECLINED && answer->decline_code[0] == '\0')
        bug("a decline without a reason");
    if (answer->outcome == GATEWAY_SUCCEEDED && answer->decline_code[0] != '\0')
        bug("a success with a reason why not");
    if (pays && answer->decline_code[0] != '\0' && !decline_is_known(answer->decline_code))
        bug("a reason that is none");
    if (answer->outcome == GATEWAY_SUCCEEDED && strstr(body, PAYMENT) == NULL &&
        strchr(body, '\\') == NULL)
        bug("a success that does not name the payment");
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static const int32_t statuses[] = {200, 402, 400, 409, 500, 401, 429, 302};
    static struct arena *arena;

    if (size == 0)
        return 0;
    if (arena == NULL)
        arena = arena_new(MEMORY_MAX);
    arena_reset(arena);
    enum gateway_operation operation =
        (enum gateway_operation)((unsigned)(data[0] & 7) % (unsigned)GATEWAY_OPERATION_COUNT);
    bool pays = operation == GATEWAY_CHARGE || operation == GATEWAY_AUTHORIZE;
    const struct http_field replayed = {"Idempotent-Replayed", "true"};
    const struct gateway_request request = {
        .operation = operation,
        .reference = REFERENCE,
        .payment = PAYMENT,
        .amount = money_make("USD", 1999),
        .token = "cus_1/pm_1",
        .transaction = pays ? "" : "pi_1",
    };
    const struct stripe_question question = {
        .request = &request,
        .arena = arena,
        .is_query = (data[0] & 8) != 0,
    };
    /* As the client hands it over: with a NUL behind. */
    char *body = arena_strndup(arena, (const char *)data + 1, size - 1);
    const struct http_exchange_reply reply = {
        .result = HTTP_ANSWERED,
        .status = statuses[data[0] >> 5],
        .headers = &replayed,
        .header_count = (data[0] & 16) != 0,
        .body = body,
        .body_size = strlen(body),
        .problem = "",
    };
    struct stripe_reading reading;

    stripe_read(&question, &reply, &reading);
    check(&reading.answer, pays, body);
    return 0;
}
