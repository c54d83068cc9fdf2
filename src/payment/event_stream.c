/*
 * Following a customer's events: read a page, tell it, and wait when there was no more.
 *
 * Each round has an arena and a deadline of its own.  A database that is away ends the stream; its
 * client comes back with the cursor.
 */
#include "payment/event_stream.h"

#include "base/house.h"
#include "base/owner.h"
#include "base/time.h"
#include "customer/event_feed.h"

#define PAGE_EVENTS    100
#define ROUND_LIMIT_US (5 * US_PER_SECOND)

/* A client hears at least so often that the stream stands. */
#define SILENCE_US US_PER_MINUTE

struct follower {
    const struct event_stream_wish *wish;
    struct call *call;
    struct stream *stream;
    struct uuid customer;
    int64_t position;     /* number of the last event that was read */
    int64_t last_sent_us; /* monotonic; 0: never */
    bool at_end;
};

/* A message when there is something to tell, first of all, and after a long silence. */
static const struct error *tell(struct follower *follower, struct arena *arena,
                                const struct event *events, size_t count)
{
    int64_t now_us = clock_monotonic_us(follower->call->house->clock);
    const char *cursor = event_cursor_make(arena, follower->customer, follower->position);
    size_t told = 0;
    const struct ProtobufCMessage *message = follower->wish->tell(
        arena, follower->customer, events, count, arena_strdup(arena, cursor), &told);

    stream_at(follower->stream, cursor);
    if (told == 0 && follower->last_sent_us != 0 && now_us - follower->last_sent_us < SILENCE_US)
        return NULL;
    follower->last_sent_us = now_us;
    return stream_send(follower->stream, message);
}

static const struct error *tell_next_page(struct follower *follower, struct call *round)
{
    struct event *events;
    size_t count;

    TRY(event_list(round, follower->customer, follower->position, PAGE_EVENTS, &events, &count));
    if (count > 0)
        follower->position = events[count - 1].sequence;
    follower->at_end = count < PAGE_EVENTS;
    return tell(follower, round->arena, events, count);
}

static const struct error *run_round(struct follower *follower)
{
    struct call round = call_part_begin(follower->call, CALL_PART_SIZE_MAX);

    round.deadline_us = clock_monotonic_us(round.house->clock) + ROUND_LIMIT_US;
    const struct error *error = tell_next_page(follower, &round);
    return call_part_end(follower->call, &round, error);
}

static const struct error *follow(struct follower *follower, struct event_watcher *watcher)
{
    for (;;) {
        TRY(run_round(follower));
        event_watch_seen(follower->call->house->events, watcher, follower->position);
        if (follower->at_end)
            TRY(stream_wait(follower->stream, SILENCE_US));
    }
}

static const struct error *begin(struct follower *follower)
{
    const struct event_stream_wish *wish = follower->wish;
    struct call *call = follower->call;
    struct field_errors errors = {.call = call};
    int64_t head;

    check_owned_name(&errors, "parent", wish->parent, "customers/{}", &follower->customer, 1);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, follower->customer, "CUSTOMER_NOT_FOUND", wish->parent));
    TRY(event_head(call, follower->customer, &head));
    if (wish->cursor[0] != '\0')
        return event_cursor_read(call, follower->customer, wish->cursor, head, &follower->position);
    follower->position = wish->from_now ? head : 0;
    return NULL;
}

const struct error *event_stream_run(struct call *call, struct stream *stream,
                                     const struct event_stream_wish *wish)
{
    struct follower follower = {.wish = wish, .call = call, .stream = stream};
    struct event_watcher watcher;

    TRY(begin(&follower));
    event_watch_begin(call->house->events, &watcher, follower.customer, stream);
    const struct error *error = follow(&follower, &watcher);
    event_watch_end(call->house->events, &watcher);
    return error;
}
