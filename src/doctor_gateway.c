/*
 * The gateway that the configuration names: is its key one, does it answer, does it know the key.
 * Reads one page of nothing from it.
 */

#include "doctor.h"

#include "base/fiber.h"
#include "base/text.h"
#include "house_gateways.h"
#include "key_bunch.h"
#include "vault/gateway_keys.h"

#define MEMORY_SIZE_MAX (4 * 1024 * 1024)

struct probe {
    const struct stripe *stripe;
    struct arena *arena;
    enum stripe_verdict verdict;
    char problem[STRIPE_PROBLEM_SIZE];
};

static void ask(void *argument)
{
    struct probe *probe = argument;

    probe->verdict = stripe_probe(probe->stripe, probe->arena, probe->problem);
}

static void look_at_stripe(struct doctor *doctor, const struct stripe *stripe)
{
    AUTO(arena_auto_free) struct arena *arena = arena_new(MEMORY_SIZE_MAX);
    struct probe probe = {.stripe = stripe, .arena = arena};
    struct fiber_pool *fibers = fiber_pool_open(1);

    fiber_run(fibers, ask, &probe);
    fiber_pool_close(fibers);
    if (probe.verdict == STRIPE_KEY_GOOD)
        doctor_say(doctor, FINDING_OK, "gateway", "stripe: %s answers and knows the key",
                   doctor->settings->stripe_url);
    else
        doctor_say(doctor, FINDING_FAILED, "gateway", "stripe: %s", probe.problem);
    if (stripe_is_live(stripe) && doctor->settings->sandbox)
        doctor_say(doctor, FINDING_WARNING, "gateway",
                   "stripe: the key moves real money, and sandbox = on");
    else
        doctor_say(doctor, FINDING_OK, "gateway", "stripe: the key is for %s",
                   stripe_is_live(stripe) ? "real money" : "tests");
    if (text_equal(doctor->settings->gateway_news_listen, "off"))
        doctor_say(
            doctor, FINDING_WARNING, "gateway",
            "stripe: gateway_news_listen = off, so what Stripe does later is found out late");
    else
        doctor_say(doctor, FINDING_OK, "gateway", "stripe: tells its news at %s",
                   doctor->settings->gateway_news_listen);
}

static bool read_key(const struct settings *settings, struct key_bunch *bunch, const char **key,
                     char problem[STRIPE_PROBLEM_SIZE])
{
    if (!key_bunch_read_source(bunch, settings, problem) ||
        !key_bunch_read_database(bunch, settings, problem))
        return false;
    if (bunch->facts.is_made && !key_bunch_open_house(bunch)) {
        snprintf(problem, STRIPE_PROBLEM_SIZE, "the master key does not open the database's keys");
        return false;
    }
    return key_bunch_read_gateway(bunch, settings, GATEWAY_KEY_STRIPE, key, problem);
}

void doctor_gateway(struct doctor *doctor)
{
    const struct settings *settings = doctor->settings;
    char problem[STRIPE_PROBLEM_SIZE] = "";

    if (!text_equal(settings->gateway, "stripe")) {
        if (settings->sandbox)
            doctor_say(doctor, FINDING_OK, "gateway", "the sandbox: no money moves");
        else
            doctor_say(doctor, FINDING_WARNING, "gateway",
                       "none: set gateway = stripe, or sandbox = on to try things");
        return;
    }
    struct key_bunch bunch = key_bunch_new();
    struct stripe *stripe = NULL;
    const char *key;
    if (read_key(settings, &bunch, &key, problem)) {
        const struct stripe_options options = house_stripe_options(settings, key);
        stripe = stripe_open(&options, problem);
    }
    if (stripe == NULL)
        doctor_say(doctor, FINDING_FAILED, "gateway", "stripe: %s", problem);
    else
        look_at_stripe(doctor, stripe);
    stripe_close(stripe);
    key_bunch_close(&bunch);
}
