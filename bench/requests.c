/*
 * What is sent: each line of a file is a request in hex.  The text NNNNNNNNNNNNNNNN in one is
 * replaced by another sixteen digits each time: a request_id of its own.
 */
#include <inttypes.h>

#include "load.h"

#define FRESH_MARK   "NNNNNNNNNNNNNNNN"
#define FRESH_LENGTH 16
#define MESSAGE_HEAD 5 /* before each message: compressed or not, and its length */

static uint8_t hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit == '\0' ? NULL : strchr(digits, digit);

    if (found == NULL)
        give_up("a request is not hex", "");
    return (uint8_t)(found - digits);
}

static struct request request_of(const char *line, size_t size)
{
    struct request request = {.bytes = calloc(1, size + 1), .size = size, .fresh = size};

    if (request.bytes == NULL)
        give_up("out of memory", "");
    for (size_t i = 0; i < size; i++)
        request.bytes[i] = (uint8_t)(hex_digit(line[2 * i]) << 4 | hex_digit(line[2 * i + 1]));
    const uint8_t *mark = memmem(request.bytes, size, FRESH_MARK, FRESH_LENGTH);
    if (mark != NULL)
        request.fresh = (size_t)(mark - request.bytes);
    return request;
}

void requests_read(struct plan *plan)
{
    char *line = NULL;
    size_t line_size = 0;
    size_t room = 0;
    FILE *file = fopen(plan->requests_file, "re");

    if (file == NULL)
        give_up("could not open ", plan->requests_file);
    while (getline(&line, &line_size, file) >= 0) {
        if (plan->request_count == room) {
            room = room == 0 ? 1024 : 2 * room;
            plan->requests = reallocarray(plan->requests, room, sizeof(*plan->requests));
            if (plan->requests == NULL)
                give_up("out of memory", "");
        }
        plan->requests[plan->request_count++] = request_of(line, strcspn(line, "\n") / 2);
    }
    free(line);
    fclose(file);
    if (plan->request_count == 0)
        give_up("there is no request in ", plan->requests_file);
}

void requests_next(struct plan *plan, struct wire_bytes *message)
{
    size_t turn = atomic_fetch_add_explicit(&plan->next_request, 1, memory_order_relaxed);
    const struct request *request = &plan->requests[turn % plan->request_count];

    message->size = 0;
    wire_append(message, request->bytes, request->size);
    if (request->fresh < request->size) {
        char fresh[FRESH_LENGTH + 1];
        uint64_t number = atomic_fetch_add_explicit(&plan->next_fresh, 1, memory_order_relaxed);
        snprintf(fresh, sizeof(fresh), "%016" PRIx64, number);
        memcpy(message->bytes + request->fresh, fresh, FRESH_LENGTH);
    }
}

void requests_write_reply(struct plan *plan, const struct wire_bytes *reply)
{
    flockfile(plan->replies);
    for (size_t i = MESSAGE_HEAD; i < reply->size; i++)
        fprintf(plan->replies, "%02x", reply->bytes[i]);
    fputc('\n', plan->replies);
    funlockfile(plan->replies);
}
