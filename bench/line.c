/*
 * A connection of the load client and the calls in flight on it.
 */
#include <sys/epoll.h>

#include "load.h"

#define REOPEN_AFTER_US  100000
#define OVERDUE_AFTER_US 500000 /* past a call's deadline: the server forgot it */
#define STREAM_MAX       0x70000000

enum status {
    STATUS_OK = 0,
    STATUS_UNKNOWN = 2,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_UNAVAILABLE = 14
};

static struct line *line_of(struct wire *wire)
{
    return (struct line *)wire;
}

static struct cell *cell_of(struct line *line, uint32_t stream)
{
    struct cell *cell = &line->cells[stream / 2 % CELLS];

    return cell->stream == stream ? cell : NULL;
}

static void count(struct worker *worker, const struct cell *cell)
{
    struct tally *tally = &worker->tally;
    int64_t now = now_us();
    int64_t took_us = now - cell->begun_us;

    if (cell->begun_us < worker->count_from_us || cell->begun_us >= worker->count_until_us)
        return;
    tally->statuses[cell->status]++;
    if (cell->status == STATUS_OK) {
        tally->in_time += now < worker->count_until_us;
        latency_add(&tally->ok, took_us);
    } else if (cell->status == STATUS_RESOURCE_EXHAUSTED) {
        latency_add(&tally->refused, took_us);
    } else {
        latency_add(&tally->failed, took_us);
    }
}

static void end(struct line *line, struct cell *cell, int status)
{
    if (cell->status < 0)
        cell->status = status;
    count(line->worker, cell);
    if (line->worker->plan->replies != NULL && cell->status == STATUS_OK)
        requests_write_reply(line->worker->plan, &cell->reply);
    cell->stream = 0;
    line->active--;
    line->worker->active--;
}

static void on_headers(struct wire *wire, uint32_t stream, const uint8_t *block, size_t size,
                       bool is_end)
{
    struct cell *cell = cell_of(line_of(wire), stream);

    if (cell == NULL)
        return;
    int status = headers_status(block, size);
    if (status >= 0)
        cell->status = status;
    if (is_end)
        end(line_of(wire), cell, STATUS_UNKNOWN);
}

static void on_data(struct wire *wire, uint32_t stream, const uint8_t *bytes, size_t size,
                    bool is_end)
{
    struct cell *cell = cell_of(line_of(wire), stream);

    if (cell == NULL)
        return;
    if (line_of(wire)->worker->plan->replies != NULL)
        wire_append(&cell->reply, bytes, size);
    if (is_end)
        end(line_of(wire), cell, STATUS_UNKNOWN);
}

/* After its answer a server may reset what it has not read: that is no failure. */
static void on_reset(struct wire *wire, uint32_t stream)
{
    struct cell *cell = cell_of(line_of(wire), stream);

    if (cell != NULL)
        end(line_of(wire), cell, STATUS_UNAVAILABLE);
}

static void on_up(struct wire *wire)
{
    line_of(wire)->spelled_out = false;
}

static void on_lost(struct wire *wire)
{
    struct line *line = line_of(wire);

    for (size_t i = 0; i < CELLS && line->active > 0; i++) {
        if (line->cells[i].stream != 0)
            end(line, &line->cells[i], STATUS_UNAVAILABLE);
    }
    line->reopen_us = now_us() + REOPEN_AFTER_US;
}

static const struct wire_owner line_owner = {
    .headers = on_headers,
    .data = on_data,
    .reset = on_reset,
    .up = on_up,
    .lost = on_lost,
};

void line_init(struct line *line, struct worker *worker, size_t number)
{
    const struct plan *plan = worker->plan;
    char *token = NULL;

    line->worker = worker;
    line->wire.owner = &line_owner;
    line->wire.epoll = worker->epoll;
    line->context =
        wire_context(plan->certificates, plan->identities[number % plan->identity_count]);
    if (plan->token_count > 0) {
        token = read_whole(plan->tokens[number % plan->token_count]);
        token[strcspn(token, "\n")] = '\0';
    }
    headers_make(&line->blocks, plan->rpc, plan->timeout_ms, token);
    free(token);
}

void line_keep_open(struct line *line, int64_t now)
{
    if (line->wire.state == WIRE_LEAVING && line->active == 0) {
        wire_close(&line->wire);
        line->reopen_us = 0;
    }
    if (line->wire.state == WIRE_UP && line->next_stream > STREAM_MAX)
        line->wire.state = WIRE_LEAVING;
    if (line->wire.state != WIRE_CLOSED || now < line->reopen_us)
        return;
    line->next_stream = 1;
    wire_open(&line->wire, line->context, line->worker->plan->target);
}

bool line_has_room(const struct line *line)
{
    const struct wire *wire = &line->wire;
    size_t most = wire->streams_max < CELLS / 2 ? wire->streams_max : CELLS / 2;

    return wire->state == WIRE_UP && line->active < most && wire->send_window >= LINE_WINDOW_MIN;
}

void line_begin(struct line *line, int64_t begun_us)
{
    struct cell *cell;

    /* A call that takes long may still hold the cell of a later stream. */
    while ((cell = &line->cells[line->next_stream / 2 % CELLS])->stream != 0)
        line->next_stream += 2;
    cell->stream = line->next_stream;
    cell->status = -1;
    cell->sent_us = now_us();
    cell->begun_us = begun_us;
    cell->reply.size = 0;
    line->next_stream += 2;
    line->active++;
    line->worker->active++;
    requests_next(line->worker->plan, &line->message);
    wire_request(&line->wire, cell->stream,
                 line->spelled_out ? &line->blocks.next : &line->blocks.first, line->message.bytes,
                 line->message.size);
    line->spelled_out = true;
}

void line_drop_overdue(struct line *line, int64_t now)
{
    int64_t limit_us = line->worker->plan->timeout_ms * 1000 + OVERDUE_AFTER_US;

    for (size_t i = 0; i < CELLS && line->active > 0; i++) {
        struct cell *cell = &line->cells[i];
        if (cell->stream == 0 || now - cell->sent_us < limit_us)
            continue;
        wire_cancel(&line->wire, cell->stream);
        end(line, cell, STATUS_DEADLINE_EXCEEDED);
    }
}
