/*
 * The filter of ListPayments and ListDisputes: conditions joined by AND (a subset of AIP-160),
 * turned into the few bounds that one statement takes.
 *
 *   state = SUCCEEDED AND create_time >= "2026-01-01T00:00:00Z"
 */

#include "payment/payment_internal.h"

#include "base/text.h"
#include "base/time.h"

#define CONDITIONS_MAX    8
#define FILTER_LENGTH_MAX 255
#define WORD_SIZE         64
#define STATE_PREFIX      "STATE_"

#define STATES_MAX 16

/* The contract's states of what is listed. */
struct filter_states {
    const char *names[STATES_MAX];
    unsigned all; /* one bit each */
    const char *example;
};

static const struct filter_states payment_states = {
    {"PROCESSING", "REQUIRES_ACTION", "REQUIRES_CAPTURE", "SUCCEEDED", "FAILED", "CANCELED"},
    (1U << 6) - 1,
    "SUCCEEDED",
};

static const struct filter_states dispute_states = {
    {"NEEDS_RESPONSE", "UNDER_REVIEW", "WON", "LOST", "ACCEPTED", "CLOSED"},
    (1U << 6) - 1,
    "NEEDS_RESPONSE",
};

enum comparison { EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };

static const char *const operators[] = {
    [EQUAL] = "=",       [NOT_EQUAL] = "!=", [LESS] = "<",
    [LESS_EQUAL] = "<=", [GREATER] = ">",    [GREATER_EQUAL] = ">=",
};

struct word {
    char text[WORD_SIZE];
    bool is_quoted;
};

struct parser {
    struct call *call;
    const struct filter_states *known;
    const char *text;
    const char *at;
    const char *word; /* where the last one began: what an error points to */
    unsigned states;
    int64_t from_us;
    int64_t until_us;
    const char *never;
};

static const struct error *invalid(const struct parser *parser, const char *what)
{
    struct error *error =
        refuse(parser->call, STATUS_INVALID_ARGUMENT, "FILTER_INVALID", "the filter %s", what);

    error->fields[0] = (struct field_error){
        .field = "filter",
        .description = arena_printf(parser->call->arena, "at character %d: %s",
                                    (int)(parser->word - parser->text) + 1, what),
    };
    error->field_count = 1;
    return error;
}

static void skip_blanks(struct parser *parser)
{
    while (*parser->at == ' ')
        parser->at++;
}

static bool is_operator(char c)
{
    return c == '=' || c == '!' || c == '<' || c == '>';
}

/* A run of characters of one kind, or what stands between quotes. */
static const struct error *take_word(struct parser *parser, struct word *word)
{
    size_t length = 0;

    skip_blanks(parser);
    parser->word = parser->at;
    word->is_quoted = *parser->at == '"';
    if (word->is_quoted) {
        parser->at++;
        length = strcspn(parser->at, "\"");
        if (parser->at[length] == '\0')
            return invalid(parser, "ends inside a quoted value");
    } else if (is_operator(*parser->at)) {
        while (is_operator(parser->at[length]))
            length++;
    } else {
        length = strcspn(parser->at, " =!<>\"");
    }
    if (length >= WORD_SIZE || (length == 0 && !word->is_quoted))
        return invalid(parser, arena_printf(parser->call->arena,
                                            "must consist of conditions like: state = %s",
                                            parser->known->example));
    memcpy(word->text, parser->at, length);
    word->text[length] = '\0';
    parser->at += length + (word->is_quoted ? 1 : 0);
    return NULL;
}

static const struct error *take_operator(struct parser *parser, enum comparison *comparison)
{
    struct word word;

    TRY(take_word(parser, &word));
    for (size_t i = 0; !word.is_quoted && i < ARRAY_LENGTH(operators); i++) {
        if (text_equal(word.text, operators[i])) {
            *comparison = (enum comparison)i;
            return NULL;
        }
    }
    return invalid(parser, "needs one of = != < <= > >= after the field");
}

static const struct error *take_state(struct parser *parser, enum comparison comparison)
{
    struct word word;

    if (comparison != EQUAL && comparison != NOT_EQUAL)
        return invalid(parser, "can compare a state with = and != only");
    TRY(take_word(parser, &word));
    /* With the enum's prefix too, as an answer in JSON has it. */
    const char *name =
        text_starts_with(word.text, STATE_PREFIX) ? word.text + strlen(STATE_PREFIX) : word.text;
    for (size_t i = 0; i < STATES_MAX && parser->known->names[i] != NULL; i++) {
        if (!text_equal(name, parser->known->names[i]))
            continue;
        parser->states &= comparison == EQUAL ? 1U << i : ~(1U << i);
        return NULL;
    }
    return invalid(parser,
                   arena_printf(parser->call->arena, "names a state that does not exist; one is %s",
                                parser->known->example));
}

static void from(struct parser *parser, int64_t time_us)
{
    if (time_us > parser->from_us)
        parser->from_us = time_us;
}

static void until(struct parser *parser, int64_t time_us)
{
    if (time_us < parser->until_us)
        parser->until_us = time_us;
}

static void never(struct parser *parser, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];

    time_format(time_us, text);
    parser->never = parser->never == NULL
                        ? arena_strdup(parser->call->arena, text)
                        : arena_printf(parser->call->arena, "%s,%s", parser->never, text);
}

static const struct error *take_time(struct parser *parser, enum comparison comparison)
{
    struct word word;
    int64_t time_us;

    TRY(take_word(parser, &word));
    if (!word.is_quoted || !time_parse(word.text, &time_us))
        return invalid(parser,
                       "needs a time that exists, like \"2026-01-01T00:00:00Z\", in quotes");
    switch (comparison) {
    case EQUAL:
        from(parser, time_us);
        until(parser, time_us + 1);
        break;
    case NOT_EQUAL:
        never(parser, time_us);
        break;
    case LESS:
        until(parser, time_us);
        break;
    case LESS_EQUAL:
        until(parser, time_us + 1);
        break;
    case GREATER:
        from(parser, time_us + 1);
        break;
    case GREATER_EQUAL:
        from(parser, time_us);
        break;
    }
    return NULL;
}

static const struct error *take_condition(struct parser *parser)
{
    struct word field;
    enum comparison comparison = EQUAL;

    TRY(take_word(parser, &field));
    if (!field.is_quoted && text_equal(field.text, "state")) {
        TRY(take_operator(parser, &comparison));
        return take_state(parser, comparison);
    }
    if (!field.is_quoted && text_equal(field.text, "create_time")) {
        TRY(take_operator(parser, &comparison));
        return take_time(parser, comparison);
    }
    return invalid(parser, "knows the fields state and create_time only");
}

static const char *state_list(const struct parser *parser)
{
    const char *list = "";

    if (parser->states == parser->known->all)
        return NULL;
    for (size_t i = 0; i < STATES_MAX && parser->known->names[i] != NULL; i++) {
        if ((parser->states & (1U << i)) != 0)
            list = arena_printf(parser->call->arena, "%s%s%s", list, list[0] == '\0' ? "" : ",",
                                parser->known->names[i]);
    }
    return list;
}

static const struct error *take_all(struct parser *parser)
{
    struct word word;

    for (int count = 1;; count++) {
        TRY(take_condition(parser));
        skip_blanks(parser);
        if (*parser->at == '\0')
            return NULL;
        TRY(take_word(parser, &word));
        if (word.is_quoted || !text_equal(word.text, "AND"))
            return invalid(parser, "joins conditions by AND only");
        if (count == CONDITIONS_MAX)
            return invalid(parser, "has more than 8 conditions");
    }
}

static const struct error *parse(struct call *call, const struct filter_states *known,
                                 const char *text, struct payment_filter *filter)
{
    struct parser parser = {
        .call = call,
        .known = known,
        .text = text,
        .at = text,
        .word = text,
        .states = known->all,
        .from_us = TIME_US_MIN,
        .until_us = TIME_US_MAX,
    };

    *filter = (struct payment_filter){0};
    skip_blanks(&parser);
    if (*parser.at == '\0')
        return NULL;
    if (text_length(text) > FILTER_LENGTH_MAX)
        return invalid(&parser, "is longer than 255 characters");
    TRY(take_all(&parser));
    filter->states = state_list(&parser);
    filter->created_from_us = parser.from_us == TIME_US_MIN ? 0 : parser.from_us;
    /* 0 says "no bound"; nothing was created in that microsecond of 1970. */
    if (parser.until_us != TIME_US_MAX)
        filter->created_until_us = parser.until_us == 0 ? 1 : parser.until_us;
    filter->created_never = parser.never;
    return NULL;
}

const struct error *payment_filter_parse(struct call *call, const char *text,
                                         struct payment_filter *filter)
{
    return parse(call, &payment_states, text, filter);
}

const struct error *dispute_filter_parse(struct call *call, const char *text,
                                         struct payment_filter *filter)
{
    return parse(call, &dispute_states, text, filter);
}
