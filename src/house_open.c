/*
 * Opens the rooms from the ground up and closes them in reverse.  The tables below are the one
 * place that lists every service, every kind of obligation and every purpose of a payment.
 */

#include "house_open.h"

#include "auth/auth.h"
#include "auth/guess_guard.h"
#include "auth/keys.h"
#include "auth/session_cache.h"
#include "auth/token.h"
#include "base/fiber.h"
#include "base/method.h"
#include "base/text.h"
#include "base/time.h"
#include "base/watch.h"
#include "crypto/offload.h"
#include "crypto/secrets.h"
#include "crypto/x509.h"
#include "customer/event_feed.h"
#include "edge/edge.h"
#include "gateway/stripe/stripe.h"
#include "house_gateways.h"
#include "house_telemetry.h"
#include "inbox/inbox.h"
#include "jobs/jobs.h"
#include "ledger/seal.h"
#include "membership/entitlement_cache.h"
#include "membership/entitlement_feed.h"
#include "membership/membership.h"
#include "payment/charge.h"
#include "payment/dispute.h"
#include "payment/news.h"
#include "payment/payment.h"
#include "payment/payment_measure.h"
#include "pg/lanes.h"
#include "pg/migrate.h"
#include "rpc/server.h"
#include "sandbox/sandbox.h"
#include "vault/vault.h"
#include "webhook/courier.h"
#include "webhook/webhook.h"

#define SELF_TEST_ARENA_SIZE (64 * 1024)

static const struct rpc_service *const services[] = {
    &auth_service,
    &payment_service,
    &membership_service,
    &sandbox_service,
};

static const struct job_kind *const job_kinds[] = {
    &payment_resolve_job,       &refund_resolve_job,        &payment_action_job,
    &payment_expire_job,        &refund_watch_job,          &membership_renew_job,
    &membership_retry_job,      &membership_end_job,        &membership_expire_job,
    &webhook_deliver_job,       &payment_method_expiry_job, &incident_resolve_job,
    &gateway_news_job,          &dispute_watch_job,         &dispute_respond_job,
    &reconcile_run_job,         &reconcile_daily_job,       &reconcile_confirm_job,
    &payment_method_detach_job, &payment_method_update_job,
};

static const struct payment_purpose *const purposes[] = {
    &payment_purpose_direct,
    &payment_purpose_invoice,
    NULL,
};

bool house_knows_scope(const char *scope)
{
    for (size_t i = 0; i < ARRAY_LENGTH(services); i++) {
        for (size_t j = 0; j < services[i]->method_count; j++) {
            const char *known = services[i]->methods[j].scope;
            if (!text_equal(known, RPC_PUBLIC) && text_equal(known, scope))
                return true;
        }
    }
    return false;
}

struct opened_house {
    struct house house;
    struct secrets *secrets;
    struct house_gateways gateways;
    struct entitlement_feed *feed; /* NULL: nothing is remembered */
    struct watch *reconcile;       /* NULL: nothing is compared by itself */
    struct ledger_sealer *sealer;
    struct news_watch *news;
    struct inbox *inbox; /* NULL: gateway_news_listen = off */
    struct dispute_poll *disputes;
    struct rpc_server *server;
    struct house_view view;
    struct telemetry *telemetry; /* NULL: metrics_listen = off */
};

static bool database_ready(const struct house *house)
{
    return pg_is_ready(house->pg);
}

static bool open_ground(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    struct house *house = &opened->house;
    const struct settings *settings = house->settings;
    const struct pg_options options = {
        .connection = settings->database,
        .write_lanes = settings->write_lanes,
        .read_lanes = settings->read_lanes,
        .queue_max = settings->lane_queue_max,
        .clock = house->clock,
        .random = house->random,
        .log = house->log,
    };

    opened->secrets = secrets_open_from(house_key_source(settings), problem);
    if (opened->secrets == NULL)
        return false;
    house->secrets = opened->secrets;
    if (pg_check_version(settings->database, problem) != 0)
        return false;
    /* Every call, stream and obligation has a fiber; the engine and watches need a few more. */
    house->fibers = fiber_pool_open((size_t)settings->calls_max + (size_t)settings->streams_max +
                                    (size_t)settings->jobs_max +
                                    (size_t)settings->gateway_news_connections + 64);
    house->pg = pg_open(&options);
    return true;
}

static bool open_vault(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    struct house *house = &opened->house;

    house->vault = vault_open(house, house_key_source(house->settings), problem);
    if (house->vault == NULL)
        return false;
    vault_lend_root(house->vault, opened->secrets);
    vault_start(house->vault);
    return true;
}

static bool open_rooms(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    struct house *house = &opened->house;
    const struct settings *settings = house->settings;

    house->events = event_feed_open(house);
    house->offload = offload_open(settings->hash_threads, settings->hash_queue_max);
    house->sessions = session_cache_open(house->clock);
    house->guesses = guess_guard_open(house->clock, house->random);
    house->keys = auth_keys_open(house, problem);
    if (house->keys == NULL)
        return false;
    if (!house_gateways_open(house, &opened->gateways, problem))
        return false;
    house_gateways_start(&opened->gateways);
    house->gateways = &opened->gateways.list;
    house->purposes = purposes;
    house->payment_counts = payment_counts_open();
    if (settings->entitlement_cache_max > 0)
        house->entitlements = entitlement_cache_open(house->clock, settings->entitlement_cache_max);
    /* Without a cache, too: who follows the feed also clears it. */
    opened->feed = entitlement_feed_open(house);
    house->courier = courier_open(house, problem);
    if (house->courier == NULL)
        return false;
    house->jobs = jobs_open(house, job_kinds, ARRAY_LENGTH(job_kinds));
    opened->news = news_watch_open(house);
    opened->disputes = dispute_poll_open(house);
    if (settings->reconcile_days > 0 || settings->reconcile_confirm_max > 0)
        opened->reconcile = reconcile_watch_open(house);
    const struct token_key *key = auth_keys_signing(house->keys);
    opened->sealer = ledger_sealer_open(&(struct ledger_seal_options){
        .house = house,
        .key = key->key,
        .key_id = key->kid,
        .every_us = settings->ledger_checkpoint_seconds * US_PER_SECOND,
    });
    return true;
}

/*
 * The guards are of use only if libgrpc calls them, and only a client that was let in can show it:
 * one with a certificate of the device authority that lives for a minute and whose key stays here.
 */
static bool test_edge(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    const struct house *house = &opened->house;
    AUTO(arena_auto_free) struct arena *arena = arena_new(SELF_TEST_ARENA_SIZE);
    AUTO(ec_key_auto_free) struct ec_key *key = ec_key_make();
    /* TLS looks at the machine's clock, we look at the house's, which a test may have moved. */
    int64_t machine_us = clock_wall_us(clock_system());
    int64_t house_us = clock_wall_us(house->clock);
    const struct certificate_wish wish = {
        .use = CERTIFICATE_CLIENT,
        .common_name = "self-test",
        .spiffe_id =
            arena_printf(arena, "spiffe://%s/device/self-test", house->settings->trust_domain),
        .not_before_us = (machine_us < house_us ? machine_us : house_us) - US_PER_MINUTE,
        .not_after_us = (machine_us > house_us ? machine_us : house_us) + US_PER_MINUTE,
    };
    const struct edge_identity identity = {
        .certificate_pem = x509_issue(arena, house->random, auth_keys_device_ca_pem(house->keys),
                                      auth_keys_device_ca_key(house->keys), key, &wish),
        .key_pem = ec_key_to_pem(arena, key),
    };

    /* What the guards cut, gRPC complains of. */
    rpc_grpc_log_to(NULL);
    bool passed =
        edge_self_test(house->settings->listen, rpc_server_port(opened->server), identity, problem);
    rpc_grpc_log_to(house->log);
    return passed;
}

static bool open_server(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    const struct rpc_server_options options = {
        .house = &opened->house,
        .services = services,
        .service_count = ARRAY_LENGTH(services),
        .verify_token = token_verify,
        .is_ready = database_ready,
        .device_ca_pem = auth_keys_device_ca_pem(opened->house.keys),
    };

    opened->server = rpc_server_open(&options, problem);
    return opened->server != NULL && test_edge(opened, problem);
}

/* The address is taken first: a server that cannot have it does not serve for a moment. */
static bool open_telemetry(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    opened->view.house = &opened->house;
    opened->view.sealer = opened->sealer;
    const struct telemetry_options options =
        house_telemetry_options(&opened->view, job_kinds, ARRAY_LENGTH(job_kinds));

    return telemetry_open(&options, &opened->telemetry, problem);
}

static bool start_telemetry(struct opened_house *opened, char problem[HOUSE_PROBLEM_SIZE])
{
    opened->view.server = opened->server;
    opened->view.inbox = opened->inbox;
    opened->view.news = opened->news;
    if (telemetry_start(opened->telemetry))
        return true;
    snprintf(problem, HOUSE_PROBLEM_SIZE, "no thread for metrics_listen");
    return false;
}

struct opened_house *house_open(const struct settings *settings, const struct clock *clock,
                                const struct random *random, struct log *log,
                                char problem[HOUSE_PROBLEM_SIZE])
{
    struct opened_house *opened = calloc(1, sizeof(*opened));

    if (opened == NULL)
        abort();
    opened->house = (struct house){
        .settings = settings,
        .clock = clock,
        .random = random,
        .log = log,
    };
    if (open_ground(opened, problem) && open_vault(opened, problem) &&
        open_rooms(opened, problem) && open_telemetry(opened, problem) &&
        inbox_open(&opened->house, &opened->inbox, problem) && open_server(opened, problem) &&
        start_telemetry(opened, problem) && inbox_start(opened->inbox, problem)) {
        news_watch_start(opened->news);
        jobs_start(opened->house.jobs);
        ledger_sealer_start(opened->sealer);
        dispute_poll_start(opened->disputes);
        if (opened->reconcile != NULL)
            watch_start(opened->reconcile);
        return opened;
    }
    /* It may have served for a moment (the self-test of the edge is a client among others), and a
     * call that came in then may overstay its grace: then all of this stays, as the header says. */
    (void)house_close(opened);
    return NULL;
}

const struct house *house_of(const struct opened_house *opened)
{
    return &opened->house;
}

int house_port(const struct opened_house *opened)
{
    return rpc_server_port(opened->server);
}

int house_news_port(const struct opened_house *opened)
{
    return inbox_port(opened->inbox);
}

int house_metrics_port(const struct opened_house *opened)
{
    return telemetry_port(opened->telemetry);
}

struct key_source house_key_source(const struct settings *settings)
{
    return (struct key_source){.text = settings->master_key_file,
                               .credentials = settings->credentials_directory};
}

void house_reload_keys(struct opened_house *opened)
{
    char problem[256];

    if (!vault_reload(opened->house.vault, problem))
        log_write(opened->house.log, LOG_ERROR, "vault.refused",
                  LOG_FIELDS(LOG_TEXT("problem", problem)));
}

void house_reload_certificates(struct opened_house *opened)
{
    char news_problem[INBOX_PROBLEM_SIZE];
    char problem[RPC_PROBLEM_SIZE];

    if (!rpc_server_reload_certificates(opened->server, problem))
        log_write(opened->house.log, LOG_ERROR, "certificates.refused",
                  LOG_FIELDS(LOG_TEXT("problem", problem)));
    if (!inbox_reload(opened->inbox, news_problem))
        log_write(opened->house.log, LOG_ERROR, "news.refused_files",
                  LOG_FIELDS(LOG_TEXT("problem", news_problem)));
}

/* What still runs. */
static void count_running(struct opened_house *opened, size_t *calls, size_t *obligations)
{
    *calls = opened->server == NULL ? 0 : rpc_server_running(opened->server);
    *obligations = opened->house.jobs == NULL ? 0 : jobs_running(opened->house.jobs);
}

static void log_running(struct opened_house *opened, enum log_level level, const char *event)
{
    size_t calls;
    size_t obligations;

    count_running(opened, &calls, &obligations);
    if (calls + obligations > 0)
        log_write(opened->house.log, level, event,
                  LOG_FIELDS(LOG_NUMBER("calls", (int64_t)calls),
                             LOG_NUMBER("obligations", (int64_t)obligations)));
}

/*
 * One grace for calls and obligations together.  False: one of them has overstayed it.  Money in
 * flight is safe: its lease ends, and whoever runs next takes it up.
 */
static bool stop(struct opened_house *opened)
{
    struct jobs *jobs = opened->house.jobs;
    int64_t grace_us = opened->house.settings->shutdown_grace_ms * US_PER_MS;
    int64_t until_us = clock_monotonic_us(clock_system()) + grace_us;

    atomic_store(&opened->view.is_stopping, true);
    telemetry_rest(opened->telemetry);
    news_watch_stop(opened->news);
    ledger_sealer_stop(opened->sealer);
    dispute_poll_stop(opened->disputes);
    if (opened->reconcile != NULL)
        watch_stop(opened->reconcile);
    /* First: the advance of a test clock would hold its call for minutes. */
    if (jobs != NULL)
        jobs_stop(jobs, 0);
    log_running(opened, LOG_WARNING, "stopping.waiting");
    bool drained = opened->server == NULL || rpc_server_drain(opened->server, grace_us / US_PER_MS);
    int64_t left_us = until_us - clock_monotonic_us(clock_system());
    bool quiet = jobs == NULL || jobs_stop(jobs, left_us > 0 ? left_us / US_PER_MS : 0);
    if (drained && quiet)
        return true;
    log_running(opened, LOG_WARNING, "stopped.unfinished");
    return false;
}

/* What a half-opened house lacks is NULL here. */
bool house_close(struct opened_house *opened)
{
    struct house *house = &opened->house;

    if (!stop(opened))
        return false;
    telemetry_close(opened->telemetry);
    inbox_close(opened->inbox);
    news_watch_close(opened->news);
    watch_close(opened->reconcile);
    ledger_sealer_close(opened->sealer);
    rpc_server_close(opened->server);
    dispute_poll_close(opened->disputes);
    if (house->jobs != NULL)
        jobs_close(house->jobs);
    courier_close(house->courier);
    entitlement_feed_close(opened->feed);
    entitlement_cache_close(house->entitlements);
    payment_counts_close(house->payment_counts);
    house_gateways_close(&opened->gateways);
    if (house->keys != NULL)
        auth_keys_close(house->keys);
    guess_guard_close(house->guesses);
    if (house->sessions != NULL)
        session_cache_close(house->sessions);
    if (house->offload != NULL)
        offload_close(house->offload);
    vault_close(house->vault);
    event_feed_close(house->events);
    if (house->pg != NULL)
        pg_close(house->pg);
    if (house->fibers != NULL)
        fiber_pool_close(house->fibers);
    if (opened->secrets != NULL)
        secrets_close(opened->secrets);
    free(opened);
    return true;
}
