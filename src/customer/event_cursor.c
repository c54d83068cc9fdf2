/*
 * The form of a cursor, in base64url: a version, the customer, the number, and 32 bits of FNV-1a
 * over them, so that a damaged one is refused instead of skipping events.
 */
#include "customer/event.h"

#include <inttypes.h>

#include "base/text.h"

#define VERSION     1
#define NUMBER_SIZE 8
#define CHECK_SIZE  4
#define CHECKED     (1 + sizeof(struct uuid) + NUMBER_SIZE)
#define CURSOR_SIZE (CHECKED + CHECK_SIZE)

static void put_number(uint8_t *out, size_t size, uint64_t number)
{
    for (size_t i = size; i > 0; i--) {
        out[i - 1] = (uint8_t)(number & 0xff);
        number >>= 8;
    }
}

static uint64_t get_number(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | bytes[i];
    return number;
}

static uint32_t check_of(const uint8_t *bytes)
{
    uint32_t check = 2166136261U;

    for (size_t i = 0; i < CHECKED; i++)
        check = (check ^ bytes[i]) * 16777619U;
    return check;
}

const char *event_cursor_make(struct arena *arena, struct uuid customer, int64_t sequence)
{
    uint8_t bytes[CURSOR_SIZE] = {VERSION};

    memcpy(bytes + 1, customer.bytes, sizeof(customer.bytes));
    put_number(bytes + 1 + sizeof(customer.bytes), NUMBER_SIZE, (uint64_t)sequence);
    put_number(bytes + CHECKED, CHECK_SIZE, check_of(bytes));
    return base64url_encode(arena, bytes, sizeof(bytes));
}

static bool read(struct arena *arena, struct uuid customer, const char *cursor, int64_t *sequence)
{
    size_t length = strlen(cursor);
    size_t size;
    const uint8_t *bytes =
        length > EVENT_CURSOR_LENGTH_MAX ? NULL : base64url_decode(arena, cursor, length, &size);

    if (bytes == NULL || size != CURSOR_SIZE || bytes[0] != VERSION ||
        memcmp(bytes + 1, customer.bytes, sizeof(customer.bytes)) != 0 ||
        get_number(bytes + CHECKED, CHECK_SIZE) != check_of(bytes))
        return false;
    *sequence = (int64_t)get_number(bytes + 1 + sizeof(customer.bytes), NUMBER_SIZE);
    return *sequence >= 0;
}

const struct error *event_cursor_read(struct call *call, struct uuid customer, const char *cursor,
                                      int64_t head, int64_t *after)
{
    int64_t sequence;

    if (!read(call->arena, customer, cursor, &sequence))
        return refuse(call, STATUS_INVALID_ARGUMENT, "CURSOR_INVALID",
                      "cursor is not one of this customer's events");
    if (sequence > head)
        return error_with(
            call->arena,
            error_with(call->arena,
                       refuse(call, STATUS_OUT_OF_RANGE, "CURSOR_AHEAD",
                              "cursor stands at event %" PRId64 ", the last is %" PRId64, sequence,
                              head),
                       "event", "%" PRId64, sequence),
            "last_event", "%" PRId64, head);
    *after = sequence;
    return NULL;
}
