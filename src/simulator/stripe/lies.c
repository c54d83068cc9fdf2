/*
 * What leaves signed or false: webhooks with their signature, and answers that say something else
 * than what was done.
 */

#include <inttypes.h>

#include "crypto/hmac.h"
#include "simulator/stripe/internal.h"
#include "simulator/stripe/stripe.h"

static const char *const amounts[] = {"amount", "amount_received", "amount_captured",
                                      "amount_capturable"};

static void falsify_amounts(json_t *object, int64_t more)
{
    for (size_t i = 0; i < ARRAY_LENGTH(amounts); i++) {
        if (number_of(object, amounts[i]) > 0)
            set_number(object, amounts[i], number_of(object, amounts[i]) + more);
    }
}

/* Of a list, those of what is listed. */
static void falsify_all_amounts(json_t *object, int64_t more)
{
    json_t *element;
    size_t index;

    falsify_amounts(object, more);
    json_array_foreach(json_object_get(object, "data"), index, element)
        falsify_amounts(element, more);
}

/* The id of somebody else's object of the same kind, with somebody else's metadata. */
static void falsify_object(struct arena *arena, json_t *object)
{
    char *id = arena_strdup(arena, text_of(object, "id"));
    size_t length = strlen(id);

    for (size_t i = length > 8 ? length - 8 : 0; i < length; i++)
        id[i] = id[i] == 'x' ? 'y' : 'x';
    set_text(object, "id", id);
    if (json_object_get(object, "metadata") != NULL)
        json_object_set_new(object, "metadata", json_object());
}

char *stripe_falsify(struct arena *arena, const char *body, const struct fault_plan *plan)
{
    const uint32_t kinds =
        1U << FAULT_OTHER_AMOUNT | 1U << FAULT_OTHER_CURRENCY | 1U << FAULT_OTHER_OBJECT;

    if ((plan->kinds & kinds) == 0)
        return NULL;
    json_t *object = json_loads(body, 0, NULL);
    if (fault_is_planned(plan, FAULT_OTHER_AMOUNT))
        falsify_all_amounts(object, plan->values[FAULT_OTHER_AMOUNT]);
    if (fault_is_planned(plan, FAULT_OTHER_CURRENCY) && text_of(object, "currency")[0] != '\0')
        set_text(object, "currency",
                 text_equal(text_of(object, "currency"), "usd") ? "eur" : "usd");
    if (fault_is_planned(plan, FAULT_OTHER_OBJECT) && text_of(object, "id")[0] != '\0')
        falsify_object(arena, object);
    char *text = json_is_object(object) ? json_text(arena, object, 2, NULL) : NULL;
    json_decref(object);
    return text;
}

char *stripe_signature(struct arena *arena, const char *secret, int64_t time_s, const char *body)
{
    const char *signed_text = arena_printf(arena, "%" PRId64 ".%s", time_s, body);
    uint8_t tag[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    hmac_sha256(secret, strlen(secret), signed_text, strlen(signed_text), tag);
    hex_encode(tag, sizeof tag, hex);
    return arena_printf(arena, "t=%" PRId64 ",v1=%s", time_s, hex);
}

/* What somebody would like to be true: everything was paid, and more of it. */
static json_t *forge(json_t *event)
{
    json_t *forged = json_deep_copy(event);
    json_t *object = json_object_get(json_object_get(forged, "data"), "object");

    falsify_amounts(object, 1000);
    if (json_object_get(object, "status") != NULL)
        set_text(object, "status", "succeeded");
    if (text_starts_with(text_of(forged, "type"), "payment_intent."))
        set_text(forged, "type", "payment_intent.succeeded");
    return forged;
}

char *stripe_webhook(struct arena *arena, json_t *event, const struct webhook_form *form,
                     struct http_header *signature)
{
    json_t *sent = form->is_forged ? forge(event) : json_incref(event);
    char *body = json_text(arena, sent, 2, NULL);
    const char *secret =
        form->is_forged ? arena_printf(arena, "%s_not", form->secret) : form->secret;

    json_decref(sent);
    *signature = (struct http_header){"Stripe-Signature",
                                      stripe_signature(arena, secret, form->time_s, body)};
    return body;
}
