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
#define TOKEN_SIZE_MAX 4096

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

static int print_error(const struct dues_answer *answer)
{
    fprintf(stderr, "%s", dues_status_name(answer->status));
    if (answer->reason[0] != '\0')
        fprintf(stderr, " %s", answer->reason);
    fprintf(stderr, ": %s\n", answer->message);
    for (size_t i = 0; i < answer->field_count; i++)
        fprintf(stderr, "  %s: %s\n", answer->fields[i].field, answer->fields[i].description);
    for (size_t i = 0; i < answer->metadata_count; i++)
        fprintf(stderr, "  %s = %s\n", answer->metadata[i].key, answer->metadata[i].value);
    if (answer->retry_after_ms > 0)
        fprintf(stderr, "  try again in %" PRId64 " ms\n", answer->retry_after_ms);
    if (answer->request_trace[0] != '\0')
        fprintf(stderr, "  the server's log knows the call as %s\n", answer->request_trace);
    return EXIT_RPC + answer->status;
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
    if (dues_call(client, method->service, method->method->name, request, &options, &answer) !=
        DUES_OK)
        exit_status = print_error(answer);
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

/* The first line of the file; NULL when there is none. */
static const char *read_token(struct arena *arena, const char *path)
{
    char line[TOKEN_SIZE_MAX] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    const char *got = fgets(line, sizeof(line), file);
    (void)fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    return got == NULL ? NULL : arena_strdup(arena, line);
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
            token = read_token(arena, optarg);
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
