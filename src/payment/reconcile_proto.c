/*
 * Reconciliations in the words of the contract.
 */

#include "base/text.h"
#include "contract/message.h"
#include "payment/reconcile.h"

#define CURRENCY_LENGTH   3
#define AMOUNT_LENGTH_MIN 5 /* "EUR 1" */
#define STATE(name)       DUES__PAYMENT__V1__RECONCILIATION__STATE__STATE_##name

static Dues__Payment__V1__Reconciliation__State state_of(const char *state)
{
    if (text_equal(state, "RUNNING"))
        return STATE(RUNNING);
    return text_equal(state, "SUCCEEDED") ? STATE(SUCCEEDED) : STATE(FAILED);
}

/* "EUR 120 USD -5" */
static void amounts_to_proto(struct arena *arena, const char *text,
                             Dues__Payment__V1__Reconciliation *proto)
{
    proto->foreign_amounts =
        arena_array(arena, strlen(text) / AMOUNT_LENGTH_MIN + 1, sizeof *proto->foreign_amounts);
    while (*text != '\0') {
        const char *currency = arena_strndup(arena, text, CURRENCY_LENGTH);
        char *rest;
        int64_t minor_units = strtoll(text + CURRENCY_LENGTH, &rest, 10);
        proto->foreign_amounts[proto->n_foreign_amounts++] =
            money_to_proto(arena, money_make(currency, minor_units));
        text = rest + strspn(rest, " ");
    }
}

void reconciliation_to_proto(struct arena *arena, const struct reconciliation *run,
                             Dues__Payment__V1__Reconciliation *proto)
{
    proto->name = name_make(arena, RECONCILIATION_PATTERN, &run->id);
    proto->gateway = arena_strdup(arena, run->gateway);
    proto->state = state_of(run->state);
    proto->from_time = time_to_proto(arena, run->from_us);
    proto->until_time = time_to_proto(arena, run->until_us);
    proto->requester = arena_strdup(arena, run->requester);
    proto->entry_count = run->entry_count;
    proto->own_count = run->own_count;
    proto->mended_count = run->mended_count;
    proto->incident_count = run->incident_count;
    proto->fee_count = run->fee_count;
    proto->doubt_count = run->doubt_count;
    proto->foreign_count = run->foreign_count;
    amounts_to_proto(arena, run->foreign_amounts, proto);
    if (run->finish_time_us != 0 && run->list_hash != NULL) {
        proto->list_hash.data = arena_copy(arena, run->list_hash, run->list_hash_size);
        proto->list_hash.len = run->list_hash_size;
    }
    proto->problem = arena_strdup(arena, run->problem);
    proto->create_time = time_to_proto(arena, run->create_time_us);
    proto->update_time = time_to_proto(arena, run->update_time_us);
    proto->finish_time = time_to_proto(arena, run->finish_time_us);
}
