/*
 * The frame of the commands of `dues`: from the command line to the word that runs.  All that is
 * wrong with a command line is said before anything is asked.
 */
#include "cli/command.h"

#include "base/text.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/shown.h"

/* Answers of a person; the server's own limits are far below. */
#define COMMAND_ARENA_SIZE_MAX (64U << 20)

static const struct option connection_options[] = {CONNECTION_OPTIONS};

#define LONGS_MAX (ARRAY_LENGTH(connection_options) + COMMAND_OPTIONS_MAX + 2)

/* For getopt_long: the connection's, the command's own from OPTION_OTHER on, --help, the end. */
static void list_options(const struct command *command, struct option longs[])
{
    size_t count = 0;

    for (size_t i = 0; command->connects && i < ARRAY_LENGTH(connection_options); i++)
        longs[count++] = connection_options[i];
    for (size_t i = 0; i < command->option_count; i++)
        longs[count++] = (struct option){
            .name = command->options[i].name,
            .has_arg = command->options[i].value == VALUE_FLAG ? no_argument : required_argument,
            .val = OPTION_OTHER + (int)i,
        };
    longs[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    longs[count] = (struct option){0};
}

static void *field_of(struct wish *wish, const struct command_option *option)
{
    return (char *)wish + option->offset;
}

/* EXIT_SUCCESS, or what is wrong with the value was said. */
static int take_value(struct wish *wish, const struct command_option *option, char *value)
{
    void *field = field_of(wish, option);
    struct command_texts *texts = field;

    switch (option->value) {
    case VALUE_TEXT:
        *(const char **)field = value;
        return EXIT_SUCCESS;
    case VALUE_FLAG:
        *(bool *)field = true;
        return EXIT_SUCCESS;
    case VALUE_COUNT:
        return read_count(value, field)
                   ? EXIT_SUCCESS
                   : complain_usage("--%s needs a whole number above 0", option->name);
    case VALUE_TEXTS:
        if (texts->count == COMMAND_TEXTS_MAX)
            return complain_usage("--%s may be given %d times", option->name, COMMAND_TEXTS_MAX);
        texts->items[texts->count++] = value;
        return EXIT_SUCCESS;
    }
    return EXIT_SUCCESS;
}

static int read_option(const struct command *command, struct wish *wish, int option, char *value)
{
    if (option == OPTION_HELP)
        return help_command(command->name);
    if (option == 'o') {
        wish->as_json = text_equal(value, "json");
        return wish->as_json ? EXIT_SUCCESS : complain_usage("-o knows json, not \"%s\"", value);
    }
    if (option < OPTION_OTHER)
        return complain_option(command->name);
    return take_value(wish, &command->options[option - OPTION_OTHER], value);
}

static bool is_given(struct wish *wish, const struct command_option *option)
{
    const void *field = field_of(wish, option);

    switch (option->value) {
    case VALUE_TEXT:
        return *(const char *const *)field != NULL;
    case VALUE_FLAG:
        return *(const bool *)field;
    case VALUE_COUNT:
        return *(const int64_t *)field > 0;
    case VALUE_TEXTS:
        return ((const struct command_texts *)field)->count > 0;
    }
    return false;
}

static bool is_empty(struct wish *wish, const struct command_option *option)
{
    return option->value == VALUE_TEXT &&
           text_equal(*(const char *const *)field_of(wish, option), "");
}

static bool takes(const struct command_option *option, const char *word)
{
    for (size_t i = 0; i < COMMAND_WORDS_MAX && option->words[i] != NULL; i++) {
        if (text_equal(option->words[i], word))
            return true;
    }
    return option->words[0] == NULL;
}

/* "a", "a and b", "a, b and c". */
static const char *add_word(struct arena *arena, const char *words, const char *word, bool is_last)
{
    if (words[0] == '\0')
        return word;
    return arena_printf(arena, "%s%s%s", words, is_last ? " and " : ", ", word);
}

static const char *words_taking(struct arena *arena, const struct command_option *option)
{
    const char *words = "";

    for (size_t i = 0; i < COMMAND_WORDS_MAX && option->words[i] != NULL; i++)
        words = add_word(arena, words, option->words[i],
                         i + 1 == COMMAND_WORDS_MAX || option->words[i + 1] == NULL);
    return words;
}

static const char *words_known(struct arena *arena, const struct command *command)
{
    const char *words = "";

    for (size_t i = 0; i < command->word_count; i++)
        words = add_word(arena, words, command->words[i].word, i + 1 == command->word_count);
    return words;
}

/* What the word does not have, or does not know; NULL when the command line is in order. */
static const char *find_misuse(const struct command *command, struct wish *wish)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct command_option *option = &command->options[i];
        bool is_taken = takes(option, wish->word);
        if (!is_taken && is_given(wish, option))
            return arena_printf(wish->arena, "--%s is for %s %s", option->name, command->name,
                                words_taking(wish->arena, option));
        if (is_taken && option->is_needed && (!is_given(wish, option) || is_empty(wish, option)))
            return arena_printf(wish->arena, "%s %s needs --%s", command->name, wish->word,
                                option->name);
    }
    const char *misuse = command->check == NULL ? NULL : command->check(wish);
    return misuse != NULL ? misuse : connection_check(&wish->connection);
}

static int run_word(const struct command *command, const struct command_word *word,
                    struct wish *wish)
{
    const char *misuse = find_misuse(command, wish);

    if (misuse != NULL)
        return complain_usage("%s", misuse);
    if (!command->connects)
        return word->run(wish);
    shown_begin(wish->as_json);
    if (wish->connection.as == NULL && wish->connection.certificate == NULL)
        wish->connection.as = command->as;
    wish->client = ask_open(&wish->connection, wish->arena);
    if (wish->client == NULL)
        return EXIT_FAILURE;
    int exit_status = word->run(wish);
    dues_client_close(wish->client);
    return exit_status;
}

/* `operands` are what is left of the command line, without the word. */
static int run_operands(const struct command *command, const struct command_word *word,
                        struct wish *wish, int count, char **operands)
{
    const char *blank = word->word == NULL ? "" : " ";

    wish->word = word->word == NULL ? "" : word->word;
    if (word->operand == NULL && count > 0)
        return complain_usage("%s%s%s takes no \"%s\"", command->name, blank, wish->word,
                              operands[0]);
    if (word->operand != NULL && count != 1)
        return complain_usage("%s%s%s needs %s", command->name, blank, wish->word, word->operand);
    wish->operand = word->operand == NULL ? NULL : operands[0];
    return run_word(command, word, wish);
}

static int run(const struct command *command, struct wish *wish, int argc, char **argv)
{
    struct option longs[LONGS_MAX];
    int option;

    list_options(command, longs);
    while ((option = getopt_long(argc, argv, command->prints_json ? "o:" : "", longs, NULL)) !=
           -1) {
        if (command->connects && connection_option(&wish->connection, option, optarg))
            continue;
        int exit_status = read_option(command, wish, option, optarg);
        if (option == OPTION_HELP || exit_status != EXIT_SUCCESS)
            return exit_status;
    }
    int count = argc - optind;
    char **words = argv + optind;
    if (command->words[0].word == NULL)
        return run_operands(command, &command->words[0], wish, count, words);
    for (size_t i = 0; count > 0 && i < command->word_count; i++) {
        if (text_equal(words[0], command->words[i].word))
            return run_operands(command, &command->words[i], wish, count - 1, words + 1);
    }
    return complain_usage("%s knows %s", command->name, words_known(wish->arena, command));
}

int command_run(const struct command *command, struct wish *wish, int argc, char **argv)
{
    wish->arena = arena_new(COMMAND_ARENA_SIZE_MAX);
    int exit_status = run(command, wish, argc, argv);
    arena_free(wish->arena);
    return exit_status;
}
