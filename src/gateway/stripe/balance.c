/*
 * Stripe's books: balance transactions, each with what it is about.  One that cannot be read makes
 * the page unreadable: a list with a hole in it is worse than none.
 *
 * A refund or dispute that somebody made at Stripe has no reference of ours, so its payment is read
 * for it.
 */

#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/amount.h"
#include "gateway/stripe/answer.h"
#include "gateway/stripe/errand.h"
#include "gateway/stripe/json.h"

#define UNIX_SECONDS_MAX 253402300799LL

static enum gateway_line_kind kind_of(const char *type, const json_t *source)
{
    static const struct {
        const char *type;
        enum gateway_line_kind kind;
    } kinds[] = {
        {"charge", GATEWAY_LINE_CHARGE},         {"payment", GATEWAY_LINE_CHARGE},
        {"refund", GATEWAY_LINE_REFUND},         {"payment_refund", GATEWAY_LINE_REFUND},
        {"refund_failure", GATEWAY_LINE_REFUND}, {"payment_failure_refund", GATEWAY_LINE_REFUND},
        {"stripe_fee", GATEWAY_LINE_FEE},        {"network_cost", GATEWAY_LINE_FEE},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (text_equal(type, kinds[i].type))
            return kinds[i].kind;
    }
    return text_equal(stripe_text(source, "object"), "dispute") ? GATEWAY_LINE_DISPUTE
                                                                : GATEWAY_LINE_PAYOUT;
}

/* Stripe's amounts have a sign here. */
static bool read_signed(const char *currency, int64_t units, struct money *money)
{
    if (units == INT64_MIN || !stripe_money(currency, units < 0 ? -units : units, money))
        return false;
    if (units < 0)
        money->minor_units = -money->minor_units;
    return true;
}

/*
 * What was settled in another currency than it was asked for is told as it was asked for, as our
 * books have it: by the source, which has no sign of its own.
 */
static bool read_amount(const char *currency, int64_t settled, const json_t *source,
                        struct money *money)
{
    const char *asked = stripe_text(source, "currency");
    int64_t units;

    if (asked[0] == '\0' || text_equal(asked, currency))
        return read_signed(currency, settled, money);
    if (!stripe_number(source, "amount_captured", &units) &&
        !stripe_number(source, "amount", &units))
        return false;
    return read_signed(asked, settled < 0 ? -units : units, money);
}

static void read_source(struct arena *arena, const json_t *source, struct gateway_transaction *line)
{
    const char *payment = stripe_reference(source, "payment_intent");
    const char *id = stripe_text(source, "id");
    bool is_charge = line->kind == GATEWAY_LINE_CHARGE;

    line->transaction = arena_strdup(arena, is_charge && payment[0] != '\0' ? payment : id);
    line->acted_on = arena_strdup(arena, is_charge ? "" : payment);
    line->reference =
        arena_strdup(arena, stripe_text(stripe_object(source, "metadata"), STRIPE_REFERENCE));
}

static bool read_line(struct arena *arena, const json_t *entry, struct gateway_transaction *line)
{
    const json_t *source = stripe_object(entry, "source");
    const char *currency = stripe_text(entry, "currency");
    int64_t amount;
    int64_t units;
    int64_t created;

    *line = (struct gateway_transaction){
        .id = arena_strdup(arena, stripe_text(entry, "id")),
        .kind = kind_of(stripe_text(entry, "type"), source),
        .transaction = "",
        .acted_on = "",
        .reference = "",
        .acted_on_reference = "",
    };
    if (!stripe_is_id(line->id, "txn_") || !stripe_number(entry, "amount", &amount) ||
        !stripe_number(entry, "fee", &units) || !stripe_number(entry, "created", &created) ||
        created < 0 || created > UNIX_SECONDS_MAX || !read_signed(currency, units, &line->fee) ||
        !read_amount(currency, amount, source, &line->amount))
        return false;
    line->created_us = created * US_PER_SECOND;
    if (source != NULL)
        read_source(arena, source, line);
    return true;
}

/* False: nothing can be said now. */
static bool read_payment(const struct errand *errand, struct gateway_transaction *line)
{
    AUTO(stripe_json_release) json_t *body = NULL;
    const struct stripe_form form = {.arena = errand->arena};
    struct http_exchange_reply reply;

    errand_get(errand, arena_printf(errand->arena, "/v1/payment_intents/%s", line->acted_on), &form,
               &reply);
    if (reply.result != HTTP_ANSWERED || (reply.status != 200 && reply.status != 404))
        return false;
    body = stripe_json(reply.body, reply.body_size);
    line->acted_on_reference =
        arena_strdup(errand->arena, stripe_text(stripe_object(body, "metadata"), STRIPE_REFERENCE));
    return true;
}

static bool wants_payment(const struct gateway_transaction *line)
{
    return (line->kind == GATEWAY_LINE_REFUND || line->kind == GATEWAY_LINE_DISPUTE) &&
           line->reference[0] == '\0' && stripe_is_id(line->acted_on, "pi_");
}

static bool read_page(const struct errand *errand, const struct http_exchange_reply *reply,
                      struct gateway_transaction_page *page)
{
    AUTO(stripe_json_release) json_t *body = NULL;
    const json_t *entry;
    size_t index;

    if (reply->result != HTTP_ANSWERED || reply->status != 200)
        return false;
    body = stripe_json(reply->body, reply->body_size);
    const json_t *data = json_object_get(body, "data");
    if (!json_is_array(data) || json_array_size(data) > GATEWAY_LINES_MAX)
        return false;
    json_array_foreach(data, index, entry)
    {
        if (!read_line(errand->arena, entry, &page->list[page->count++]))
            return false;
    }
    if (stripe_flag(body, "has_more")) {
        if (page->count == 0)
            return false;
        page->next = page->list[page->count - 1].id;
    }
    return true;
}

bool stripe_list_transactions(const struct gateway *gateway, struct call *call, int64_t from_us,
                              int64_t until_us, const char *cursor,
                              struct gateway_transaction_page *page)
{
    const struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena};
    struct http_exchange_reply reply;

    *page = (struct gateway_transaction_page){
        .list = arena_array(call->arena, GATEWAY_LINES_MAX, sizeof *page->list), .next = ""};
    form_add_number(&form, "created[gte]", from_us / US_PER_SECOND);
    form_add_number(&form, "created[lt]", until_us / US_PER_SECOND);
    form_add_number(&form, "limit", GATEWAY_LINES_MAX);
    if (cursor[0] != '\0')
        form_add(&form, "starting_after", cursor);
    form_add(&form, "expand[0]", "data.source");
    errand_get(&errand, "/v1/balance_transactions", &form, &reply);
    if (!read_page(&errand, &reply, page))
        return false;
    for (size_t i = 0; i < page->count; i++) {
        if (wants_payment(&page->list[i]) && !read_payment(&errand, &page->list[i]))
            return false;
    }
    return true;
}
