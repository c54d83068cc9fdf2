/*
 * Stripe's books: balance transactions, each with what it is about.  One that cannot be read is
 * named, and the others are told: people look at a hole, a list without end has no reconciliation.
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
/* A line each, and one more of a charge. */
#define PAGE_SIZE (GATEWAY_LINES_MAX / 2)

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

/* What was asked for is whole in our units, also when it comes back; the rest Stripe computes. */
static bool is_asked_for(enum gateway_line_kind kind)
{
    return kind == GATEWAY_LINE_CHARGE || kind == GATEWAY_LINE_REFUND ||
           kind == GATEWAY_LINE_DISPUTE;
}

static bool is_settled_otherwise(const json_t *entry)
{
    const char *asked = stripe_text(stripe_object(entry, "source"), "currency");

    return asked[0] != '\0' && !text_equal(asked, stripe_text(entry, "currency"));
}

/*
 * What was settled in another currency than it was asked for is told as it was asked for, as our
 * books have it: by the source, which has no sign of its own.  A charge is the sum of all that was
 * captured of it, whichever line tells of it: see add_whole().
 */
static const char *read_amount(const json_t *entry, int64_t settled,
                               struct gateway_transaction *line)
{
    const json_t *source = stripe_object(entry, "source");
    const char *currency = stripe_text(entry, "currency");
    int64_t units = 0;

    if (!is_settled_otherwise(entry))
        return (is_asked_for(line->kind) ? stripe_money(currency, settled, &line->amount)
                                         : stripe_money_rounded(currency, settled, &line->amount))
                   ? NULL
                   : "its amount is none of the currency";
    bool is_told = line->kind == GATEWAY_LINE_CHARGE || stripe_number(source, "amount", &units);
    if (!is_told || units < 0 || units > MONEY_MINOR_UNITS_MAX ||
        !stripe_money(stripe_text(source, "currency"), settled < 0 ? -units : units, &line->amount))
        return "it does not say what was asked for";
    return NULL;
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

/* NULL: it is read; else why not. */
static const char *read_line(struct arena *arena, const json_t *entry,
                             struct gateway_transaction *line)
{
    const json_t *source = stripe_object(entry, "source");
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
    if (!stripe_is_id(line->id, "txn_"))
        return "it has no id";
    if (!stripe_number(entry, "amount", &amount) || !stripe_number(entry, "fee", &units) ||
        !stripe_number(entry, "created", &created) || created < 0 || created > UNIX_SECONDS_MAX)
        return "an amount, a fee or a time is missing";
    if (!stripe_money_rounded(stripe_text(entry, "currency"), units, &line->fee))
        return "its fee is of no currency that is known";
    line->created_us = created * US_PER_SECOND;
    if (source != NULL)
        read_source(arena, source, line);
    return read_amount(entry, amount, line);
}

/*
 * All that was captured of a charge that was settled in another currency, as a line by the name of
 * the charge, and its own lines without an amount: with several captures each of them shows the
 * same source.  The same line twice, also on another page, counts once.
 */
static const char *add_whole(struct arena *arena, const json_t *entry,
                             struct gateway_transaction_page *page)
{
    const json_t *source = stripe_object(entry, "source");
    struct gateway_transaction whole = page->list[page->count - 1];
    int64_t units;

    if (whole.kind != GATEWAY_LINE_CHARGE || !is_settled_otherwise(entry))
        return NULL;
    whole.id = arena_strdup(arena, stripe_text(source, "id"));
    whole.fee = money_make(whole.fee.currency, 0);
    if (!stripe_is_id(whole.id, "ch_") ||
        (!stripe_number(source, "amount_captured", &units) &&
         !stripe_number(source, "amount", &units)) ||
        !stripe_money(stripe_text(source, "currency"), units, &whole.amount)) {
        page->count--;
        return "it does not say what was asked for";
    }
    page->list[page->count++] = whole;
    return NULL;
}

/* Of hostile lists, too, each element is a line read or a line named. */
static void add_line(struct arena *arena, const json_t *entry,
                     struct gateway_transaction_page *page)
{
    const char *problem = read_line(arena, entry, &page->list[page->count]);

    if (problem == NULL) {
        page->count++;
        problem = add_whole(arena, entry, page);
    }
    if (problem == NULL)
        return;
    page->unread[page->unread_count++] = (struct gateway_unread_line){
        .id = arena_strdup(arena, stripe_text(entry, "id")), .why = problem};
}

/* False: nothing can be said now.  It is asked in memory of its own: a page may have many. */
static bool read_payment(const struct errand *errand, struct gateway_transaction *line)
{
    AUTO(stripe_json_release) json_t *body = NULL;
    AUTO(arena_auto_free) struct arena *arena = arena_new(CALL_PART_SIZE_MAX);
    struct errand question = *errand;
    const struct stripe_form form = {.arena = arena};
    struct http_exchange_reply reply;

    question.arena = arena;
    errand_get(&question, arena_printf(arena, "/v1/payment_intents/%s", line->acted_on), &form,
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
    if (!json_is_array(data) || json_array_size(data) > PAGE_SIZE)
        return false;
    json_array_foreach(data, index, entry)
    {
        add_line(errand->arena, entry, page);
        page->next = arena_strdup(errand->arena, stripe_text(entry, "id"));
    }
    if (!stripe_flag(body, "has_more")) {
        page->next = "";
        return true;
    }
    return stripe_is_id(page->next, "txn_");
}

bool stripe_list_transactions(const struct gateway *gateway, struct call *call, int64_t from_us,
                              int64_t until_us, const char *cursor,
                              struct gateway_transaction_page *page)
{
    const struct errand errand = errand_begin(gateway->state, call);
    struct stripe_form form = {.arena = call->arena};
    struct http_exchange_reply reply;

    *page = (struct gateway_transaction_page){
        .list = arena_array(call->arena, GATEWAY_LINES_MAX, sizeof *page->list),
        .unread = arena_array(call->arena, PAGE_SIZE, sizeof *page->unread),
        .next = ""};
    form_add_number(&form, "created[gte]", from_us / US_PER_SECOND);
    form_add_number(&form, "created[lt]", until_us / US_PER_SECOND);
    form_add_number(&form, "limit", PAGE_SIZE);
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
