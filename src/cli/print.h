/*
 * How commands write what the server said, for people: names of enums, times, pages of lines.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "cli/command.h"
#include "dues/type/v1/money.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

/* "SUCCEEDED" of STATE_SUCCEEDED: what people call a value of an enum; its number when unknown. */
const char *enum_word(struct arena *arena, const ProtobufCEnumDescriptor *descriptor, int value,
                      const char *prefix);

/* The value of an enum by its word, in any case; -1: there is none. */
int enum_value(struct arena *arena, const ProtobufCEnumDescriptor *descriptor, const char *word,
               const char *prefix);

/* RFC 3339 in UTC, "-" for none. */
void print_time(FILE *out, const Google__Protobuf__Timestamp *time);

/* The same without what is below the second: lists are for the eye, -o json tells the rest. */
const char *to_the_second(struct arena *arena, const Google__Protobuf__Timestamp *time);

/* The message as JSON on a line of its own. */
void print_json_line(FILE *out, const ProtobufCMessage *message);

/* The message as the wish wants it: as JSON on a line, or as `print` writes it for people. */
void print_message(const struct wish *wish, const ProtobufCMessage *message,
                   void (*print)(struct arena *arena, const ProtobufCMessage *message));

/* A line of a page; nothing for what is not set. */
void print_line(FILE *out, const char *what, const char *value);
void print_money(FILE *out, struct arena *arena, const char *what,
                 const Dues__Type__V1__Money *money);
void print_moment(FILE *out, const char *what, const Google__Protobuf__Timestamp *time);
