/*
 * A client for tests that are written in another language: one request a line of standard input,
 * {"method": "Payment/CreatePayment", "request": {…}, "deadlineMs": 2000}, and its answer as one
 * line of standard output.  Nothing is sent twice by itself.  A line {"reopen": true} makes new
 * connections, for a server that has come back.
 *
 *   fault_caller --target HOST:PORT --state-dir DIR
 */
#include "base/text.h"
#include "cli/connection.h"
#include "cli/json.h"
#include "cli/methods.h"

#define ARENA_SIZE_MAX (16U << 20)

static json_t *complaint(const char *text)
{
    return json_pack("{s:s, s:s, s:s}", "status", "MISUSED", "reason", "", "message", text);
}

static json_t *answer_as_json(struct arena *arena, const struct dues_answer *answer)
{
    char *hex = arena_alloc(arena, 2 * answer->reply_size + 1);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:b}", "status", dues_status_name(answer->status), "reason",
                  answer->reason, "message", answer->message, "replayed", answer->replayed);

    if (answer->status != DUES_OK)
        return json;
    hex_encode(answer->reply_bytes, answer->reply_size, hex);
    json_object_set_new(json, "bytes", json_string(hex));
    json_object_set_new(json, "reply", message_to_json(arena, answer->reply));
    return json;
}

static json_t *serve(struct arena *arena, struct dues_client *client, const json_t *line)
{
    const char *name = json_string_value(json_object_get(line, "method"));
    const struct dues_call_options options = {
        .deadline_ms = json_integer_value(json_object_get(line, "deadlineMs")),
        .attempts_max = 1,
    };
    struct dues_answer *answer = NULL;
    const char *problem = NULL;
    struct method method;

    if (name == NULL || !method_find(name, &method))
        return complaint("there is no such method");
    const ProtobufCMessage *request =
        json_to_message(arena, json_object_get(line, "request"), method.method->input, &problem);
    if (request == NULL)
        return complaint(problem);
    dues_call(client, method.service, method.method->name, request, &options, &answer);
    json_t *json = answer_as_json(arena, answer);
    dues_answer_free(answer);
    return json;
}

static bool reopen(struct dues_client **client, const struct connection *connection)
{
    char problem[DUES_PROBLEM_SIZE];

    dues_client_close(*client);
    *client = connection_open(connection, problem);
    if (*client == NULL)
        fprintf(stderr, "fault_caller: %s\n", problem);
    return *client != NULL;
}

static int run(const struct connection *connection)
{
    struct dues_client *client = NULL;
    size_t capacity = 0;
    char *text = NULL;

    while (getline(&text, &capacity, stdin) > 0) {
        struct arena *arena = arena_new(ARENA_SIZE_MAX);
        json_t *line = json_loads(text, 0, NULL);
        bool is_new = client == NULL || json_is_true(json_object_get(line, "reopen"));
        if (is_new && !reopen(&client, connection))
            return EXIT_FAILURE;
        json_t *answer = serve(arena, client, line);
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        (void)fflush(stdout);
        json_decref(answer);
        json_decref(line);
        arena_free(arena);
    }
    dues_client_close(client);
    free(text);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {CONNECTION_OPTIONS, {NULL, 0, NULL, 0}};
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    struct connection connection = {.server_name = "localhost"};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!connection_option(&connection, option, optarg))
            return 2;
    }
    const char *problem = connection_check(&connection);
    if (problem == NULL)
        problem = connection_complete(&connection, arena);
    if (problem != NULL)
        fprintf(stderr, "fault_caller: %s\n", problem);
    int status = problem == NULL ? run(&connection) : 2;
    arena_free(arena);
    return status;
}
