/*
 * Keys that are revoked while connections are open.  The server's own polling is waited for: it is
 * what must be quick.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "auth/keys.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "dues/membership/v1/membership_service.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "pg/revocation.h"
#include "support/rpc_fixture.h"
#include "support/rpc_knock.h"
#include "support/rpc_raw.h"

#define MEMBERSHIP &dues__membership__v1__membership_service__descriptor
#define WATCH      "/grpc.health.v1.Health/Watch"
#define REVOKED    "CERTIFICATE_REVOKED"
/* Nobody is that slow; how long it took is printed. */
#define WAIT_MS 30000

static const char *spki_of(struct rpc_fixture *f, const char *pem)
{
    struct certificate certificate;
    char *hex = arena_alloc(f->arena, 2 * SHA256_SIZE + 1);

    assert_true(x509_read(f->arena, pem, &certificate));
    hex_encode(certificate.spki_hash, SHA256_SIZE, hex);
    return hex;
}

/* What it said, of `duesd revoke`. */
static const char *change(struct rpc_fixture *f, const char *pem, bool undo)
{
    const struct revocation revocation = {
        .spki_hex = spki_of(f, pem),
        .reason = "stolen",
        .withdrawn = undo,
        .now_us = clock_wall_us(clock_system()),
    };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(pg_revoke(f->db->owner, &revocation, out, stderr), 0);
    fclose(out);
    const char *said = rpc_printf(f, "%s", text);
    free(text);
    return said;
}

static const struct dues_answer *ask(struct rpc_fixture *f, struct rpc_as as)
{
    Dues__Membership__V1__ListTiersRequest request = DUES__MEMBERSHIP__V1__LIST_TIERS_REQUEST__INIT;

    return rpc_ask(f, as, MEMBERSHIP, "ListTiers", &request.base);
}

/* The first answer of this status, and milliseconds until then; more than WAIT_MS: it never came.
 */
static const struct dues_answer *wait_for(struct rpc_fixture *f, struct rpc_as as, int status,
                                          int64_t *waited_ms)
{
    int64_t begin_us = clock_monotonic_us(clock_system());

    for (;;) {
        const struct dues_answer *answer = ask(f, as);
        *waited_ms = (clock_monotonic_us(clock_system()) - begin_us) / US_PER_MS;
        if (answer->status == status || *waited_ms > WAIT_MS)
            return answer;
        usleep(20 * 1000);
    }
}

static int64_t wait_for_answer(struct rpc_fixture *f, struct rpc_as as, int status)
{
    int64_t waited_ms;

    wait_for(f, as, status, &waited_ms);
    return waited_ms;
}

/* Not a word of the server: its handshakes are refused, as soon as an old connection is cut. */
static bool gets_no_connection(struct rpc_fixture *f, struct rpc_as as)
{
    as.deadline_ms = 2000;
    int status = ask(f, as)->status;
    for (int i = 0; i < 200 && status == DUES_UNAUTHENTICATED; i++) {
        usleep(20 * 1000);
        status = ask(f, as)->status;
    }
    return status == DUES_UNAVAILABLE || status == DUES_DEADLINE_EXCEEDED;
}

static struct test_pair issue(struct rpc_fixture *f)
{
    static int number;

    return test_issue_client(f->authority, rpc_printf(f, "app/stolen-%d", number++));
}

static void refuses_a_revoked_key_and_gives_it_no_connection_any_more(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);
    struct rpc_as thief = {.client = rpc_client(f, pair)};
    int before = ask(f, thief)->status;
    int64_t took_ms;

    const char *said = change(f, pair.certificate_pem, false);
    const struct dues_answer *answer = wait_for(f, thief, DUES_UNAUTHENTICATED, &took_ms);
    struct rpc_as again = {.client = rpc_client(f, pair)};
    bool is_out = gets_no_connection(f, thief) && gets_no_connection(f, again);
    dues_client_close(again.client);
    dues_client_close(thief.client);

    print_message("refused %lld ms after the command\n", (long long)took_ms);
    assert_int_equal(before, DUES_OK);
    assert_non_null(strstr(said, "revoked: servers refuse it"));
    assert_true(took_ms <= WAIT_MS);
    assert_string_equal(answer->reason, REVOKED);
    assert_true(is_out);
    assert_true(rpc_log_has(f, "handshake.refused"));
    assert_int_equal(ask(f, AS(APP_DEMO))->status, DUES_OK);
}

static void ends_open_streams_of_a_revoked_key(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);
    struct rpc_raw *raw = rpc_raw_open(f->target, test_authority_pem(f->authority), pair);
    struct rpc_raw_stream *stream = rpc_raw_start(raw, WATCH);
    size_t size = 0;

    rpc_raw_send(stream, "", 0);
    rpc_raw_half_close(stream);
    uint8_t *first = rpc_raw_receive(stream, 5000, &size);
    int64_t begin_us = clock_monotonic_us(clock_system());
    change(f, pair.certificate_pem, false);
    uint8_t *second = rpc_raw_receive(stream, WAIT_MS, &size);
    int64_t took_ms = (clock_monotonic_us(clock_system()) - begin_us) / US_PER_MS;
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);

    print_message("stream ended %lld ms after the command\n", (long long)took_ms);
    assert_non_null(first);
    assert_null(second);
    assert_int_equal(status, DUES_UNAUTHENTICATED);
    free(first);
}

static void ends_streams_that_are_being_read_too(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);
    struct rpc_raw *raw = rpc_raw_open(f->target, test_authority_pem(f->authority), pair);
    struct rpc_raw_stream *stream =
        rpc_raw_start(raw, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    size_t size = 0;

    /* Never half-closed: the server waits for the next question. */
    rpc_raw_send(stream, "\x3a\x00", 2);
    uint8_t *first = rpc_raw_receive(stream, 5000, &size);
    change(f, pair.certificate_pem, false);
    uint8_t *second = rpc_raw_receive(stream, WAIT_MS, &size);
    int status = rpc_raw_finish(stream);
    rpc_raw_close(raw);

    assert_non_null(first);
    assert_null(second);
    assert_int_equal(status, DUES_UNAUTHENTICATED);
    free(first);
}

static void refuses_a_new_certificate_for_a_revoked_key(void **state)
{
    struct rpc_fixture *f = *state;
    struct ec_key *key = ec_key_make();
    const struct certificate_wish wish = {
        .use = CERTIFICATE_CLIENT,
        .common_name = "phone",
        .spiffe_id = "spiffe://dues.local/device/0198c0de",
        .not_before_us = clock_wall_us(clock_system()) - US_PER_HOUR,
        .not_after_us = clock_wall_us(clock_system()) + US_PER_HOUR,
    };
    const char *ca_pem = auth_keys_device_ca_pem(f->house->keys);
    const struct ec_key *ca_key = auth_keys_device_ca_key(f->house->keys);
    struct test_pair first = {.key_pem = ec_key_to_pem(f->arena, key)};
    struct test_pair second = first;

    first.certificate_pem = x509_issue(f->arena, f->house->random, ca_pem, ca_key, key, &wish);
    second.certificate_pem = x509_issue(f->arena, f->house->random, ca_pem, ca_key, key, &wish);
    ec_key_free(key);
    struct rpc_as one = {.client = rpc_client(f, first)};
    struct rpc_as two = {.client = rpc_client(f, second)};
    int before = ask(f, two)->status;
    change(f, first.certificate_pem, false);
    wait_for_answer(f, one, DUES_UNAUTHENTICATED);
    const struct dues_answer *answer = ask(f, two);
    dues_client_close(one.client);
    dues_client_close(two.client);

    assert_int_equal(before, DUES_OK);
    assert_string_equal(answer->reason, REVOKED);
}

static void believes_a_key_again_when_it_is_undone(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);
    struct rpc_as owner = {.client = rpc_client(f, pair)};

    change(f, pair.certificate_pem, false);
    int64_t lost_ms = wait_for_answer(f, owner, DUES_UNAUTHENTICATED);
    const char *twice = change(f, pair.certificate_pem, false);
    const char *undone = change(f, pair.certificate_pem, true);
    int64_t found_ms = wait_for_answer(f, owner, DUES_OK);
    const char *undone_twice = change(f, pair.certificate_pem, true);
    dues_client_close(owner.client);

    assert_true(lost_ms <= WAIT_MS);
    assert_non_null(strstr(twice, "nothing to do"));
    assert_non_null(strstr(undone, "withdrawn"));
    assert_true(found_ms <= WAIT_MS);
    assert_non_null(strstr(undone_twice, "nothing to do"));
}

static void knows_the_revoked_keys_before_it_serves(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);

    change(f, pair.certificate_pem, false);
    rpc_restart(f);
    struct rpc_as thief = {.client = rpc_client(f, pair), .deadline_ms = 1000};
    int first = ask(f, thief)->status;
    dues_client_close(thief.client);

    assert_int_not_equal(first, DUES_OK);
    assert_true(rpc_log_has(f, "handshake.refused"));
}

static void write_pair(struct rpc_fixture *f, struct test_pair pair)
{
    test_write_file(f->directory, "below.pem", pair.certificate_pem);
    test_write_file(f->directory, "below.key", pair.key_pem);
}

/* Without the chain, which a resumed session does not have. */
static int knock_again(struct rpc_fixture *f, struct rpc_knock_session *session, bool *is_revoked)
{
    const struct rpc_knock knock = {
        .port = house_port(f->opened),
        .tls = RPC_KNOCK_TLS_1_3,
        .chain_path = rpc_printf(f, "%s/below.pem", f->directory),
        .key_path = rpc_printf(f, "%s/below.key", f->directory),
        .method = "/dues.membership.v1.MembershipService/ListTiers",
        .session = session,
    };

    return rpc_knock(&knock, REVOKED, is_revoked);
}

static void revokes_an_authority_with_all_that_it_issued(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_authority *below = test_authority_below(f->authority, "below");
    struct test_pair pair = test_issue_client(below, "app/below");
    struct rpc_as client = {.client = rpc_client(f, pair)};
    struct rpc_knock_session session = {0};
    bool is_revoked;

    write_pair(f, pair);
    int before = ask(f, client)->status;
    int whole = knock_again(f, &session, &is_revoked);
    int resumed = knock_again(f, &session, &is_revoked);
    bool was_resumed = session.was_resumed;
    change(f, test_authority_pem(below), false);
    int64_t took_ms = wait_for_answer(f, client, DUES_UNAUTHENTICATED);
    int after = knock_again(f, &session, &is_revoked);
    bool was_resumed_after = session.was_resumed;
    rpc_knock_session_release(&session);
    dues_client_close(client.client);
    test_authority_free(below);

    assert_int_equal(before, DUES_OK);
    assert_int_equal(whole, DUES_OK);
    assert_int_equal(resumed, DUES_OK);
    assert_true(was_resumed);
    assert_true(took_ms <= WAIT_MS);
    assert_int_equal(after, RPC_KNOCK_REFUSED);
    assert_true(was_resumed_after);
    assert_int_equal(ask(f, AS(APP_DEMO))->status, DUES_OK);
}

/* Behind what was logged until `from`. */
static bool has_said_since(struct rpc_fixture *f, off_t from, const char *text)
{
    static char news[256 * 1024];
    ssize_t size = pread(f->log_file, news, sizeof(news), from);

    return size > 0 && memmem(news, (size_t)size, text, strlen(text)) != NULL;
}

/* False: the server never said that it noticed. */
static bool take_database_away(struct rpc_fixture *f)
{
    off_t logged = lseek(f->log_file, 0, SEEK_END);
    bool noticed = false;

    db_execute(f->db, db_printf(f->db, "REVOKE CONNECT ON DATABASE %s FROM PUBLIC, dues_service",
                                f->db->database));
    db_execute(f->db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE usename = 'dues_service' AND datname = current_database()");
    for (int waited_ms = 0; !noticed && waited_ms < WAIT_MS; waited_ms += 50) {
        usleep(50 * 1000);
        noticed = has_said_since(f, logged, "revocation.cannot_read");
    }
    return noticed;
}

static void give_database_back(struct rpc_fixture *f)
{
    db_execute(f->db,
               db_printf(f->db, "GRANT CONNECT ON DATABASE %s TO dues_service", f->db->database));
}

static void keeps_the_list_while_the_database_is_away(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);
    struct rpc_as thief = {.client = rpc_client(f, pair)};

    change(f, pair.certificate_pem, false);
    wait_for_answer(f, thief, DUES_UNAUTHENTICATED);
    bool noticed = take_database_away(f);
    bool is_out = gets_no_connection(f, thief);
    give_database_back(f);
    int64_t back_ms = wait_for_answer(f, AS(APP_DEMO), DUES_OK);
    change(f, pair.certificate_pem, true);
    int64_t undone_ms = wait_for_answer(f, thief, DUES_OK);
    dues_client_close(thief.client);

    assert_true(noticed);
    assert_true(is_out);
    assert_true(back_ms <= WAIT_MS);
    assert_true(undone_ms <= WAIT_MS);
}

/* What was revoked after the backup is gone, and the next one gets the version that it had. */
static void refuses_what_a_restored_database_says_under_a_known_version(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair before = issue(f);
    struct test_pair after = issue(f);
    struct rpc_as lost = {.client = rpc_client(f, before)};
    struct rpc_as thief = {.client = rpc_client(f, after)};

    change(f, before.certificate_pem, false);
    wait_for_answer(f, lost, DUES_UNAUTHENTICATED);
    bool noticed = take_database_away(f);
    db_execute(f->db,
               db_printf(f->db,
                         "UPDATE dues.revoked_key SET spki_hash = decode('%s', 'hex')"
                         " WHERE spki_hash = decode('%s', 'hex')",
                         spki_of(f, after.certificate_pem), spki_of(f, before.certificate_pem)));
    give_database_back(f);
    int64_t took_ms;
    const struct dues_answer *answer = wait_for(f, thief, DUES_UNAUTHENTICATED, &took_ms);
    bool is_still_out = gets_no_connection(f, lost);
    dues_client_close(lost.client);
    dues_client_close(thief.client);

    assert_true(noticed);
    assert_true(took_ms <= WAIT_MS);
    assert_string_equal(answer->reason, REVOKED);
    assert_true(is_still_out);
}

static void given_revoked_keys(struct rpc_fixture *f, const char *name, int count)
{
    db_execute(f->db,
               db_printf(f->db,
                         "INSERT INTO dues.revoked_key (spki_hash, version, reason, revoke_time)"
                         " SELECT sha256(('%s' || i)::bytea), m.version + i, 'many', '2026-01-01Z'"
                         " FROM generate_series(1, %d) i,"
                         " (SELECT coalesce(max(version), 0) AS version FROM dues.revoked_key) m",
                         name, count));
}

/* Read in several steps, and a table of places that has to grow. */
static void takes_thousands_of_keys_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = issue(f);
    struct rpc_as thief = {.client = rpc_client(f, pair)};

    given_revoked_keys(f, "few", 20000);
    change(f, pair.certificate_pem, false);
    int64_t took_ms = wait_for_answer(f, thief, DUES_UNAUTHENTICATED);
    dues_client_close(thief.client);

    print_message("refused %lld ms after the command, the last of 20,001\n", (long long)took_ms);
    assert_true(took_ms <= WAIT_MS);
    assert_int_equal(ask(f, AS(APP_DEMO))->status, DUES_OK);
}

static void refuses_to_revoke_more_than_servers_hold(void **state)
{
    struct rpc_fixture *f = *state;
    char *problem = NULL;
    size_t size = 0;
    FILE *problems = open_memstream(&problem, &size);
    const struct revocation revocation = {
        .spki_hex = spki_of(f, issue(f).certificate_pem),
        .reason = "one too many",
        .now_us = clock_wall_us(clock_system()),
    };

    given_revoked_keys(f, "many", 100000);
    int result = pg_revoke(f->db->owner, &revocation, problems, problems);
    fclose(problems);
    bool said_so = strstr(problem, "is full") != NULL;
    free(problem);

    assert_int_not_equal(result, 0);
    assert_true(said_so);
    assert_int_equal(db_count(f->db, db_printf(f->db,
                                               "dues.revoked_key WHERE encode(spki_hash,"
                                               " 'hex') = '%s'",
                                               revocation.spki_hex)),
                     0);
}

/* Two commands at the same time: versions stay in the order of commits. */
struct racer {
    struct rpc_fixture *f;
    struct test_pair pair;
};

static void *revoke_one(void *argument)
{
    struct racer *racer = argument;
    struct certificate certificate;
    AUTO(arena_auto_free) struct arena *arena = arena_new(256 * 1024);
    char hex[2 * SHA256_SIZE + 1];
    FILE *nowhere = fopen("/dev/null", "we");

    x509_read(arena, racer->pair.certificate_pem, &certificate);
    hex_encode(certificate.spki_hash, SHA256_SIZE, hex);
    const struct revocation revocation = {.spki_hex = hex, .reason = "race", .now_us = 1};
    pg_revoke(racer->f->db->owner, &revocation, nowhere, nowhere);
    fclose(nowhere);
    return NULL;
}

#define REVOKERS 8

static void counts_versions_without_gap_when_many_revoke_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct racer racers[REVOKERS];

    for (size_t i = 0; i < REVOKERS; i++)
        racers[i] = (struct racer){.f = f, .pair = issue(f)};
    rpc_race(revoke_one, racers, REVOKERS, sizeof racers[0]);

    assert_int_equal(db_count(f->db, "dues.revoked_key WHERE reason = 'race'"), REVOKERS);
    assert_int_equal(db_number(f->db, "SELECT max(version) - min(version) + 1 - count(*)"
                                      " FROM dues.revoked_key WHERE reason = 'race'"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_revoked_key_and_gives_it_no_connection_any_more),
        cmocka_unit_test(ends_open_streams_of_a_revoked_key),
        cmocka_unit_test(ends_streams_that_are_being_read_too),
        cmocka_unit_test(refuses_a_new_certificate_for_a_revoked_key),
        cmocka_unit_test(believes_a_key_again_when_it_is_undone),
        cmocka_unit_test(revokes_an_authority_with_all_that_it_issued),
        cmocka_unit_test(keeps_the_list_while_the_database_is_away),
        cmocka_unit_test(refuses_what_a_restored_database_says_under_a_known_version),
        cmocka_unit_test(knows_the_revoked_keys_before_it_serves),
        cmocka_unit_test(counts_versions_without_gap_when_many_revoke_at_once),
        cmocka_unit_test(takes_thousands_of_keys_at_once),
        cmocka_unit_test(refuses_to_revoke_more_than_servers_hold),
    };

    return cmocka_run_group_tests_name("revocation", tests, rpc_setup, rpc_teardown);
}
