/*
 * The client's log.  Every value in it has an alphabet that needs no escaping in JSON: names, ids,
 * codes, digits and hex; a message of the server is cut down to it.
 */
#include "client_log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#define REPLY_SIZE_MAX 4096
#define LINE_SIZE      (2 * REPLY_SIZE_MAX + 2048)

struct client_log {
    int descriptor;
    pthread_mutex_t mutex; /* guards line and its writing */
    char line[LINE_SIZE];
    size_t length;
};

static void give_up(const char *what)
{
    fprintf(stderr, "load: could not %s the client log: %s\n", what, strerror(errno));
    exit(2);
}

struct client_log *client_log_open(const char *path)
{
    struct client_log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        give_up("allocate");
    log->descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log->descriptor < 0)
        give_up("open");
    pthread_mutex_init(&log->mutex, NULL);
    return log;
}

void client_log_close(struct client_log *log)
{
    close(log->descriptor);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

__attribute__((format(printf, 2, 3))) static void add(struct client_log *log, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(log->line + log->length, LINE_SIZE - log->length, format, arguments);
    va_end(arguments);
    if (written < 0 || (size_t)written >= LINE_SIZE - log->length) {
        errno = EMSGSIZE;
        give_up("write");
    }
    log->length += (size_t)written;
}

static void add_hex(struct client_log *log, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    if (2 * size >= LINE_SIZE - log->length) {
        errno = EMSGSIZE;
        give_up("write");
    }
    for (size_t i = 0; i < size; i++) {
        log->line[log->length++] = digits[bytes[i] >> 4];
        log->line[log->length++] = digits[bytes[i] & 15];
    }
    log->line[log->length] = '\0';
}

static void begin(struct client_log *log, const char *event, const struct operation *operation)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&log->mutex);
    log->length = 0;
    add(log, "{\"t\":%" PRId64 ",\"e\":\"%s\",\"rpc\":\"%s\",\"id\":\"%s\",\"try\":%d",
        (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, event,
        operation_kind_rpc(operation->kind), operation->request_id, operation->tries);
    if (operation->other_content)
        add(log, ",\"other\":true");
}

/* One write and one sync a line: a line is on the disk or it is not there. */
static void end(struct client_log *log)
{
    add(log, "}\n");
    ssize_t written = write(log->descriptor, log->line, log->length);
    if (written != (ssize_t)log->length || fdatasync(log->descriptor) != 0)
        give_up("write");
    pthread_mutex_unlock(&log->mutex);
}

void client_log_intent(struct client_log *log, const struct operation *operation)
{
    begin(log, "intent", operation);
    add(log, ",\"parent\":\"%s\",\"method\":\"%s\",\"token\":\"%s\",\"plan\":\"%s\"",
        operation->parent, operation->method, operation->token, operation->plan);
    add(log, ",\"amount\":%" PRId64 ",\"currency\":\"%s\"", operation->amount, operation->currency);
    add(log, ",\"manual\":%s,\"final\":%s", operation->manual ? "true" : "false",
        operation->final ? "true" : "false");
    end(log);
}

void client_log_answer(struct client_log *log, const struct operation *operation,
                       const struct outcome *outcome)
{
    char message[160];
    size_t length = 0;
    for (const char *c = outcome->message; *c != '\0' && length < sizeof(message) - 1; c++)
        message[length++] =
            (char)(isalnum((unsigned char)*c) || strchr(" .,:;_/()-", *c) != NULL ? *c : '?');
    message[length] = '\0';

    begin(log, "answer", operation);
    add(log, ",\"status\":\"%s\",\"reason\":\"%s\",\"message\":\"%s\"", outcome->status,
        outcome->reason, message);
    add(log, ",\"name\":\"%s\",\"state\":\"%s\",\"definitive\":%s,\"replayed\":%s", outcome->name,
        outcome->state, outcome->definitive ? "true" : "false",
        outcome->replayed ? "true" : "false");
    add(log, ",\"captured\":%" PRId64 ",\"capturable\":%" PRId64 ",\"refunded\":%" PRId64,
        outcome->captured, outcome->capturable, outcome->refunded);
    add(log, ",\"reply\":\"");
    add_hex(log, outcome->reply, outcome->reply_size);
    add(log, "\"");
    end(log);
}
