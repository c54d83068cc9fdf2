/*
 * The door to the lanes: which lane an op takes, and parking its fiber until it is answered.
 */
#include "pg/lanes.h"

#include "base/bug.h"
#include "pg/lane.h"
#include "pg/lane_measure.h"

struct pg {
    struct pg_options options;
    char *connection;
    struct lane *write_lanes;
    struct lane *read_lanes;
    pg_written *written; /* NULL: nobody wants to know */
    void *listener;
    atomic_int_least64_t waiting; /* see struct pg_flow */
    atomic_int_least64_t answered;
};

/*
 * Customer → write lane.  The only place that knows: a hash today, shard → worker later.  The last
 * bytes of our ids are random.
 */
static struct lane *write_lane_of(struct pg *pg, struct uuid key)
{
    uint32_t hash = 0;

    memcpy(&hash, key.bytes + sizeof(key.bytes) - sizeof(hash), sizeof(hash));
    return &pg->write_lanes[hash % (uint32_t)pg->options.write_lanes];
}

/* A read lane has enough to do with this many ops; fewer lanes that are full beat many with little.
 */
#define LANE_FILL 64

/*
 * Reads have no order among themselves.  The first lane that has room in its next batch and is not
 * held up by something slow, so that what comes together is asked together; else the shortest
 * queue.
 */
static struct lane *read_lane(struct pg *pg)
{
    struct lane *shortest = &pg->read_lanes[0];
    int64_t now_us = clock_monotonic_us(pg->options.clock);

    for (int32_t i = 0; i < pg->options.read_lanes; i++) {
        struct lane *lane = &pg->read_lanes[i];

        if (lane_load(lane) < LANE_FILL && !lane_is_held_up(lane, now_us))
            return lane;
        if (lane_load(lane) < lane_load(shortest))
            shortest = lane;
    }
    return shortest;
}

struct submission {
    struct lane *lane;
    struct op *op;
};

static void submit(struct fiber *self, void *arg)
{
    const struct submission *submission = arg;

    submission->op->fiber = self;
    lane_submit(submission->lane, submission->op);
}

static const struct error *run(struct lane *lane, struct call *call,
                               const struct pg_statement *statement, struct pg_params params,
                               struct pg_rows *rows)
{
    struct pg *pg = call->house->pg;
    int counted = call->caller.kind == CALLER_SYSTEM ? 0 : 1;
    struct op op = {.call = call, .statement = statement, .params = params, .rows = rows};
    struct submission submission = {.lane = lane, .op = &op};

    if (fiber_current() == NULL)
        bug("%s: the database is awaited outside a fiber", statement->name);
    TRY(lane_reserve(lane, call));
    atomic_fetch_add_explicit(&pg->waiting, counted, memory_order_relaxed);
    fiber_park(submit, &submission);
    atomic_fetch_sub_explicit(&pg->waiting, counted, memory_order_relaxed);
    atomic_fetch_add_explicit(&pg->answered, 1, memory_order_relaxed);
    return op.error;
}

const struct error *pg_read(struct call *call, struct uuid key,
                            const struct pg_statement *statement, struct pg_params params,
                            struct pg_rows *rows)
{
    (void)key; /* one primary; read lanes by shard will want it */
    return run(read_lane(call->house->pg), call, statement, params, rows);
}

const struct error *pg_write(struct call *call, struct uuid key,
                             const struct pg_statement *statement, struct pg_params params,
                             struct pg_rows *rows)
{
    struct pg *pg = call->house->pg;
    const struct error *error = run(write_lane_of(pg, key), call, statement, params, rows);

    if (error == NULL && pg->written != NULL)
        pg->written(pg->listener, key);
    return error;
}

static struct lane *open_lanes(const struct pg_options *options, bool is_write, int32_t count)
{
    struct lane *lanes = calloc((size_t)count, sizeof(*lanes));

    if (lanes == NULL)
        bug("no memory for the lanes");
    for (int32_t i = 0; i < count; i++)
        lane_open(&lanes[i], options, is_write, i);
    return lanes;
}

struct pg *pg_open(const struct pg_options *options)
{
    struct pg *pg = calloc(1, sizeof(*pg));

    if (options->write_lanes < 1 || options->read_lanes < 1 || options->queue_max < 1)
        bug("pg_open: at least one lane of each kind and room in its queue");
    if (pg == NULL)
        bug("no memory for the lanes");
    pg->options = *options;
    pg->connection = strdup(options->connection);
    if (pg->connection == NULL)
        bug("no memory for the lanes");
    pg->options.connection = pg->connection;
    pg->write_lanes = open_lanes(&pg->options, true, options->write_lanes);
    pg->read_lanes = open_lanes(&pg->options, false, options->read_lanes);
    return pg;
}

void pg_close(struct pg *pg)
{
    /* One lane may be about to wake another, so all end before any is released. */
    for (int32_t i = 0; i < pg->options.write_lanes; i++)
        lane_stop(&pg->write_lanes[i]);
    for (int32_t i = 0; i < pg->options.read_lanes; i++)
        lane_stop(&pg->read_lanes[i]);
    for (int32_t i = 0; i < pg->options.write_lanes; i++)
        lane_close(&pg->write_lanes[i]);
    for (int32_t i = 0; i < pg->options.read_lanes; i++)
        lane_close(&pg->read_lanes[i]);
    free(pg->write_lanes);
    free(pg->read_lanes);
    free(pg->connection);
    free(pg);
}

static bool all_ready(const struct lane *lanes, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (!atomic_load(&lanes[i].is_ready))
            return false;
    return true;
}

void pg_tell_written(struct pg *pg, pg_written *written, void *listener)
{
    pg->written = written;
    pg->listener = listener;
}

bool pg_is_ready(const struct pg *pg)
{
    return all_ready(pg->write_lanes, pg->options.write_lanes) &&
           all_ready(pg->read_lanes, pg->options.read_lanes);
}

struct pg_flow pg_flow_read(const struct pg *pg)
{
    return (struct pg_flow){
        .waiting = atomic_load_explicit(&pg->waiting, memory_order_relaxed),
        .answered = atomic_load_explicit(&pg->answered, memory_order_relaxed),
    };
}

void pg_measure(const struct pg *pg, struct measures *out)
{
    const struct lane_group groups[] = {
        {"write", pg->write_lanes, (size_t)pg->options.write_lanes},
        {"read", pg->read_lanes, (size_t)pg->options.read_lanes},
    };

    lanes_measure(groups, ARRAY_LENGTH(groups), out);
}
