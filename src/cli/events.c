/*
 * `dues events tail`: a customer's events as they happen, one a line, over restarts of the server.
 */
#include "cli/cli.h"

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/print.h"
#include "dues/payment/v1/payment_service.pb-c.h"

/* Between two looks whether the server is there. */
#define LOOK_MS 100

struct tail {
    struct wish wish;
    const char *customer;
    const char *after;
    bool from_now;
    int64_t count_max; /* 0: no end */
    int64_t count;
    bool is_lost; /* said to be */
};

static void print_event(const Dues__Payment__V1__Event *event)
{
    print_time(stdout, event->create_time);
    printf("  %lld  %s  %s", (long long)event->sequence, event->type, event->subject);
    for (size_t i = 0; i < event->n_data; i++)
        printf("  %s=%s", event->data[i]->key, event->data[i]->value);
    printf("\n");
}

/* False when there were enough. */
static bool print_events(struct tail *tail, const Dues__Payment__V1__WatchEventsResponse *message)
{
    for (size_t i = 0; i < message->n_events; i++) {
        if (tail->wish.as_json)
            print_json_line(stdout, &message->events[i]->base);
        else
            print_event(message->events[i]);
        if (++tail->count == tail->count_max)
            return false;
    }
    return fflush(stdout) == 0;
}

/* Once when the server is away and once when it is back, beside what it tells. */
static void say_whether_connected(struct tail *tail, const struct dues_stream *stream)
{
    bool is_lost = !dues_stream_is_connected(stream);

    if (is_lost != tail->is_lost)
        fprintf(stderr, is_lost ? "dues: the server is away; the stream goes on when it is back\n"
                                : "dues: the server is back\n");
    tail->is_lost = is_lost;
}

/* The next message, however long that takes; NULL: there will be none. */
static const ProtobufCMessage *await_message(struct tail *tail, struct dues_stream *stream)
{
    const ProtobufCMessage *message = dues_stream_next(stream, LOOK_MS);

    while (message == NULL && dues_stream_end(stream) == NULL) {
        say_whether_connected(tail, stream);
        message = dues_stream_next(stream, LOOK_MS);
    }
    if (message != NULL)
        say_whether_connected(tail, stream);
    return message;
}

static int follow(void *given)
{
    struct tail *tail = given;
    const struct wish *wish = &tail->wish;
    Dues__Payment__V1__WatchEventsRequest request = DUES__PAYMENT__V1__WATCH_EVENTS_REQUEST__INIT;
    const struct dues_call_options options = {.deadline_ms = wish->connection.deadline_ms};
    const ProtobufCMessage *message;

    request.parent = request_text(customer_name(wish->arena, tail->customer));
    request.cursor = request_text(tail->after);
    request.from_now = tail->from_now;
    struct dues_stream *stream =
        dues_stream_open(wish->client, &dues__payment__v1__payment_service__descriptor,
                         "WatchEvents", &request.base, &options);
    bool goes_on = true;
    while (goes_on && (message = await_message(tail, stream)) != NULL)
        goes_on = print_events(tail, (const void *)message);
    int exit_status = goes_on ? complain_answer(dues_stream_end(stream)) : EXIT_SUCCESS;
    dues_stream_close(stream);
    return exit_status;
}

#define FIELD(name) offsetof(struct tail, name)

/* Each customer has a sequence of its own. */
static const struct command_option options[] = {
    {"customer", VALUE_TEXT, FIELD(customer), .words = {"tail"}, .is_needed = true},
    {"after", VALUE_TEXT, FIELD(after), .words = {"tail"}},
    {"from-now", VALUE_FLAG, FIELD(from_now), .words = {"tail"}},
    {"count", VALUE_COUNT, FIELD(count_max), .words = {"tail"}},
};

int command_events(int argc, char **argv)
{
    static const struct command_word words[] = {{"tail", follow, NULL}};
    static const struct command command = {
        .name = "events",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .connects = true,
        .prints_json = true,
    };
    struct tail tail = {.after = ""};

    return command_run(&command, &tail.wish, argc, argv);
}
