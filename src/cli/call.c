/*
 * `dues call`: one RPC from the command line, JSON in and JSON out.  A failed call prints what the
 * server said about it, field by field, on standard error.
 */
#include "cli/cli.h"
#include "cli/connection.h"
#include "cli/json.h"
#include "cli/methods.h"

#include <inttypes.h>

#include "base/text.h"

/* Requests and answers of a person; the server's own limits are far below. */
#define ARENA_SIZE_MAX (64u << 20)

enum { OPTION_TOKEN = OPTION_OTHER, OPTION_TOKEN_FILE, OPTION_LIST };

static int list_methods(void)
{
    for (size_t i = 0; known_services[i] != NULL; i++)
        for (unsigned j = 0; j < known_services[i]->n_methods; j++)
            printf("%s/%s\n", known_services[i]->name, known_services[i]->methods[j].name);
    return EXIT_SUCCESS;
}

static void print_json(FILE *out, json_t *json)
{
    json_dumpf(json, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(json);
}

/* Whatever the stream tells, message by message, until it ends. */
static int call_stream(struct dues_client *client, const struct method *method,
                       const ProtobufCMessage *request, const struct dues_call_options *options)
{
    struct dues_stream *stream =
        dues_stream_open(client, method->service, method->method->name, request, options);
    const ProtobufCMessage *message;
    while ((message = dues_stream_next(stream, -1)) != NULL) {
        struct arena *arena = arena_new(ARENA_SIZE_MAX);
        print_json(stdout, message_to_json(arena, message));
        arena_free(arena);
        (void)fflush(stdout);
    }
    const struct dues_answer *end = dues_stream_end(stream);
    int exit_status = end->status == DUES_OK ? EXIT_SUCCESS : complain_answer(end);
    dues_stream_close(stream);
    return exit_status;
}

static int call(struct arena *arena, const struct connection *connection,
                const struct method *method, const ProtobufCMessage *request, const char *token)
{
    char problem[DUES_PROBLEM_SIZE];
    struct dues_client *client = connection_open(connection, problem);
    if (client == NULL)
        return complain("%s", problem);
    struct dues_call_options options = {.token = token};
    struct dues_answer *answer = NULL;
    int exit_status = EXIT_SUCCESS;
    if (text_starts_with(method->method->name, "Watch")) {
        options.deadline_ms = connection->deadline_ms;
        exit_status = call_stream(client, method, request, &options);
        dues_client_close(client);
        return exit_status;
    }
    if (dues_call(client, method->service, method->method->name, request, &options, &answer) !=
        DUES_OK)
        exit_status = complain_answer(answer);
    else
        print_json(stdout, message_to_json(arena, answer->reply));
    if (answer->replayed)
        fprintf(stderr, "idempotent-replayed: true\n");
    dues_answer_free(answer);
    dues_client_close(client);
    return exit_status;
}

/* The request of the JSON text; NULL after a complaint. */
static ProtobufCMessage *read_request(struct arena *arena, const char *text,
                                      const ProtobufCMessageDescriptor *input)
{
    json_error_t error;
    json_t *json = text_equal(text, "-") ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
                                         : json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        complain("the request is not JSON: line %d column %d: %s", error.line, error.column,
                 error.text);
        return NULL;
    }
    const char *problem = NULL;
    ProtobufCMessage *request = json_to_message(arena, json, input, &problem);
    json_decref(json);
    if (request == NULL)
        complain("%s", problem);
    return request;
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        CONNECTION_OPTIONS,
        {"token", required_argument, NULL, OPTION_TOKEN},
        {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
        {"list", no_argument, NULL, OPTION_LIST},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct connection connection = {0};
    const char *token = getenv("DUES_TOKEN");
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (connection_option(&connection, option, optarg))
            continue;
        if (option == OPTION_LIST)
            return list_methods();
        if (option == OPTION_HELP)
            return help_command("call");
        if (option == OPTION_TOKEN) {
            token = optarg;
        } else if (option == OPTION_TOKEN_FILE) {
            token = token_read(arena, optarg);
            if (token == NULL)
                return complain("could not read a token from '%s'", optarg);
        } else {
            return complain_option("call");
        }
    }
    const char *misuse = connection_check(&connection);
    if (misuse != NULL)
        return complain_usage("%s", misuse);
    if (argc - optind < 1 || argc - optind > 2)
        return complain_usage("call needs a method and, as one argument, a request");
    struct method method;
    if (!method_find(argv[optind], &method))
        return complain_usage("there is no method \"%s\"; `dues call --list` shows all",
                              argv[optind]);
    const char *text = argc - optind == 2 ? argv[optind + 1] : "{}";
    const ProtobufCMessage *request = read_request(arena, text, method.method->input);
    if (request == NULL)
        return EXIT_USAGE;
    const char *missing = connection_complete(&connection, arena);
    if (missing != NULL)
        return complain("%s", missing);
    return call(arena, &connection, &method, request, token);
}

int command_call(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
