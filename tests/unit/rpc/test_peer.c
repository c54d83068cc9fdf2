/*
 * What is remembered of clients' certificates: bounded, right from many threads at once, and
 * forgotten when somebody else is trusted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "base/settings.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "rpc/peer.h"

#define CLIENTS     6
#define THREADS     4
#define LOOKS       3000
#define SWAPS       100
#define ENTRIES_MAX 32768

struct fixture {
    struct settings settings;
    struct house house;
    struct arena *arena;
    struct deny_list *denied;
    struct peers *peers;
    int64_t now_us;
    const char *ca_pem;
    const char *device_ca_pem;
    struct ec_key *ca_key;
    struct ec_key *device_ca_key;
    struct ec_key *key;
    const char *clients[CLIENTS]; /* "service/client-0" … */
};

static const char *make_ca(struct fixture *f, const struct ec_key *key, const char *name)
{
    return x509_make_ca(f->arena, random_system(), key, name, f->now_us - US_PER_DAY,
                        f->now_us + US_PER_DAY);
}

static const char *issue(struct fixture *f, const char *ca_pem, const struct ec_key *ca_key,
                         const char *path)
{
    const struct certificate_wish wish = {
        .use = CERTIFICATE_CLIENT,
        .common_name = "c",
        .spiffe_id = arena_printf(f->arena, "spiffe://dues.local/%s", path),
        .not_before_us = f->now_us - US_PER_HOUR,
        .not_after_us = f->now_us + US_PER_HOUR,
    };

    return x509_issue(f->arena, random_system(), ca_pem, ca_key, f->key, &wish);
}

static int setup(void **state)
{
    static struct fixture f;
    char problem[RPC_PROBLEM_SIZE];

    f = (struct fixture){
        .settings = {.trust_domain = "dues.local"},
        .arena = arena_new(16 * 1024 * 1024),
        .now_us = clock_wall_us(clock_system()),
        .ca_key = ec_key_make(),
        .device_ca_key = ec_key_make(),
        .key = ec_key_make(),
    };
    f.house =
        (struct house){.settings = &f.settings, .clock = clock_system(), .random = random_system()};
    f.denied = deny_list_open(&f.house, problem);
    f.peers = peers_open(&f.house, f.denied);
    f.ca_pem = make_ca(&f, f.ca_key, "clients");
    f.device_ca_pem = make_ca(&f, f.device_ca_key, "devices");
    for (size_t i = 0; i < CLIENTS; i++)
        f.clients[i] =
            issue(&f, f.ca_pem, f.ca_key, arena_printf(f.arena, "service/client-%zu", i));
    peers_trust(f.peers, x509_anchors_new(f.ca_pem, f.device_ca_pem));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    peers_close(f->peers);
    deny_list_close(f->denied);
    ec_key_free(f->key);
    ec_key_free(f->device_ca_key);
    ec_key_free(f->ca_key);
    arena_free(f->arena);
    return 0;
}

static enum peer_verdict look(struct fixture *f, const char *pem, struct arena *arena,
                              struct caller *caller, const char **rule)
{
    const struct peer_evidence evidence = {.leaf = pem, .leaf_size = strlen(pem), .chain = ""};

    return peers_look(f->peers, &evidence, f->now_us, arena, caller, rule);
}

static void tells_kind_name_uri_and_hash(void **state)
{
    struct fixture *f = *state;
    struct caller caller = {.kind = CALLER_SYSTEM};
    struct certificate certificate;
    const char *rule;

    x509_read(f->arena, f->clients[3], &certificate);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(look(f, f->clients[3], f->arena, &caller, &rule), PEER_GOOD);
        assert_int_equal(caller.kind, CALLER_SERVICE);
        assert_string_equal(caller.name, "client-3");
        assert_string_equal(caller.spiffe_id, "spiffe://dues.local/service/client-3");
        assert_memory_equal(caller.certificate_hash, certificate.hash, SHA256_SIZE);
    }
}

static void judges_anew_when_somebody_else_is_trusted(void **state)
{
    struct fixture *f = *state;
    const char *rule;

    enum peer_verdict before = look(f, f->clients[0], NULL, NULL, &rule);
    peers_trust(f->peers, x509_anchors_new(f->device_ca_pem, ""));
    enum peer_verdict without = look(f, f->clients[0], NULL, NULL, &rule);
    peers_trust(f->peers, x509_anchors_new(f->ca_pem, f->device_ca_pem));

    assert_int_equal(before, PEER_GOOD);
    assert_int_equal(without, PEER_REFUSED);
    assert_int_equal(look(f, f->clients[0], NULL, NULL, &rule), PEER_GOOD);
}

static void lets_the_device_authority_name_devices_only(void **state)
{
    struct fixture *f = *state;
    const char *rule;

    const char *device = issue(f, f->device_ca_pem, f->device_ca_key, "device/phone");
    const char *operator= issue(f, f->device_ca_pem, f->device_ca_key, "operator/root");

    assert_int_equal(look(f, device, NULL, NULL, &rule), PEER_GOOD);
    assert_int_equal(look(f, operator, NULL, NULL, &rule), PEER_REFUSED);
    assert_string_equal(rule, "device authority names devices only");
}

static void looks_at_the_time_of_each_call(void **state)
{
    struct fixture *f = *state;
    const struct peer_evidence evidence = {
        .leaf = f->clients[1], .leaf_size = strlen(f->clients[1]), .chain = ""};
    const char *rule;

    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(peers_look(f->peers, &evidence, f->now_us, NULL, NULL, &rule), PEER_GOOD);
        assert_int_equal(
            peers_look(f->peers, &evidence, f->now_us + 2 * US_PER_HOUR, NULL, NULL, &rule),
            PEER_UNTIMELY);
        assert_int_equal(
            peers_look(f->peers, &evidence, f->now_us - 2 * US_PER_HOUR, NULL, NULL, &rule),
            PEER_UNTIMELY);
    }
}

static void refuses_what_is_too_small_or_too_large(void **state)
{
    struct fixture *f = *state;
    char *large = arena_alloc(f->arena, 20001);
    struct peer_evidence evidence = {.leaf = large, .leaf_size = 20000, .chain = ""};
    const char *rule;

    memset(large, 'A', 20000);
    assert_int_equal(peers_look(f->peers, &evidence, f->now_us, NULL, NULL, &rule), PEER_REFUSED);
    evidence = (struct peer_evidence){.leaf = "", .chain = ""};
    assert_int_equal(peers_look(f->peers, &evidence, f->now_us, NULL, NULL, &rule), PEER_REFUSED);
    evidence = (struct peer_evidence){.leaf = f->clients[0],
                                      .leaf_size = strlen(f->clients[0]),
                                      .chain = large,
                                      .chain_size = 70000};
    assert_int_equal(peers_look(f->peers, &evidence, f->now_us, NULL, NULL, &rule), PEER_REFUSED);
}

static int64_t remembered(struct fixture *f)
{
    static const char line[] = "\ndues_peer_certificates ";
    struct measures *measures = measures_new();
    size_t size;

    peers_measure(f->peers, measures);
    const char *found = strstr(measures_text(measures, &size), line);
    int64_t count = found == NULL ? -1 : strtoll(found + sizeof line - 1, NULL, 10);
    measures_free(measures);
    return count;
}

static void remembers_so_many_and_no_more(void **state)
{
    struct fixture *f = *state;
    char text[512];
    const char *rule;

    for (int i = 0; i < 2 * ENTRIES_MAX; i++) {
        const struct peer_evidence evidence = {
            .leaf = text,
            .leaf_size = (size_t)snprintf(text, sizeof text,
                                          "-----BEGIN CERTIFICATE-----\n%064d%064d\n"
                                          "-----END CERTIFICATE-----\n",
                                          0, i),
            .chain = "",
        };
        peers_look(f->peers, &evidence, f->now_us, NULL, NULL, &rule);
    }

    assert_in_range(remembered(f), ENTRIES_MAX / 2, ENTRIES_MAX);
    assert_int_equal(look(f, f->clients[0], NULL, NULL, &rule), PEER_GOOD);
}

struct watcher {
    struct fixture *f;
    pthread_t thread;
    int wrong;
};

static void *keep_looking(void *argument)
{
    struct watcher *watcher = argument;
    AUTO(arena_auto_free) struct arena *arena = arena_new(1024 * 1024);

    for (int i = 0; i < LOOKS; i++) {
        struct caller caller = {.name = ""};
        const char *rule;
        const char *name = arena_printf(arena, "client-%d", i % CLIENTS);
        if (look(watcher->f, watcher->f->clients[i % CLIENTS], arena, &caller, &rule) !=
                PEER_GOOD ||
            strcmp(caller.name, name) != 0)
            watcher->wrong++;
        arena_reset(arena);
    }
    return NULL;
}

static void is_right_while_trust_changes_under_many_threads(void **state)
{
    struct fixture *f = *state;
    struct watcher watchers[THREADS];
    int wrong = 0;

    for (size_t i = 0; i < THREADS; i++) {
        watchers[i] = (struct watcher){.f = f};
        pthread_create(&watchers[i].thread, NULL, keep_looking, &watchers[i]);
    }
    for (int i = 0; i < SWAPS; i++)
        peers_trust(f->peers, x509_anchors_new(f->ca_pem, f->device_ca_pem));
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(watchers[i].thread, NULL);
        wrong += watchers[i].wrong;
    }

    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_kind_name_uri_and_hash),
        cmocka_unit_test(judges_anew_when_somebody_else_is_trusted),
        cmocka_unit_test(lets_the_device_authority_name_devices_only),
        cmocka_unit_test(looks_at_the_time_of_each_call),
        cmocka_unit_test(refuses_what_is_too_small_or_too_large),
        cmocka_unit_test(is_right_while_trust_changes_under_many_threads),
        cmocka_unit_test(remembers_so_many_and_no_more),
    };

    return cmocka_run_group_tests_name("peers", tests, setup, teardown);
}
