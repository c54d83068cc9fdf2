/*
 * The gateway's own books: what came in, what it kept, and from when the rest can be paid out.
 */

#include "simulator/stripe/internal.h"

#define FEE_THOUSANDTHS 29
#define FEE_FIXED       30
#define AVAILABLE_S     (2 * 24 * 3600)

int64_t stripe_fee(int64_t amount)
{
    return (amount * FEE_THOUSANDTHS + 500) / 1000 + FEE_FIXED;
}

static const char *category_of(const char *type, const json_t *source)
{
    if (text_equal(type, "adjustment"))
        return text_equal(text_of(source, "object"), "dispute") ? "dispute" : "other_adjustment";
    return type;
}

const char *stripe_balance_add(struct stripe_call *call, const char *type, int64_t amount,
                               int64_t fee, const json_t *source, const char *description)
{
    json_t *entry = stripe_new(call, TEMPLATE_BALANCE_TRANSACTION);
    const char *currency = text_of(source, "currency");
    const struct stripe_card *card = stripe_card_of(source);
    bool is_available = card != NULL && card->is_available;

    set_text(entry, "type", type);
    set_text(entry, "reporting_category", category_of(type, source));
    set_text(entry, "currency", currency);
    set_text(entry, "source", text_of(source, "id"));
    set_text(entry, "description", description);
    set_number(entry, "amount", amount);
    set_number(entry, "fee", fee);
    set_number(entry, "net", amount - fee);
    set_number(entry, "available_on", is_available ? call->now_s : call->now_s + AVAILABLE_S);
    set_text(entry, "status", is_available ? "available" : "pending");
    if (fee != 0)
        json_array_append_new(
            json_object_get(entry, "fee_details"),
            json_pack("{s:I, s:n, s:s, s:s, s:s}", "amount", (json_int_t)fee, "application",
                      "currency", currency, "description",
                      text_equal(type, "charge") ? "Stripe processing fees" : "Dispute fee", "type",
                      "stripe_fee"));
    return text_of(entry, "id");
}

/* Adds `amount` to the entry of its currency. */
static void sum_up(json_t *list, const char *currency, int64_t amount)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *entry = json_array_get(list, i);
        if (text_equal(text_of(entry, "currency"), currency)) {
            set_number(entry, "amount", number_of(entry, "amount") + amount);
            return;
        }
    }
    json_array_append_new(list, json_pack("{s:I, s:s, s:{}}", "amount", (json_int_t)amount,
                                          "currency", currency, "source_types"));
}

json_t *stripe_retrieve_balance(struct stripe_call *call)
{
    json_t *balance = tx_keep(call->tx, json_pack("{s:s, s:[], s:b, s:[]}", "object", "balance",
                                                  "available", "livemode", 0, "pending"));
    struct store_cursor cursor = store_list(call->tx->store, "balance_transaction", "", "");

    for (const char *id; (id = store_next(&cursor)) != NULL;) {
        const json_t *entry = tx_load(call->tx, "balance_transaction", id);
        bool is_available = number_of(entry, "available_on") <= call->now_s;
        sum_up(json_object_get(balance, is_available ? "available" : "pending"),
               text_of(entry, "currency"), number_of(entry, "net"));
    }
    return balance;
}
