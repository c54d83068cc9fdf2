/*
 * Looking for new disputes at the gateways that list them.  Those that are recorded are looked at
 * by their own obligation (dispute.c); those behind which there is no attempt of ours belong to
 * somebody else with the same account, and are asked about until they are older than the look.
 */

#include "payment/dispute_internal.h"

#include <stdatomic.h>

#include "base/fail_point.h"
#include "base/settings.h"
#include "base/time.h"
#include "base/watch.h"

/* What a server may have missed while it did not run; the first look goes back so far. */
#define LOOK_BACK_US (7 * US_PER_DAY)
/* Lists of gateways are a little behind, and clocks are not the same. */
#define OVERLAP_US US_PER_HOUR

#define PAGES_MAX  50
#define LIMIT_US   (60 * US_PER_SECOND)
#define ARENA_SIZE ((size_t)256 * 1024)

/* Of one gateway, all in wall time.  A list that is too long for one look is read on in the next.
 */
struct reading {
    int64_t since_us;                        /* 0: the first look */
    int64_t begun_us;                        /* when the list was begun */
    char cursor[GATEWAY_DISPUTE_ID_MAX + 1]; /* "": from its newest */
    bool is_clean;                           /* nothing of it went wrong */
};

struct dispute_poll {
    const struct house *house;
    struct watch *watch;
    struct reading readings[GATEWAYS_MAX];
    bool has_rested;
    atomic_bool is_stopping;
};

static const struct error *learn(struct call *call, const struct gateway *gateway, const char *id)
{
    bool is_recorded;
    bool is_known;

    TRY(dispute_is_recorded(call, gateway->name, id, &is_recorded));
    return is_recorded ? NULL : dispute_learned(call, gateway, id, &is_known);
}

/* The first error; one dispute that cannot be read is no reason not to learn of the others. */
static const struct error *learn_page(struct dispute_poll *poll, struct call *call,
                                      const struct gateway *gateway,
                                      const struct gateway_dispute_page *page)
{
    const struct error *first = NULL;

    for (size_t i = 0; i < page->count && !atomic_load(&poll->is_stopping); i++) {
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = learn(&part, gateway, page->ids[i]);
        error = call_part_end(call, &part, error);
        if (first == NULL)
            first = error;
    }
    return first;
}

/* The list was read to its end; of what could not be read in it, it is asked again for a while. */
static void move_on(struct reading *reading)
{
    int64_t back_us = reading->begun_us - LOOK_BACK_US;

    reading->cursor[0] = '\0';
    if (reading->is_clean)
        reading->since_us = reading->begun_us - OVERLAP_US;
    else if (reading->since_us < back_us)
        reading->since_us = back_us;
}

/* `*is_over`: nothing more is read in this look. */
static const struct error *look_at_page(struct dispute_poll *poll, struct call *call,
                                        const struct gateway *gateway, struct reading *reading,
                                        bool *is_over)
{
    struct gateway_dispute_page page;

    *is_over = true;
    bool is_listed;
    if (FAIL_DO("dispute.list", "",
                is_listed = gateway->list_disputes(gateway, call, reading->since_us,
                                                   reading->cursor, &page)))
        is_listed = false;
    if (!is_listed) {
        if (call_time_left_us(call) > 0)
            reading->cursor[0] = '\0'; /* it may be why */
        return refuse(call, STATUS_UNAVAILABLE, "GATEWAY_UNAVAILABLE",
                      "%s does not list its disputes", gateway->name);
    }
    const struct error *error = learn_page(poll, call, gateway, &page);
    reading->is_clean = reading->is_clean && error == NULL;
    if (atomic_load(&poll->is_stopping))
        return error;
    if (page.next == NULL || page.next[0] == '\0') {
        move_on(reading);
        return error;
    }
    snprintf(reading->cursor, sizeof reading->cursor, "%s", page.next);
    *is_over = false;
    return error;
}

static const struct error *look(struct dispute_poll *poll, struct call *call,
                                const struct gateway *gateway, struct reading *reading)
{
    const struct error *first = NULL;
    bool is_over = false;

    for (int pages = 0; pages < PAGES_MAX && !is_over; pages++) {
        struct call part = call_part_begin(call, CALL_PART_SIZE_MAX);
        const struct error *error = look_at_page(poll, &part, gateway, reading, &is_over);
        error = call_part_end(call, &part, error);
        if (first == NULL)
            first = error;
    }
    return first;
}

static const struct error *ask(void *owner, struct call *call)
{
    struct dispute_poll *poll = owner;
    const struct gateways *gateways = poll->house->gateways;
    const struct error *first = NULL;

    /* A server that starts has other things to do. */
    if (!poll->has_rested) {
        poll->has_rested = true;
        return NULL;
    }
    for (int32_t i = 0; i < gateways->count; i++) {
        struct reading *reading = &poll->readings[i];
        if (gateways->list[i]->list_disputes == NULL || gateways->list[i]->get_dispute == NULL)
            continue;
        if (reading->cursor[0] == '\0') {
            reading->begun_us = clock_wall_us(poll->house->clock);
            reading->is_clean = true;
        }
        if (reading->since_us == 0)
            reading->since_us = reading->begun_us - LOOK_BACK_US;
        const struct error *error = look(poll, call, gateways->list[i], reading);
        if (first == NULL)
            first = error;
    }
    return first;
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
