/*
 * Looking for new disputes at the gateways that list them.  Those that are recorded are looked at
 * by their own obligation (dispute.c); those behind which there is no attempt of ours belong to
 * somebody else with the same account, and are asked about until they are older than the look.
 */

#include "payment/dispute_internal.h"

#include <stdatomic.h>

#include "base/settings.h"
#include "base/time.h"
#include "base/watch.h"

/* What a server may have missed while it did not run; the first look goes back so far. */
#define LOOK_BACK_US (7 * US_PER_DAY)
/* Lists of gateways are a little behind, and clocks are not the same. */
#define OVERLAP_US US_PER_HOUR

#define PAGES_MAX  50
#define LIMIT_US   (60 * US_PER_SECOND)
#define ARENA_SIZE ((size_t)8 * 1024 * 1024)

struct dispute_poll {
    const struct house *house;
    struct watch *watch;
    int64_t since_us[GATEWAYS_MAX]; /* wall time; 0: the first look */
    bool has_rested;
    atomic_bool is_stopping;
};

static const struct error *learn_page(struct dispute_poll *poll, struct call *call,
                                      const struct gateway *gateway,
                                      const struct gateway_dispute_page *page)
{
    for (size_t i = 0; i < page->count && !atomic_load(&poll->is_stopping); i++) {
        bool is_recorded;
        bool is_known;
        TRY(dispute_is_recorded(call, gateway->name, page->ids[i], &is_recorded));
        if (!is_recorded)
            TRY(dispute_learned(call, gateway, page->ids[i], &is_known));
    }
    return NULL;
}

static const struct error *look(struct dispute_poll *poll, struct call *call,
                                const struct gateway *gateway, int64_t since_us)
{
    struct gateway_dispute_page page;
    const char *cursor = "";

    for (int pages = 0; pages < PAGES_MAX && !atomic_load(&poll->is_stopping); pages++) {
        if (!gateway->list_disputes(gateway, call, since_us, cursor, &page))
            return refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                          "%s does not list its disputes", gateway->name);
        TRY(learn_page(poll, call, gateway, &page));
        if (page.next == NULL || page.next[0] == '\0')
            break;
        cursor = page.next;
    }
    return NULL;
}

static const struct error *ask(void *owner, struct call *call)
{
    struct dispute_poll *poll = owner;
    const struct gateways *gateways = poll->house->gateways;

    /* A server that starts has other things to do. */
    if (!poll->has_rested) {
        poll->has_rested = true;
        return NULL;
    }
    for (int32_t i = 0; i < gateways->count; i++) {
        int64_t now_us = clock_wall_us(poll->house->clock);
        int64_t since_us = poll->since_us[i] == 0 ? now_us - LOOK_BACK_US : poll->since_us[i];
        if (gateways->list[i]->list_disputes == NULL || gateways->list[i]->get_dispute == NULL)
            continue;
        TRY(look(poll, call, gateways->list[i], since_us));
        poll->since_us[i] = now_us - OVERLAP_US;
    }
    return NULL;
}

struct dispute_poll *dispute_poll_open(const struct house *house)
{
    struct dispute_poll *poll = calloc(1, sizeof *poll);

    if (poll == NULL)
        abort();
    poll->house = house;
    if (house->settings->dispute_poll_seconds == 0)
        return poll;
    poll->watch = watch_open(&(struct watch_question){
        .house = house,
        .caller = "system/disputes",
        .method = "disputes/poll",
        .every_us = house->settings->dispute_poll_seconds * US_PER_SECOND,
        .limit_us = LIMIT_US,
        .arena_size = ARENA_SIZE,
        .ask = ask,
        .owner = poll,
        .trouble_event = "disputes.cannot_look",
    });
    return poll;
}

void dispute_poll_start(struct dispute_poll *poll)
{
    if (poll->watch != NULL)
        watch_start(poll->watch);
}

void dispute_poll_stop(struct dispute_poll *poll)
{
    if (poll == NULL || poll->watch == NULL)
        return;
    atomic_store(&poll->is_stopping, true);
    watch_stop(poll->watch);
}

void dispute_poll_close(struct dispute_poll *poll)
{
    if (poll == NULL)
        return;
    watch_close(poll->watch);
    free(poll);
}
