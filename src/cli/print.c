/*
 * What the server said, in words and lines.
 */
#include "cli/print.h"

#include <ctype.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/amount.h"
#include "cli/json.h"

#define MESSAGE_ARENA_SIZE_MAX (16U << 20)
#define SECOND_LENGTH          19

const char *enum_word(struct arena *arena, const ProtobufCEnumDescriptor *descriptor, int value,
                      const char *prefix)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);

    if (found == NULL)
        return arena_printf(arena, "%d", value);
    return text_starts_with(found->name, prefix) ? found->name + strlen(prefix) : found->name;
}

int enum_value(struct arena *arena, const ProtobufCEnumDescriptor *descriptor, const char *word,
               const char *prefix)
{
    char *name = arena_printf(arena, "%s%s", prefix, word);

    for (char *letter = name; *letter != '\0'; letter++)
        *letter = (char)toupper((unsigned char)*letter);
    const ProtobufCEnumValue *found =
        protobuf_c_enum_descriptor_get_value_by_name(descriptor, name);
    return found == NULL ? -1 : found->value;
}

void print_time(FILE *out, const Google__Protobuf__Timestamp *time)
{
    char text[TIME_TEXT_SIZE] = "-";

    if (time != NULL)
        time_format(time->seconds * US_PER_SECOND + time->nanos / 1000, text);
    fputs(text, out);
}

const char *to_the_second(struct arena *arena, const Google__Protobuf__Timestamp *time)
{
    char text[TIME_TEXT_SIZE];

    if (time == NULL)
        return "-";
    time_format(time->seconds * US_PER_SECOND, text);
    return arena_printf(arena, "%.*sZ", SECOND_LENGTH, text);
}

void print_json_line(FILE *out, const ProtobufCMessage *message)
{
    struct arena *arena = arena_new(MESSAGE_ARENA_SIZE_MAX);
    json_t *json = message_to_json(arena, message);

    json_dumpf(json, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(json);
    arena_free(arena);
}

void print_message(const struct wish *wish, const ProtobufCMessage *message,
                   void (*print)(struct arena *arena, const ProtobufCMessage *message))
{
    if (wish->as_json)
        print_json_line(stdout, message);
    else
        print(wish->arena, message);
}

void print_line(FILE *out, const char *what, const char *value)
{
    if (value != NULL && value[0] != '\0')
        fprintf(out, "  %-13s  %s\n", what, value);
}

void print_money(FILE *out, struct arena *arena, const char *what,
                 const Dues__Type__V1__Money *money)
{
    if (money != NULL)
        print_line(out, what, amount_text(arena, money));
}

void print_moment(FILE *out, const char *what, const Google__Protobuf__Timestamp *time)
{
    if (time == NULL)
        return;
    fprintf(out, "  %-13s  ", what);
    print_time(out, time);
    fputc('\n', out);
}
