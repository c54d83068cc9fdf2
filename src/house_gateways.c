/*
 * Opens the gateways.  The sandbox may stay beside another: payments of its methods go on, and test
 * clocks need none.
 */

#include "house_gateways.h"

#include "base/call.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/time.h"
#include "base/watch.h"
#include "crypto/secrets.h"
#include "gateway/sandbox/sandbox.h"
#include "vault/gateway_keys.h"

#define ARENA_SIZE    ((size_t)256 * 1024)
#define OPEN_LIMIT_US (15 * US_PER_SECOND)
#define LOOK_US       US_PER_SECOND
#define LOOK_LIMIT_US (5 * US_PER_SECOND)

/* Where new payment methods go comes first. */
static void add(struct house_gateways *gateways, const struct settings *settings,
                const struct gateway *gateway)
{
    struct gateways *list = &gateways->list;
    int32_t place = list->count++;

    if (text_equal(gateway->name, settings->gateway)) {
        list->list[place] = list->list[0];
        place = 0;
    }
    list->list[place] = gateway;
}

static bool open_sandbox(const struct house *house, struct house_gateways *gateways,
                         char problem[HOUSE_PROBLEM_SIZE])
{
    const struct settings *settings = house->settings;

    gateways->sandbox =
        sandbox_open(settings->sandbox_journal, settings->gateway_timeout_ms,
                     settings->sandbox_latency_ms, house->clock, house->random, problem);
    if (gateways->sandbox == NULL)
        return false;
    add(gateways, settings, sandbox_gateway(gateways->sandbox));
    return true;
}

struct stripe_options house_stripe_options(const struct settings *settings, const char *key)
{
    return (struct stripe_options){
        .url = settings->stripe_url,
        .secret_key = key,
        .ca_file = settings->stripe_ca_file,
        .return_url = settings->stripe_return_url,
        .takes_news = !text_equal(settings->gateway_news_listen, "off"),
        .timeout_ms = settings->gateway_timeout_ms,
        .active_max = settings->stripe_connections,
    };
}

static bool open_with_key(const struct house *house, struct house_gateways *gateways,
                          const char *key, char problem[HOUSE_PROBLEM_SIZE])
{
    struct stripe_options options = house_stripe_options(house->settings, key);

    if (text_equal(house->settings->log_level, "debug"))
        options.log = house->log;
    gateways->stripe = stripe_open(&options, problem);
    if (gateways->stripe == NULL)
        return false;
    add(gateways, house->settings, stripe_gateway(gateways->stripe));
    return true;
}

/* What rests sealed, opened; wiped where it ends. */
struct opened_keys {
    char api[GATEWAY_KEY_SIZE_MAX + 1]; /* "": none is stored */
    char secrets[GATEWAY_KEYS_MAX][GATEWAY_KEY_SIZE_MAX + 1];
    char hint[GATEWAY_KEY_SIZE_MAX + 1];
    int64_t generation;
    int64_t version;
};

static const struct error *load(struct call *call, struct opened_keys *opened)
{
    struct gateway_key keys[GATEWAY_KEYS_MAX];
    size_t count;

    TRY(gateway_keys_version(call, &opened->version));
    TRY(gateway_keys_load(call, GATEWAY_KEY_STRIPE, keys, &count));
    if (count > 0) {
        snprintf(opened->api, sizeof(opened->api), "%s", keys[0].text);
        snprintf(opened->hint, sizeof(opened->hint), "%s", keys[0].hint);
        opened->generation = keys[0].generation;
    }
    TRY(gateway_keys_load(call, GATEWAY_KEY_STRIPE_WEBHOOK, keys, &count));
    for (size_t i = 0; i < count; i++)
        snprintf(opened->secrets[i], sizeof(opened->secrets[i]), "%s", keys[i].text);
    return NULL;
}

static void change_secrets(struct stripe *stripe, const struct opened_keys *opened)
{
    const char *secrets[STRIPE_NEWS_SECRETS_MAX] = {opened->secrets[0], opened->secrets[1]};

    stripe_change_news_secrets(stripe, secrets);
}

struct reading {
    const struct house *house;
    struct opened_keys opened;
    char *problem;
};

static void run_reading(void *arg)
{
    struct reading *reading = arg;
    AUTO(arena_auto_free) struct arena *arena = arena_new(ARENA_SIZE);
    struct call call =
        call_of_house(reading->house, arena, "system/start", "gateway/open", OPEN_LIMIT_US);
    const struct error *error = load(&call, &reading->opened);

    if (error != NULL)
        snprintf(reading->problem, HOUSE_PROBLEM_SIZE, "could not load the key of stripe: %s",
                 error->cause != NULL ? error->cause : error->message);
    else if (reading->opened.api[0] == '\0')
        snprintf(reading->problem, HOUSE_PROBLEM_SIZE,
                 "gateway = stripe, and no key of stripe is stored: `dues keys set stripe`");
}

/* The client has a thread of its own, so it is opened and closed by a plain one. */
static bool open_stripe(const struct house *house, struct house_gateways *gateways,
                        char problem[HOUSE_PROBLEM_SIZE])
{
    struct reading reading = {.house = house, .problem = problem};

    fiber_run(house->fibers, run_reading, &reading);
    bool opened = reading.opened.api[0] != '\0' &&
                  open_with_key(house, gateways, reading.opened.api, problem);
    if (opened)
        change_secrets(gateways->stripe, &reading.opened);
    gateways->stripe_generation = reading.opened.generation;
    gateways->keys_version = reading.opened.version;
    secret_wipe(&reading.opened, sizeof(reading.opened));
    return opened;
}

/* One that does not fit is said once, and the one before goes on. */
static void take_up(struct house_gateways *gateways, const struct opened_keys *opened)
{
    struct log *log = gateways->house->log;
    char problem[STRIPE_PROBLEM_SIZE] = "it is gone";

    change_secrets(gateways->stripe, opened);
    if (opened->generation == gateways->stripe_generation) {
        log_write(log, LOG_INFO, "gateway.secrets_changed",
                  LOG_FIELDS(LOG_TEXT("gateway", "stripe")));
        return;
    }
    gateways->stripe_generation = opened->generation;
    if (opened->generation > 0 && stripe_change_key(gateways->stripe, opened->api, problem))
        log_write(log, LOG_INFO, "gateway.key_changed",
                  LOG_FIELDS(LOG_TEXT("gateway", "stripe"), LOG_TEXT("key", opened->hint),
                             LOG_NUMBER("generation", opened->generation)));
    else
        log_write(log, LOG_ERROR, "gateway.key_refused",
                  LOG_FIELDS(LOG_TEXT("gateway", "stripe"), LOG_TEXT("problem", problem)));
}

static const struct error *look(void *owner, struct call *call)
{
    struct house_gateways *gateways = owner;
    struct opened_keys opened = {.version = 0};
    int64_t version;

    TRY(gateway_keys_version(call, &version));
    if (version == gateways->keys_version)
        return NULL;
    const struct error *error = load(call, &opened);
    if (error == NULL) {
        take_up(gateways, &opened);
        gateways->keys_version = opened.version;
    }
    secret_wipe(&opened, sizeof(opened));
    return error;
}

void house_gateways_start(struct house_gateways *gateways)
{
    if (gateways->stripe == NULL)
        return;
    gateways->watch = watch_open(&(struct watch_question){
        .house = gateways->house,
        .caller = "system/gateway",
        .method = "gateway/look",
        .every_us = LOOK_US,
        .limit_us = LOOK_LIMIT_US,
        .arena_size = ARENA_SIZE,
        .ask = look,
        .owner = gateways,
        .trouble_event = "gateway.cannot_look",
    });
    watch_start(gateways->watch);
}

bool house_gateways_open(const struct house *house, struct house_gateways *gateways,
                         char problem[HOUSE_PROBLEM_SIZE])
{
    const struct settings *settings = house->settings;

    gateways->house = house;
    if (settings->sandbox && !open_sandbox(house, gateways, problem))
        return false;
    return !text_equal(settings->gateway, "stripe") || open_stripe(house, gateways, problem);
}

void house_gateways_close(struct house_gateways *gateways)
{
    watch_close(gateways->watch);
    stripe_close(gateways->stripe);
    if (gateways->sandbox != NULL)
        sandbox_close(gateways->sandbox);
}
