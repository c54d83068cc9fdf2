/*
 * A call with a request id, told so that it can be repeated: the id first, on standard error, then
 * what became of it.
 */
#include "cli/once.h"

#include "base/id.h"
#include "base/random.h"
#include "base/time.h"
#include "cli/cli.h"
#include "dues/client.h"
#include "dues/payment/v1/payment_service.pb-c.h"

/* True when the server may have done what was asked. */
static bool is_open(int status)
{
    return status == DUES_UNAVAILABLE || status == DUES_DEADLINE_EXCEEDED ||
           status == DUES_ABORTED || status == DUES_UNKNOWN || status == DUES_INTERNAL ||
           status == DUES_CANCELLED;
}

const char *once_request_id(struct arena *arena, const char *given)
{
    if (given != NULL)
        return given;
    return uuid_text(arena, uuid_make(random_system(), clock_wall_us(clock_system())));
}

int once_ask(struct wish *wish, const char *method, const ProtobufCMessage *request,
             const struct once *once, int (*tell)(void *wish, const ProtobufCMessage *reply))
{
    const struct dues_call_options options = {0};
    struct dues_answer *answer = NULL;
    int exit_status;

    const char *repeat =
        once->etag == NULL
            ? arena_printf(wish->arena, "--request-id %s", once->request_id)
            : arena_printf(wish->arena, "--request-id %s --etag %s", once->request_id, once->etag);

    fprintf(stderr, "dues: request id %s; if the answer is lost: the same with %s\n",
            once->request_id, repeat);
    if (dues_call(wish->client, &dues__payment__v1__payment_service__descriptor, method, request,
                  &options, &answer) == DUES_OK) {
        exit_status = tell(wish, answer->reply);
        if (answer->replayed)
            fputs("dues: it was done before; this is the first answer again\n", stderr);
    } else {
        exit_status = complain_answer(answer);
        if (is_open(answer->status))
            fprintf(stderr,
                    "  whether it was done is not known: the same with %s "
                    "finds out, and does nothing twice\n",
                    repeat);
    }
    dues_answer_free(answer);
    return exit_status;
}
