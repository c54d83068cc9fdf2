/*
 * Opens the gateways.  The sandbox may stay beside another: payments of its methods go on, and test
 * clocks need none.
 */

#include "house_gateways.h"

#include "base/settings.h"
#include "base/text.h"
#include "gateway/sandbox/sandbox.h"

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

struct stripe_options house_stripe_options(const struct settings *settings)
{
    return (struct stripe_options){
        .url = settings->stripe_url,
        .secret_key_file = settings->stripe_secret_key_file,
        .ca_file = settings->stripe_ca_file,
        .return_url = settings->stripe_return_url,
        .news_secret_file = settings->stripe_webhook_secret_file,
        .timeout_ms = settings->gateway_timeout_ms,
        .active_max = settings->stripe_connections,
    };
}

static bool open_stripe(const struct house *house, struct house_gateways *gateways,
                        char problem[HOUSE_PROBLEM_SIZE])
{
    struct stripe_options options = house_stripe_options(house->settings);

    if (text_equal(house->settings->log_level, "debug"))
        options.log = house->log;
    gateways->stripe = stripe_open(&options, problem);
    if (gateways->stripe == NULL)
        return false;
    add(gateways, house->settings, stripe_gateway(gateways->stripe));
    return true;
}

bool house_gateways_open(const struct house *house, struct house_gateways *gateways,
                         char problem[HOUSE_PROBLEM_SIZE])
{
    const struct settings *settings = house->settings;

    if (settings->sandbox && !open_sandbox(house, gateways, problem))
        return false;
    return !text_equal(settings->gateway, "stripe") || open_stripe(house, gateways, problem);
}

void house_gateways_close(struct house_gateways *gateways)
{
    stripe_close(gateways->stripe);
    if (gateways->sandbox != NULL)
        sandbox_close(gateways->sandbox);
}
