/*
 * What commands that call the server share.  A refusal is told by complain_answer, so that all of
 * them tell it alike.
 */
#include "cli/ask.h"

#include <errno.h>

#include "base/text.h"
#include "cli/cli.h"
#include "dues/payment/v1/payment_service.pb-c.h"

struct dues_client *ask_open(struct connection *connection, struct arena *arena)
{
    char problem[DUES_PROBLEM_SIZE];
    const char *missing = connection_complete(connection, arena);

    if (missing != NULL) {
        complain("%s", missing);
        return NULL;
    }
    struct dues_client *client = connection_open(connection, problem);
    if (client == NULL)
        complain("%s", problem);
    return client;
}

struct dues_answer *ask(struct dues_client *client, const ProtobufCServiceDescriptor *service,
                        const char *method, const ProtobufCMessage *request, int *exit_status)
{
    struct dues_answer *answer = NULL;
    const struct dues_call_options options = {0};

    if (dues_call(client, service, method, request, &options, &answer) == DUES_OK)
        return answer;
    *exit_status = complain_answer(answer);
    dues_answer_free(answer);
    return NULL;
}

struct dues_answer *ask_payments(struct dues_client *client, const char *method,
                                 const ProtobufCMessage *request, int *exit_status)
{
    return ask(client, &dues__payment__v1__payment_service__descriptor, method, request,
               exit_status);
}

bool read_count(const char *text, int64_t *count)
{
    char *end = NULL;

    errno = 0;
    *count = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *count >= 1;
}

const char *customer_name(struct arena *arena, const char *text)
{
    return text_starts_with(text, "customers/") ? text : arena_printf(arena, "customers/%s", text);
}

char *request_text(const char *text)
{
    return (char *)(uintptr_t)text;
}
