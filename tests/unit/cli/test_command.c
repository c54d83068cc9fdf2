/*
 * The frame of the commands: what the table says is what a command line may have.
 */
#include "cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/cli.h"

struct shop_wish {
    struct wish wish;
    const char *label;
    int64_t count;
    bool all;
    struct command_texts tags;
    const char *ran; /* the word that ran */
};

static int run_word(void *given)
{
    struct shop_wish *wish = given;

    wish->ran = wish->wish.word;
    return EXIT_SUCCESS;
}

static const char *check(const void *given)
{
    const struct shop_wish *wish = given;

    return wish->all && wish->count > 0 ? "--all and --count exclude each other" : NULL;
}

static const struct command_option options[] = {
    {"label", VALUE_TEXT, offsetof(struct shop_wish, label), .words = {"buy"}, .is_needed = true},
    {"count", VALUE_COUNT, .offset = offsetof(struct shop_wish, count)},
    {"all", VALUE_FLAG, offsetof(struct shop_wish, all), .words = {"buy", "look"}},
    {"tag", VALUE_TEXTS, .offset = offsetof(struct shop_wish, tags)},
};

static int run_line(struct shop_wish *wish, const struct command_word *words, size_t word_count,
                    const char *const line[])
{
    const struct command command = {
        .name = "shop",
        .words = words,
        .word_count = word_count,
        .options = options,
        .option_count = ARRAY_LENGTH(options),
        .check = check,
        .prints_json = true,
    };
    char *argv[24] = {(char *)(uintptr_t) "shop"};
    int argc = 1;

    for (; line[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)line[argc - 1];
    optind = 0; /* getopt begins anew */
    return command_run(&command, &wish->wish, argc, argv);
}

static const struct command_word shop_words[] = {
    {"look", run_word, NULL},
    {"buy", run_word, "the name of one thing"},
    {"close", run_word, NULL},
};

#define LINE(...)       ((const char *const[]){__VA_ARGS__, NULL})
#define SHOP(wish, ...) run_line(wish, shop_words, ARRAY_LENGTH(shop_words), LINE(__VA_ARGS__))

static void a_word_gets_its_options_and_what_it_acts_on(void **state)
{
    (void)state;
    struct shop_wish wish = {.ran = NULL};

    int status = SHOP(&wish, "--tag", "a", "buy", "--label", "red", "--count", "3", "--tag", "b",
                      "things/1", "-o", "json");

    assert_int_equal(status, EXIT_SUCCESS);
    assert_string_equal(wish.ran, "buy");
    assert_string_equal(wish.wish.operand, "things/1");
    assert_string_equal(wish.label, "red");
    assert_int_equal(wish.count, 3);
    assert_int_equal(wish.tags.count, 2);
    assert_string_equal(wish.tags.items[1], "b");
    assert_true(wish.wish.as_json);
    assert_false(wish.all);
}

static void a_command_line_that_the_table_does_not_have_runs_nothing(void **state)
{
    (void)state;
    static const char *const lines[][8] = {
        {NULL},
        {"sell", NULL},
        {"look", "things/1", NULL},                /* takes options only */
        {"buy", "--label", "red", NULL},           /* what? */
        {"buy", "--label", "red", "a", "b", NULL}, /* which? */
        {"buy", "things/1", NULL},                 /* needs --label */
        {"buy", "--label", "", "things/1", NULL},  /* is no label */
        {"look", "--label", "red", NULL},          /* is for buy */
        {"close", "--all", NULL},                  /* is for buy and look */
        {"look", "--count", "0", NULL},            /* not above 0 */
        {"look", "--count", "3x", NULL},           /* no number */
        {"look", "--all", "--count", "3", NULL},   /* the command's own check */
        {"look", "-o", "yaml", NULL},              /* json alone */
        {"look", "--target", "127.0.0.1:1", NULL}, /* it does not connect */
    };

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        struct shop_wish wish = {.ran = NULL};

        int status = run_line(&wish, shop_words, ARRAY_LENGTH(shop_words), lines[i]);

        assert_int_equal(status, EXIT_USAGE);
        assert_null(wish.ran);
    }
}

static void an_option_may_not_be_repeated_without_end(void **state)
{
    (void)state;
    struct shop_wish wish = {.tags = {.count = COMMAND_TEXTS_MAX}};

    int status = SHOP(&wish, "look", "--tag", "one more");

    assert_int_equal(status, EXIT_USAGE);
    assert_null(wish.ran);
}

static void a_command_without_words_is_its_own(void **state)
{
    (void)state;
    static const struct command_word alone[] = {{NULL, run_word, NULL}};
    struct shop_wish wish = {.ran = NULL};
    struct shop_wish misused = {.ran = NULL};

    int status = run_line(&wish, alone, 1, LINE("--count", "3"));
    int refused = run_line(&misused, alone, 1, LINE("look"));

    assert_int_equal(status, EXIT_SUCCESS);
    assert_string_equal(wish.ran, "");
    assert_int_equal(refused, EXIT_USAGE);
    assert_null(misused.ran);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_gets_its_options_and_what_it_acts_on),
        cmocka_unit_test(a_command_line_that_the_table_does_not_have_runs_nothing),
        cmocka_unit_test(an_option_may_not_be_repeated_without_end),
        cmocka_unit_test(a_command_without_words_is_its_own),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
