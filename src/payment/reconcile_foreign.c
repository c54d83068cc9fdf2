/*
 * What a gateway's list has that does not name us.  In an account that is ours alone each of it is
 * money that nobody explains, so people are told; in one that others use as well it is counted and
 * added up, and no incident drowns those that are ours.
 */

#include <inttypes.h>

#include "base/settings.h"
#include "base/text.h"
#include "payment/reconcile.h"

static void add(struct arena *arena, struct reconcile_tally *tally, struct money amount)
{
    struct reconcile_sum *sum = tally->sums;

    while (sum != NULL && !money_same_currency(sum->amount, amount))
        sum = sum->next;
    if (sum != NULL) {
        sum->amount.minor_units += amount.minor_units;
        return;
    }
    sum = arena_alloc(arena, sizeof *sum);
    *sum = (struct reconcile_sum){.amount = amount, .next = tally->sums};
    tally->sums = sum;
}

const struct error *reconcile_foreign(struct call *call, struct reconcile_look *look,
                                      const struct reconcile_finding *finding)
{
    if (!call->house->settings->reconcile_shared_account)
        TRY(reconcile_report(call, look->run, finding));
    look->tally.foreign++;
    add(look->arena, &look->tally, money_make(finding->currency, finding->amount));
    return NULL;
}

const char *reconcile_sums(struct arena *arena, const struct reconcile_tally *tally)
{
    const char *text = "";

    for (const struct reconcile_sum *sum = tally->sums; sum != NULL; sum = sum->next)
        text = arena_printf(arena, "%s%s\t%" PRId64 "\n", text, sum->amount.currency,
                            sum->amount.minor_units);
    return text;
}
