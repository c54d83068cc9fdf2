/*
 * `dues keys` and `dues customers`: become duesd's commands about the keys that seal what the
 * database holds, the one of a customer included.
 */
#include "base/key_name.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/server_command.h"

static int become(void *wish, const char *verb, const char *option, const char *value)
{
    const char *const rest[] = {option, value, NULL};

    return server_command_become(wish, verb, rest);
}

static int rotate(void *wish)
{
    return become(wish, "rotate-keys", NULL, NULL);
}

static int count(void *wish)
{
    return become(wish, "count-keys", NULL, NULL);
}

static int forget(void *wish)
{
    return become(wish, "count-keys", "--forget-old", NULL);
}

static int list(void *wish)
{
    return become(wish, "list-keys", NULL, NULL);
}

static int set(void *wish)
{
    return become(wish, "set-key", "--name", ((const struct wish *)wish)->operand);
}

static int end(void *wish)
{
    return become(wish, "end-keys", "--name", ((const struct wish *)wish)->operand);
}

static int erase(void *wish)
{
    return become(wish, "erase-customer", "--customer", ((const struct wish *)wish)->operand);
}

static const struct command_option options[] = {SERVER_OPTIONS};

/* What names a key names one of those that duesd knows. */
static const char *check_keys(const void *given)
{
    const struct wish *wish = given;
    static const char *const names[] = GATEWAY_KEY_NAMES;
    const char *name = wish->operand;
    bool is_known = name == NULL;

    if (wish->as_json && !text_equal(wish->word, "list") && !text_equal(wish->word, "count"))
        return "-o json is for keys list and count";
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        is_known = is_known || text_equal(names[i], name);
    return is_known ? NULL : GATEWAY_KEY_ABSENT;
}

int command_keys(int argc, char **argv)
{
    static const struct command_word words[] = {
        {"rotate", rotate, NULL},
        {"count", count, NULL},
        {"forget", forget, NULL},
        {"list", list, NULL},
        {"set", set, "the name of one key, stripe or stripe-webhook"},
        {"end", end, "the name of one key, stripe or stripe-webhook"},
    };
    static const struct command command = {
        .name = "keys",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .check = check_keys,
        .prints_json = true,
    };
    struct server_wish wish = {.config = NULL};

    return command_run(&command, &wish.wish, argc, argv);
}

int command_customers(int argc, char **argv)
{
    static const struct command_word words[] = {{"erase", erase, "the name of one, customers/ID"}};
    static const struct command command = {
        .name = "customers",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
    };
    struct server_wish wish = {.config = NULL};

    return command_run(&command, &wish.wish, argc, argv);
}
