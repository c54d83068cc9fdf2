/*
 * JSON to a message of the contract and back, as `dues call` does it.  The first byte names the
 * message.
 */
#include "cli/json.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"

static size_t pack(struct arena *arena, const ProtobufCMessage *message, uint8_t **bytes)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    *bytes = arena_alloc(arena, size + 1);
    return protobuf_c_message_pack(message, *bytes);
}

/* What was read is the same after it was written and read once more. */
static void check_round_trip(struct arena *arena, const ProtobufCMessage *message)
{
    const char *problem = NULL;
    uint8_t *first;
    uint8_t *second;
    json_t *written = message_to_json(arena, message);
    ProtobufCMessage *again = json_to_message(arena, written, message->descriptor, &problem);

    if (again == NULL)
        bug("our own JSON is refused: %s", problem);
    size_t size = pack(arena, message, &first);
    if (pack(arena, again, &second) != size || memcmp(first, second, size) != 0)
        bug("%s is another message after JSON", message->descriptor->name);
    json_decref(written);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct arena *arena = fuzz_arena();
    const char *problem = NULL;

    if (size == 0)
        return 0;
    json_t *json = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        return 0;
    const ProtobufCMessage *message = json_to_message(arena, json, fuzz_message(data[0]), &problem);
    if (message == NULL && (problem == NULL || problem[0] == '\0'))
        bug("refused without a word");
    if (message != NULL)
        check_round_trip(arena, message);
    json_decref(json);
    return 0;
}
