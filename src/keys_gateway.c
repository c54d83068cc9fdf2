/*
 * A key comes in on standard input, never as an argument or in the environment, which others can
 * read.  The gateway is asked about it before it is stored: a key that it does not know would stop
 * all payments within a second.
 */
#include "keys_gateway.h"

#include <termios.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/secrets.h"
#include "house_gateways.h"
#include "vault/gateway_keys.h"

#define ARENA_SIZE ((size_t)4 * 1024 * 1024)
#define LIMIT_US   (60 * US_PER_SECOND)

struct errand {
    const struct house *house;
    const struct keys_options *options;
    const char *text;                      /* of the key to store */
    char before[GATEWAY_KEY_SIZE_MAX + 1]; /* the one in use; "" when there is none */
    FILE *out;
    char *problem;
    const struct error *(*work)(struct call *call, struct errand *errand);
    bool worked;
};

/* What is wrong with it; NULL: nothing. */
static const char *misshapen(const char *name, const char *text)
{
    if (text[0] == '\0')
        return "there is no key on standard input";
    if (!text_is_plain(text, strlen(text)) || strchr(text, ' ') != NULL)
        return "that is no key: it has blanks or other than ASCII in it";
    if (text_equal(name, GATEWAY_KEY_STRIPE))
        return stripe_key_is_right(text)
                   ? NULL
                   : "not a secret key of Stripe (sk_test_…, sk_live_…, rk_…)";
    return stripe_news_secret_is_right(text) ? NULL : "not a signing secret of Stripe (whsec_…)";
}

/* A line, without showing it when it is typed. */
static void read_key(FILE *in, char text[GATEWAY_KEY_SIZE_MAX + 2])
{
    struct termios before;
    bool is_typed = tcgetattr(fileno(in), &before) == 0;

    setvbuf(in, NULL, _IONBF, 0); /* no copy of the key in the stream's buffer */
    if (is_typed) {
        struct termios quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fileno(in), TCSAFLUSH, &quiet);
        fputs("key: ", stderr);
    }
    if (fgets(text, GATEWAY_KEY_SIZE_MAX + 2, in) == NULL)
        text[0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (is_typed) {
        tcsetattr(fileno(in), TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
}

/* A question to Stripe, from a fiber. */
struct probe {
    const struct stripe *stripe;
    enum stripe_verdict verdict;
    char problem[STRIPE_PROBLEM_SIZE];
};

static void run_probe(void *arg)
{
    struct probe *probe = arg;
    AUTO(arena_auto_free) struct arena *arena = arena_new(ARENA_SIZE);

    probe->verdict = stripe_probe(probe->stripe, arena, probe->problem);
}

/* False: it is not this gateway's.  That it cannot be asked is no reason. */
static bool ask_stripe(struct errand *errand, struct stripe *stripe)
{
    struct probe probe = {.stripe = stripe};

    if (errand->before[0] != '\0' && !stripe_change_key(stripe, errand->text, errand->problem))
        return false;
    fiber_run(errand->house->fibers, run_probe, &probe);
    switch (probe.verdict) {
    case STRIPE_KEY_GOOD:
        fprintf(errand->out, "%s knows the key\n", errand->house->settings->stripe_url);
        return true;
    case STRIPE_KEY_REFUSED:
        snprintf(errand->problem, KEYS_PROBLEM_SIZE, "not stored: %.200s", probe.problem);
        return false;
    case STRIPE_NO_VERDICT:
        fprintf(errand->out, "not asked at the gateway: %s\n", probe.problem);
        return true;
    }
    return false;
}

static bool ask_gateway(struct errand *errand)
{
    const struct settings *settings = errand->house->settings;

    if (!text_equal(errand->options->name, GATEWAY_KEY_STRIPE))
        return true;
    if (errand->before[0] != '\0' &&
        !stripe_key_may_follow(errand->before, errand->text, errand->problem))
        return false;
    if (settings->stripe_url[0] == '\0') {
        fputs("not asked at the gateway: stripe_url is not set\n", errand->out);
        return true;
    }
    const struct stripe_options options =
        house_stripe_options(settings, errand->before[0] != '\0' ? errand->before : errand->text);
    struct stripe *stripe = stripe_open(&options, errand->problem);
    bool may_be = stripe != NULL && ask_stripe(errand, stripe);
    stripe_close(stripe);
    return may_be;
}

static void print_key(FILE *out, const struct gateway_key *key)
{
    char time[TIME_TEXT_SIZE];

    time_format(key->create_us, time);
    fprintf(out, "%-14s  %10lld  %-18s  %s", key->name, (long long)key->generation, key->hint,
            time);
}

static void print_listed(struct call *call, const struct errand *errand,
                         const struct gateway_key *key, bool is_newest)
{
    char time[TIME_TEXT_SIZE];

    if (!errand->options->as_json) {
        print_key(errand->out, key);
        fputs(is_newest ? "\n" : "  counts too, until it is ended\n", errand->out);
        return;
    }
    time_format(key->create_us, time);
    fprintf(errand->out,
            "{\"name\":\"%s\",\"generation\":%lld,\"key\":%s,\"since\":\"%s\",\"newest\":%s}\n",
            key->name, (long long)key->generation, json_quote(call->arena, key->hint), time,
            is_newest ? "true" : "false");
}

static const struct error *look(struct call *call, struct errand *errand)
{
    struct gateway_key keys[GATEWAY_KEYS_MAX];
    size_t count;

    TRY(gateway_keys_load(call, errand->options->name, keys, &count));
    snprintf(errand->before, sizeof(errand->before), "%s", count > 0 ? keys[0].text : "");
    errand->worked = true;
    return NULL;
}

static const struct error *put(struct call *call, struct errand *errand)
{
    struct gateway_key key;

    TRY(gateway_key_put(call, errand->options->name, errand->text, &key));
    print_key(errand->out, &key);
    fputs("\nstored, sealed; running servers take it up within a second\n", errand->out);
    errand->worked = true;
    return NULL;
}

static const struct error *list(struct call *call, struct errand *errand)
{
    struct gateway_key *keys;
    size_t count;

    TRY(gateway_keys_list(call, &keys, &count));
    if (!errand->options->as_json)
        fprintf(errand->out, "%-14s  %10s  %-16s  %s\n", "NAME", "GENERATION", "KEY", "SINCE");
    for (size_t i = 0; i < count; i++)
        print_listed(call, errand, &keys[i], i == 0 || !text_equal(keys[i - 1].name, keys[i].name));
    errand->worked = true;
    return NULL;
}

static const struct error *end(struct call *call, struct errand *errand)
{
    int64_t ended;

    TRY(gateway_keys_end(call, errand->options->name, &ended));
    fprintf(errand->out, "%lld ended; the newest alone counts\n", (long long)ended);
    errand->worked = true;
    return NULL;
}

static void run_errand(void *arg)
{
    struct errand *errand = arg;
    AUTO(arena_auto_free) struct arena *arena = arena_new(ARENA_SIZE);
    struct call call = call_of_house(errand->house, arena, "system/keys", "keys/run", LIMIT_US);
    const struct error *error = errand->work(&call, errand);

    if (error != NULL)
        snprintf(errand->problem, KEYS_PROBLEM_SIZE, "%s",
                 error->cause != NULL ? error->cause : error->message);
}

static bool run(struct errand *errand,
                const struct error *(*work)(struct call *call, struct errand *errand))
{
    errand->worked = false;
    errand->work = work;
    fiber_run(errand->house->fibers, run_errand, errand);
    return errand->worked;
}

static bool set(struct errand *errand)
{
    const char *wrong = misshapen(errand->options->name, errand->text);

    if (wrong != NULL) {
        snprintf(errand->problem, KEYS_PROBLEM_SIZE, "%s", wrong);
        return false;
    }
    if (!run(errand, look))
        return false;
    if (text_equal(errand->before, errand->text)) {
        fputs("this key is in use already; nothing was changed\n", errand->out);
        return true;
    }
    return ask_gateway(errand) && run(errand, put);
}

bool keys_gateway_run(const struct house *house, const struct keys_options *options, FILE *in,
                      FILE *out, char problem[KEYS_PROBLEM_SIZE])
{
    struct errand errand = {.house = house, .options = options, .out = out, .problem = problem};
    char text[GATEWAY_KEY_SIZE_MAX + 2] = "";

    if (options->action == KEYS_LIST)
        return run(&errand, list);
    if (options->action == KEYS_END)
        return run(&errand, end);
    read_key(in, text);
    errand.text = text;
    bool worked = set(&errand);
    secret_wipe(text, sizeof(text));
    secret_wipe(errand.before, sizeof(errand.before));
    return worked;
}
