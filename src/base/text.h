/*
 * Text that came from outside: is it UTF-8, does it hide a card number, and the encodings we speak.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Printable ASCII only: what is plain is UTF-8 and has no control character. */
bool text_is_plain(const char *text, size_t size);

/* Well-formed UTF-8 without overlong forms, surrogates or anything above U+10FFFF. */
bool text_is_utf8(const char *text, size_t size);

/* Code points in a well-formed UTF-8 text. */
size_t text_length(const char *text);

/* True when a control character (U+0000–U+001F, U+007F–U+009F) is inside. */
bool text_has_control(const char *text);

/*
 * True when the text holds 13–19 ASCII digits, with at most one blank, dash or (between groups of 4
 * to 6) dot between two of them, that pass the Luhn check: it could be a card number and must be
 * neither stored nor logged.  Digits that touch a letter and UUIDs do not count; card_number.c has
 * the rule in full.
 */
bool text_has_card_number(const char *text);

bool text_starts_with(const char *text, const char *prefix);
bool text_equal(const char *a, const char *b);

/* Lower-case hex; `out` has 2 * size + 1 bytes. */
void hex_encode(const void *bytes, size_t size, char *out);
bool hex_decode(const char *text, void *bytes, size_t size);

/* Of one digit of either case; negative: it is none. */
int hex_value(char c);

/* RFC 4648 §5 without padding, as JOSE wants it. */
char *base64url_encode(struct arena *arena, const void *bytes, size_t size);
/* NULL when the text is not canonical base64url; `*size` is written on success. */
uint8_t *base64url_decode(struct arena *arena, const char *text, size_t length, size_t *size);

/* RFC 4648 §4 with padding. */
char *base64_encode(struct arena *arena, const void *bytes, size_t size);

/*
 * The first code point of `text` as it stands in a JSON string; an invalid byte becomes \ufffd.
 * Answers how many bytes were read.  For writers without an arena.
 */
#define JSON_ESCAPE_SIZE 8
size_t json_escape(const char *text, size_t size, char out[JSON_ESCAPE_SIZE]);

/* `text` as a JSON string with its quotes; control characters and invalid bytes are escaped. */
char *json_quote(struct arena *arena, const char *text);
