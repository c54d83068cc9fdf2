/*
 * Every test program of the server ends with this, so whatever a test made the server do, its log
 * was looked at.
 */
#include "support/rpc_log_check.h"

#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bug.h"
#include "base/text.h"
#include "support/rpc_auth.h"

/* Parts of what tests send, are given, or have on disk, and nobody must find in a log. */
static const char *const canaries[] = {
    AUTH_PASSWORD,
    "eyJhbGciOi", /* how every JWT begins */
    "PRIVATE KEY",
    "BEGIN CERTIFICATE",
    "000102030405060708090a0b0c0d0e0f", /* the master key of the fixture */
    "$argon2",
    "Bearer ",
};

static const char *const of_every_line[] = {"time", "level", "event"};
static const char *const of_every_call[] = {"method", "trace", "span", "caller",
                                            "code",   "us",    "peer"};

static void check_keys(const json_t *object, const char *const *keys, size_t count,
                       const char *line)
{
    for (size_t i = 0; i < count; i++) {
        if (json_object_get(object, keys[i]) == NULL)
            bug("a log line lacks \"%s\": %s", keys[i], line);
    }
}

static void check_line(const char *line)
{
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object))
        bug("a log line is no JSON object: %s", line);
    check_keys(object, of_every_line, ARRAY_LENGTH(of_every_line), line);
    if (text_equal(json_string_value(json_object_get(object, "event")), "call"))
        check_keys(object, of_every_call, ARRAY_LENGTH(of_every_call), line);
    json_decref(object);
    for (size_t i = 0; i < ARRAY_LENGTH(canaries); i++) {
        if (strstr(line, canaries[i]) != NULL)
            bug("a log line tells \"%s\": %s", canaries[i], line);
    }
    if (text_has_card_number(line))
        bug("a log line could tell a card number: %s", line);
}

void rpc_log_check(int descriptor)
{
    off_t size = lseek(descriptor, 0, SEEK_END);
    if (size <= 0)
        return;
    char *all = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (all == MAP_FAILED)
        bug("the log cannot be read");
    for (const char *at = all, *end = all + size; at < end;) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        if (feed == NULL)
            bug("the log ends within a line");
        char *line = strndup(at, (size_t)(feed - at));
        if (line == NULL)
            bug("out of memory");
        check_line(line);
        free(line);
        at = feed + 1;
    }
    munmap(all, (size_t)size);
}

bool rpc_log_file_has(struct log *log, int descriptor, const char *text)
{
    log_flush(log);
    off_t size = lseek(descriptor, 0, SEEK_END);
    void *all =
        size <= 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, descriptor, 0);

    if (all == MAP_FAILED)
        return false;
    bool found = memmem(all, (size_t)size, text, strlen(text)) != NULL;
    munmap(all, (size_t)size);
    return found;
}
