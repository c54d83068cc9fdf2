/*
 * Asks every room for its measures, in the order in which a call meets them.
 */

#include "house_telemetry.h"

#include <inttypes.h>

#include "base/bug.h"
#include "base/fiber.h"
#include "base/text.h"
#include "customer/event_feed.h"
#include "edge/edge.h"
#include "inbox/inbox.h"
#include "ledger/seal.h"
#include "membership/entitlement_cache.h"
#include "payment/news.h"
#include "payment/payment_measure.h"
#include "pg/lanes.h"
#include "rpc/server.h"
#include "vault/vault.h"
#include "webhook/courier.h"

/* The youngest so many are shown; the count is of all. */
#define CALLS_SHOWN_MAX 1000

/* One call as JSON beside its texts, which json_quote has made longer already. */
#define CALL_FRAME_SIZE 128

static void measure(void *owner, struct measures *out)
{
    const struct house_view *view = owner;

    edge_measure(out);
    rpc_server_measure(view->server, out);
    rpc_server_measure_certificates(view->server, out);
    fiber_pool_measure(view->house->fibers, out);
    pg_measure(view->house->pg, out);
    jobs_measure(view->house->jobs, out);
    payment_measure(view->house->payment_counts, out);
    inbox_measure(view->inbox, out);
    news_watch_measure(view->news, out);
    vault_measure(view->house->vault, out);
    courier_measure(view->house->courier, out);
    entitlement_cache_measure(view->house->entitlements, out);
    event_feed_measure(view->house->events, out);
    ledger_sealer_measure(view->sealer, out);
}

static const char *describe_call(struct arena *arena, const struct rpc_call_view *call)
{
    return arena_printf(arena,
                        "{\"method\":%s,\"caller\":%s,\"state\":\"%s\",\"age_us\":%" PRId64 "}",
                        json_quote(arena, call->method), json_quote(arena, call->caller),
                        rpc_call_state_name(call->state), call->age_us);
}

static const char *describe_calls(void *owner, struct arena *arena)
{
    const struct house_view *view = owner;
    struct rpc_call_view *calls = arena_array(arena, CALLS_SHOWN_MAX, sizeof(*calls));
    size_t count = rpc_server_describe_calls(view->server, calls, CALLS_SHOWN_MAX);
    const char **texts = arena_array(arena, count + 1, sizeof(*texts));
    size_t size = CALL_FRAME_SIZE;

    for (size_t i = 0; i < count; i++) {
        texts[i] = describe_call(arena, &calls[i]);
        size += strlen(texts[i]) + 1;
    }
    char *text = arena_alloc(arena, size);
    int used =
        snprintf(text, size, "{\"running\":%zu,\"calls\":[", rpc_server_running(view->server));
    for (size_t i = 0; i < count; i++)
        used += snprintf(text + used, size - (size_t)used, "%s%s", i == 0 ? "" : ",", texts[i]);
    snprintf(text + used, size - (size_t)used, "]}\n");
    return text;
}

static bool is_serving(void *owner)
{
    struct house_view *view = owner;

    return !atomic_load(&view->is_stopping) && pg_is_ready(view->house->pg);
}

struct telemetry_options house_telemetry_options(struct house_view *view,
                                                 const struct job_kind *const *kinds,
                                                 size_t kind_count)
{
    if (kind_count > HOUSE_JOB_KINDS_MAX)
        bug("more than %d kinds of obligations", HOUSE_JOB_KINDS_MAX);
    for (size_t i = 0; i < kind_count; i++)
        view->obligation_kinds[i] = kinds[i]->name;
    return (struct telemetry_options){
        .house = view->house,
        .obligation_kinds = view->obligation_kinds,
        .obligation_kind_count = kind_count,
        .owner = view,
        .measure = measure,
        .describe_calls = describe_calls,
        .is_serving = is_serving,
    };
}
