/*
 * A server stream, as its handler sees it: straight-line code that sends and waits.
 *
 *   const struct error *watch_things(struct call *call, const void *request, struct stream *stream)
 *   {
 *       shape of the request, whose it is: an error here ends the call as any other
 *       for (;;) {
 *           read the next page, in an arena of this round
 *           stream_at(stream, cursor of the page's last thing);
 *           TRY(stream_send(stream, &page.base));
 *           if (that was all)
 *               TRY(stream_wait(stream, US_PER_MINUTE));
 *       }
 *   }
 *
 * Sending and waiting park the fiber and fail when the stream must end: its client has left or does
 * not read, its deadline has passed, its caller may not call any more, the server stops.  The
 * handler passes the error up, and rpc/ tells the client why, with the cursor of stream_at.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"

struct ProtobufCMessage;
struct stream;

#define STREAM_CURSOR_SIZE 64

/* What rpc/ does for a stream. */
struct stream_ways {
    const struct error *(*send)(struct stream *stream, const struct ProtobufCMessage *message);
    const struct error *(*wait)(struct stream *stream, int64_t at_most_us);
    void (*wake)(struct stream *stream);
};

struct stream {
    const struct stream_ways *ways;
    char cursor[STREAM_CURSOR_SIZE]; /* where a client goes on after this stream; "" not known */
};

/*
 * Returns when the transport has taken the message, which may be freed then.  One message at a time
 * is all that a client that does not read makes us hold.
 */
static inline const struct error *stream_send(struct stream *stream,
                                              const struct ProtobufCMessage *message)
{
    return stream->ways->send(stream, message);
}

/*
 * Returns after stream_wake, or `at_most_us` later.  A wake since the last wait counts, so nothing
 * is missed by who looks after each return.
 */
static inline const struct error *stream_wait(struct stream *stream, int64_t at_most_us)
{
    return stream->ways->wait(stream, at_most_us);
}

/* From any thread and under any lock, while the handler lives. */
static inline void stream_wake(struct stream *stream)
{
    stream->ways->wake(stream);
}

/* From now on errors of this stream tell its client the cursor, as metadata of that name. */
static inline void stream_at(struct stream *stream, const char *cursor)
{
    snprintf(stream->cursor, sizeof(stream->cursor), "%s", cursor);
}
