/*
 * `dues events tail`: a customer's events as they happen, one a line, over restarts of the server.
 */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/ask.h"
#include "dues/payment/v1/payment_service.pb-c.h"

enum { OPTION_CUSTOMER = OPTION_OTHER, OPTION_AFTER, OPTION_FROM_NOW, OPTION_COUNT };

struct tail {
    const char *customer;
    const char *after;
    bool from_now;
    bool as_json;
    int64_t count_max; /* 0: no end */
    int64_t count;
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
        if (tail->as_json)
            print_json_line(stdout, &message->events[i]->base);
        else
            print_event(message->events[i]);
        if (++tail->count == tail->count_max)
            return false;
    }
    return fflush(stdout) == 0;
}

static int follow(struct dues_client *client, const struct connection *connection,
                  struct tail *tail)
{
    Dues__Payment__V1__WatchEventsRequest request = DUES__PAYMENT__V1__WATCH_EVENTS_REQUEST__INIT;
    const struct dues_call_options options = {.deadline_ms = connection->deadline_ms};
    const ProtobufCMessage *message;

    request.parent = request_text(tail->customer);
    request.cursor = request_text(tail->after);
    request.from_now = tail->from_now;
    struct dues_stream *stream =
        dues_stream_open(client, &dues__payment__v1__payment_service__descriptor, "WatchEvents",
                         &request.base, &options);
    bool goes_on = true;
    while (goes_on && (message = dues_stream_next(stream, -1)) != NULL)
        goes_on = print_events(tail, (const void *)message);
    int exit_status = goes_on ? complain_answer(dues_stream_end(stream)) : EXIT_SUCCESS;
    dues_stream_close(stream);
    return exit_status;
}

static int run_tail(struct arena *arena, struct connection *connection, struct tail *tail)
{
    tail->customer = customer_name(arena, tail->customer);
    struct dues_client *client = ask_open(connection, arena);

    if (client == NULL)
        return EXIT_FAILURE;
    int exit_status = follow(client, connection, tail);
    dues_client_close(client);
    return exit_status;
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        CONNECTION_OPTIONS,
        {"customer", required_argument, NULL, OPTION_CUSTOMER},
        {"after", required_argument, NULL, OPTION_AFTER},
        {"from-now", no_argument, NULL, OPTION_FROM_NOW},
        {"count", required_argument, NULL, OPTION_COUNT},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct connection connection = {0};
    struct tail tail = {.after = ""};
    int option;

    while ((option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (connection_option(&connection, option, optarg))
            continue;
        if (option == OPTION_HELP)
            return help_command("events");
        if (option == OPTION_CUSTOMER)
            tail.customer = optarg;
        else if (option == OPTION_AFTER)
            tail.after = optarg;
        else if (option == OPTION_FROM_NOW)
            tail.from_now = true;
        else if (option == 'o' && text_equal(optarg, "json"))
            tail.as_json = true;
        else if (option == 'o')
            return complain_usage("-o knows json, not \"%s\"", optarg);
        else if (option != OPTION_COUNT)
            return complain_option("events");
        else if (!read_count(optarg, &tail.count_max))
            return complain_usage("--count needs a whole number above 0");
    }
    if (argc - optind != 1 || !text_equal(argv[optind], "tail"))
        return complain_usage("events knows one thing to do: tail");
    const char *misuse = connection_check(&connection);
    if (misuse != NULL)
        return complain_usage("%s", misuse);
    if (tail.customer == NULL || tail.customer[0] == '\0')
        return complain_usage(
            "events tail needs --customer: each customer has a sequence of its own");
    return run_tail(arena, &connection, &tail);
}

int command_events(int argc, char **argv)
{
    struct arena *arena = arena_new(1U << 20);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
