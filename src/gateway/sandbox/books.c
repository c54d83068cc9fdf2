/*
 * From the journal to the books.  The fee is that of Stripe's list prices, so that there is one to
 * post; refunds cost nothing, and do not bring the fee back.
 */

#include "gateway/sandbox/books.h"

#include "base/text.h"

#define FEE_THOUSANDTHS 29
#define FEE_FIXED       30

static int64_t fee_of(int64_t amount)
{
    return (amount * FEE_THOUSANDTHS + 500) / 1000 + FEE_FIXED;
}

int64_t books_moved(const struct journal_line *line)
{
    bool approved = text_equal(line->call.outcome, "APPROVED");
    enum gateway_operation operation;

    if (!gateway_operation_parse(line->call.operation, &operation))
        return 0;
    switch (operation) {
    case GATEWAY_CHARGE:
    case GATEWAY_CAPTURE:
        return approved ? line->call.amount_minor : 0;
    case GATEWAY_REFUND:
        if (text_equal(line->call.outcome, "REVERSED"))
            return line->call.amount_minor;
        return approved ? -line->call.amount_minor : 0;
    case GATEWAY_AUTHORIZE:
    case GATEWAY_VOID:
    case GATEWAY_OPERATION_COUNT:
        break;
    }
    return 0;
}

void books_line(struct memory *memory, struct arena *arena, const struct journal_line *line,
                struct gateway_transaction *entry)
{
    bool is_refund = text_equal(line->call.operation, gateway_operation_name(GATEWAY_REFUND));
    int64_t amount = books_moved(line);
    const struct memory_request *acted_on = memory_find_transaction(memory, line->acted_on);

    *entry = (struct gateway_transaction){
        .id = arena_printf(arena, "bt_%lld", (long long)line->call.number),
        .kind = is_refund ? GATEWAY_LINE_REFUND : GATEWAY_LINE_CHARGE,
        .transaction = line->call.transaction,
        .acted_on = line->acted_on,
        .reference = line->call.reference,
        .acted_on_reference = acted_on == NULL ? "" : arena_strdup(arena, acted_on->reference),
        .amount = money_make(line->call.currency, amount),
        .fee = money_make(line->call.currency, is_refund ? 0 : fee_of(amount)),
        .created_us = line->call.time_us,
    };
}
