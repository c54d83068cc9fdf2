/*
 * Every animal of tests/certificates/make_zoo.py knocks at the server, with TLS 1.2 and with 1.3,
 * and is judged once more without TLS before it.  One line for each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/x509_peer.h"
#include "support/rpc_bare.h"
#include "support/rpc_knock.h"

#define ANIMALS_MAX     256
#define BAD_ANIMALS_MIN 60
#define TAKEN_UP_MS     60000
#define NAMELESS        "CERTIFICATE_IDENTITY_INVALID"

struct animal {
    const char *name;
    const char *outcome; /* "ok", "ok-1.3", "refused", "nameless" */
    const char *judgement;
    const char *chain_path;
    const char *key_path;
};

struct zoo {
    struct rpc_bare *bare;
    struct dues_client *client;
    char directory[64];
    struct arena *arena;
    struct animal animals[ANIMALS_MAX];
    size_t count;
};

static char *read_text(struct zoo *zoo, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t size_max = 256 * 1024;
    char *text = arena_alloc(zoo->arena, size_max + 1);

    assert_non_null(file);
    assert_true(fread(text, 1, size_max, file) < size_max);
    fclose(file);
    return text;
}

static void make_animals(struct zoo *zoo)
{
    char script[] = SOURCE_DIR "/tests/certificates/make_zoo.py";
    char program[] = "python3";
    char quiet[] = "-B";
    char *const arguments[] = {program, quiet, script, zoo->directory, NULL};
    pid_t child;
    int status = -1;

    assert_int_equal(posix_spawnp(&child, program, NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void read_animals(struct zoo *zoo)
{
    char *text = read_text(zoo, arena_printf(zoo->arena, "%s/animals", zoo->directory));

    for (char *line = strsep(&text, "\n"); line != NULL && *line != '\0';
         line = strsep(&text, "\n")) {
        assert_true(zoo->count < ANIMALS_MAX);
        struct animal *animal = &zoo->animals[zoo->count++];
        animal->name = strsep(&line, "\t");
        animal->outcome = strsep(&line, "\t");
        animal->judgement = strsep(&line, "\t");
        animal->chain_path = strsep(&line, "\t");
        animal->key_path = line;
    }
}

/* Beside the fixture's own authority. */
static void trust_anchors(struct zoo *zoo)
{
    const char *anchors =
        read_text(zoo, arena_printf(zoo->arena, "%s/anchors.pem", zoo->directory));
    char problem[RPC_PROBLEM_SIZE];

    test_write_file(
        zoo->bare->directory, "ca.pem",
        arena_printf(zoo->arena, "%s%s", test_authority_pem(zoo->bare->authority), anchors));
    assert_true(rpc_server_reload_certificates(zoo->bare->server, problem));
}

static int knock_with(const struct zoo *zoo, const struct animal *animal, enum rpc_knock_tls tls,
                      bool *is_nameless)
{
    const struct rpc_knock knock = {
        .port = rpc_server_port(zoo->bare->server),
        .tls = tls,
        .chain_path = animal == NULL ? NULL : animal->chain_path,
        .key_path = animal == NULL ? NULL : animal->key_path,
        .method = "/dues.payment.v1.PaymentService/ListPayments",
    };

    return rpc_knock(&knock, NAMELESS, is_nameless);
}

static const char *outcome_of(const struct zoo *zoo, const struct animal *animal,
                              enum rpc_knock_tls tls)
{
    bool is_nameless;
    int status = knock_with(zoo, animal, tls, &is_nameless);

    if (status == RPC_KNOCK_REFUSED)
        return "refused";
    if (status == DUES_OK)
        return "ok";
    if (status == DUES_UNAUTHENTICATED && is_nameless)
        return "nameless";
    return status == RPC_KNOCK_NOTHING ? "no answer" : "another answer";
}

static int setup(void **state)
{
    struct zoo *zoo = calloc(1, sizeof *zoo);

    snprintf(zoo->directory, sizeof zoo->directory, "/tmp/dues-zoo-XXXXXX");
    assert_non_null(mkdtemp(zoo->directory));
    zoo->arena = arena_new(256 * 1024 * 1024);
    zoo->bare = rpc_bare_new(NULL);
    zoo->client = rpc_bare_client(zoo->bare, zoo->bare->service);
    make_animals(zoo);
    read_animals(zoo);
    trust_anchors(zoo);
    *state = zoo;
    return 0;
}

static int teardown(void **state)
{
    struct zoo *zoo = *state;
    DIR *directory = opendir(zoo->directory);

    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(zoo->directory);
    dues_client_close(zoo->client);
    rpc_bare_free(zoo->bare);
    arena_free(zoo->arena);
    free(zoo);
    return 0;
}

/* gRPC looks at its files about every second. */
static void first_good_one_gets_in(void **state)
{
    const struct zoo *zoo = *state;
    const char *outcome = "refused";

    for (int waited_ms = 0; waited_ms < TAKEN_UP_MS; waited_ms += 100) {
        outcome = outcome_of(zoo, &zoo->animals[0], RPC_KNOCK_TLS_1_3);
        if (text_equal(outcome, "ok"))
            break;
        usleep(100 * 1000);
    }

    assert_string_equal(zoo->animals[0].outcome, "ok");
    assert_string_equal(outcome, "ok");
}

static size_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static bool good_client_is_served(const struct zoo *zoo)
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    struct dues_answer *answer =
        rpc_bare_ask(zoo->client, "ListPayments", &request.base, NULL, 5000);
    int status = answer->status;

    dues_answer_free(answer);
    return status == DUES_OK;
}

static void each_gets_what_it_deserves(void **state)
{
    const struct zoo *zoo = *state;
    size_t bad = 0;
    size_t wrong = 0;

    assert_true(good_client_is_served(zoo));
    size_t descriptors = open_descriptors();
    for (size_t i = 0; i < zoo->count; i++) {
        const struct animal *animal = &zoo->animals[i];
        const char *old = outcome_of(zoo, animal, RPC_KNOCK_TLS_1_2);
        const char *new = outcome_of(zoo, animal, RPC_KNOCK_TLS_1_3);
        bool only_new = text_equal(animal->outcome, "ok-1.3");
        bool as_expected = text_equal(old, only_new ? "refused" : animal->outcome) &&
                           text_equal(new, only_new ? "ok" : animal->outcome);

        print_message("%-34s %-8s TLS 1.2: %s, TLS 1.3: %s%s\n", animal->name, animal->outcome, old,
                      new, as_expected ? "" : "  <== not so");
        bad += !text_starts_with(animal->outcome, "ok");
        wrong += !as_expected;
    }
    print_message("%zu animals, %zu of them bad\n", zoo->count, bad);

    assert_int_equal(wrong, 0);
    assert_true(bad >= BAD_ANIMALS_MIN);
    assert_true(good_client_is_served(zoo));
    for (int waited_ms = 0; open_descriptors() > descriptors && waited_ms < 60000; waited_ms += 50)
        usleep(50 * 1000);
    assert_true(open_descriptors() <= descriptors);
}

static void nobody_gets_in_without_a_certificate(void **state)
{
    const struct zoo *zoo = *state;
    bool is_nameless;

    assert_int_equal(knock_with(zoo, NULL, RPC_KNOCK_TLS_1_2, &is_nameless), RPC_KNOCK_REFUSED);
    assert_int_equal(knock_with(zoo, NULL, RPC_KNOCK_TLS_1_3, &is_nameless), RPC_KNOCK_REFUSED);
}

static const char *fault_name(enum x509_fault fault)
{
    static const char *const names[] = {
        [X509_FIT] = "fit",           [X509_UNFIT] = "unfit",       [X509_UNTRUSTED] = "untrusted",
        [X509_UNTIMELY] = "untimely", [X509_NAMELESS] = "nameless",
    };

    return names[fault];
}

/* The rules hold by themselves: for a connection that is open nobody else asks again. */
static void each_is_judged_so_without_tls(void **state)
{
    struct zoo *zoo = *state;
    const char *anchors_path = arena_printf(zoo->arena, "%s/anchors.pem", zoo->directory);
    struct x509_anchors *anchors = x509_anchors_new(read_text(zoo, anchors_path), "");
    size_t wrong = 0;

    for (size_t i = 0; i < zoo->count; i++) {
        const struct animal *animal = &zoo->animals[i];
        char *chain = read_text(zoo, animal->chain_path);
        struct x509_judgement judgement;
        if (text_equal(animal->judgement, "-"))
            continue;
        /* Only the first certificate is the leaf. */
        char *rest = strstr(chain + 1, "-----BEGIN");
        const char *leaf =
            rest == NULL ? chain : arena_strndup(zoo->arena, chain, (size_t)(rest - chain));
        x509_judge(anchors, leaf, rest == NULL ? "" : rest, clock_wall_us(clock_system()),
                   &judgement);
        bool as_expected = text_equal(fault_name(judgement.fault), animal->judgement);
        print_message("%-34s %-9s %s%s\n", animal->name, fault_name(judgement.fault),
                      judgement.rule, as_expected ? "" : "  <== not so");
        wrong += !as_expected;
    }
    x509_anchors_free(anchors);

    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_good_one_gets_in),
        cmocka_unit_test(each_gets_what_it_deserves),
        cmocka_unit_test(nobody_gets_in_without_a_certificate),
        cmocka_unit_test(each_is_judged_so_without_tls),
    };

    return cmocka_run_group_tests_name("certificate zoo", tests, setup, teardown);
}
