/*
 * Errors in Stripe's form: {"error": {"type", "code", "decline_code", "param", "message", …}}.
 */

#include <stdarg.h>

#include "simulator/stripe/internal.h"

#define DOC_URL "https://stripe.com/docs/error-codes/"

/* "card_declined" is documented at …/card-declined. */
static void set_code(json_t *error, const char *code)
{
    char url[128] = DOC_URL;
    size_t length = strlen(DOC_URL);

    set_text(error, "code", code);
    for (size_t i = 0; code[i] != '\0' && length + 1 < sizeof url; i++)
        url[length++] = code[i];
    for (char *c = url; *c != '\0'; c++) {
        if (*c == '_')
            *c = '-';
    }
    set_text(error, "doc_url", url);
}

/* What was quoted may have been cut within a character, or come as bytes in a header. */
static const char *as_text(struct stripe_call *call, const char *format, va_list arguments)
    PRINTF_LIKE(2, 0);

static const char *as_text(struct stripe_call *call, const char *format, va_list arguments)
{
    char *message = arena_vprintf(call->arena, format, arguments);

    if (text_is_utf8(message, strlen(message)))
        return message;
    for (char *c = message; *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    return message;
}

json_t *stripe_refuse(struct stripe_call *call, int32_t status, const char *code, const char *param,
                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const char *message = as_text(call, format, arguments);
    va_end(arguments);
    call->status = status;
    call->error = tx_keep(
        call->tx, json_pack("{s:s, s:s}", "type", "invalid_request_error", "message", message));
    if (code != NULL)
        set_code(call->error, code);
    if (param != NULL)
        set_text(call->error, "param", param);
    return NULL;
}

json_t *stripe_missing(struct stripe_call *call, const char *param)
{
    return stripe_refuse(call, 400, "parameter_missing", param, "Missing required param: %s.",
                         param);
}

json_t *stripe_not_found(struct stripe_call *call, const char *kind, const char *id)
{
    const char *param = text_equal(call->id, id) ? "id" : kind;

    return stripe_refuse(call, text_equal(call->id, id) ? 404 : 400, "resource_missing", param,
                         "No such %s: '%s'",
                         text_equal(kind, "payment_method") ? "PaymentMethod" : kind, id);
}

json_t *stripe_decline_error(const char *decline_code, const char *charge)
{
    struct stripe_decline decline = stripe_decline_of(decline_code);
    json_t *error = json_pack("{s:s, s:s, s:s}", "type", "card_error", "message", decline.message,
                              "decline_code", decline.decline_code);

    set_code(error, decline.code);
    if (charge != NULL)
        set_text(error, "charge", charge);
    if (decline.advice != NULL)
        set_text(error, "advice_code", decline.advice);
    if (decline.network_code != NULL) {
        set_text(error, "network_decline_code", decline.network_code);
        set_text(error, "network_advice_code",
                 text_equal(decline.advice == NULL ? "" : decline.advice, "do_not_try_again")
                     ? "01"
                     : "02");
    }
    return error;
}

json_t *stripe_decline_answer(struct stripe_call *call, const char *decline_code,
                              const char *charge, const char *intent_key, const json_t *intent)
{
    call->error = tx_keep(call->tx, stripe_decline_error(decline_code, charge));
    call->status = 402;
    call->counts = true;
    if (intent_key != NULL) {
        json_t *shown = stripe_show(intent);
        const char *last =
            text_equal(intent_key, "payment_intent") ? "last_payment_error" : "last_setup_error";
        json_t *method = json_object_get(json_object_get(intent, last), "payment_method");
        json_object_set_new(call->error, intent_key, shown);
        if (method != NULL)
            json_object_set(call->error, "payment_method", method);
    }
    return NULL;
}
