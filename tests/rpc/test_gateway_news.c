/*
 * Where gateways tell their news: who is believed, what is stored, and what is answered.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_news.h"

#define WAIT_STEPS 3000
#define STEP_US    20000

static int64_t now_s(struct rpc_fixture *f)
{
    return clock_wall_us(&f->clock->clock) / US_PER_SECOND;
}

static const char *event(struct rpc_fixture *f, const char *id, const char *type,
                         const char *object)
{
    return rpc_printf(f,
                      "{\"id\": \"%s\", \"object\": \"event\", \"type\": \"%s\", \"created\": 1,"
                      " \"livemode\": false, \"data\": {\"object\": %s}}",
                      id, type, object);
}

static const char *idle_event(struct rpc_fixture *f, const char *id)
{
    return event(f, id, "balance.available", "{\"object\": \"balance\"}");
}

static int tell(struct rpc_fixture *f, const char *body)
{
    return news_post(f, body, news_sign(f, body, now_s(f), NEWS_SECRET));
}

static const char *state_of(struct rpc_fixture *f, const char *id)
{
    return db_text(f->db, rpc_printf(f,
                                     "SELECT coalesce((SELECT state::text FROM dues.news"
                                     " WHERE event_id = '%s'), '')",
                                     id));
}

static bool becomes(struct rpc_fixture *f, const char *id, const char *state)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (text_equal(state_of(f, id), state))
            return true;
        usleep(STEP_US);
    }
    return false;
}

static void takes_what_either_secret_has_signed(void **state)
{
    struct rpc_fixture *f = *state;
    const char *first = idle_event(f, "evt_new");
    const char *second = idle_event(f, "evt_old");

    int by_new = news_post(f, first, news_sign(f, first, now_s(f), NEWS_SECRET));
    int by_old = news_post(f, second, news_sign(f, second, now_s(f), NEWS_OLD_SECRET));

    assert_int_equal(by_new, 200);
    assert_int_equal(by_old, 200);
    assert_string_equal(state_of(f, "evt_new"), "IGNORED");
    assert_string_equal(state_of(f, "evt_old"), "IGNORED");
}

static void believes_one_signature_of_several(void **state)
{
    struct rpc_fixture *f = *state;
    const char *body = idle_event(f, "evt_several");
    const char *forged = news_sign(f, body, now_s(f), "whsec_of_somebody_else");
    const char *right = news_sign(f, body, now_s(f), NEWS_SECRET);

    int status = news_post(f, body, rpc_printf(f, "%s,v0=abc%s", forged, strchr(right, ',')));

    assert_int_equal(status, 200);
}

static void refuses_what_it_cannot_believe_and_stores_nothing(void **state)
{
    struct rpc_fixture *f = *state;
    const char *body = idle_event(f, "evt_doubtful");
    const char *right = news_sign(f, body, now_s(f), NEWS_SECRET);
    const char *const signatures[] = {
        NULL,
        "",
        "t=1",
        "v1=00",
        news_sign(f, body, now_s(f), "whsec_of_somebody_else"),
        news_sign(f, body, now_s(f) - 301, NEWS_SECRET),
        news_sign(f, body, now_s(f) + 301, NEWS_SECRET),
        news_sign(f, "{}", now_s(f), NEWS_SECRET),
        rpc_printf(f, "t=1,%s", right),
        rpc_printf(f, "%.*s", (int)strlen(right) - 1, right),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(signatures); i++)
        assert_int_equal(news_post(f, body, signatures[i]), 400);

    assert_string_equal(state_of(f, "evt_doubtful"), "");
}

static void refuses_what_is_signed_and_no_event(void **state)
{
    struct rpc_fixture *f = *state;
    const char *const bodies[] = {
        "",
        "[]",
        "{\"id\": \"evt_1\"}",
        "{\"id\": \"evt_live\", \"object\": \"event\", \"type\": \"x\", \"livemode\": true,"
        " \"data\": {\"object\": {}}}",
        "{\"id\": \"evt_twice\", \"id\": \"evt_2\", \"object\": \"event\", \"type\": \"x\","
        " \"livemode\": false, \"data\": {\"object\": {}}}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        assert_int_equal(tell(f, bodies[i]), 400);
}

static void answers_a_repetition_without_doing_anything(void **state)
{
    struct rpc_fixture *f = *state;
    const char *body = idle_event(f, "evt_again");

    for (int i = 0; i < 100; i++)
        assert_int_equal(tell(f, body), 200);

    assert_int_equal(db_count(f->db, "dues.news WHERE event_id = 'evt_again'"), 1);
}

static void keeps_the_bytes_sealed_while_it_is_nobodys(void **state)
{
    struct rpc_fixture *f = *state;
    const char *body = event(f, "evt_early", "payment_intent.succeeded",
                             "{\"id\": \"pi_1\", \"object\": \"payment_intent\", \"receipt_email\":"
                             " \"ada@example.com\", \"metadata\": {"
                             "\"customer_id\": \"01900000-0000-7000-8000-000000000001\","
                             "\"attempt_id\": \"01900000-0000-7000-8000-000000000002\"}}");

    assert_int_equal(tell(f, body), 200);

    assert_string_equal(state_of(f, "evt_early"), "UNMATCHED");
    assert_int_equal(db_count(f->db, "dues.news WHERE event_id = 'evt_early'"
                                     " AND length(body_sealed) > 100"
                                     " AND position('ada@example.com'::bytea IN body_sealed) = 0"),
                     1);
}

/* P14 and P15: what names us and is not found is looked for, and then it is for people. */
static void tells_people_of_what_is_nobodys_after_a_quarter_of_an_hour(void **state)
{
    struct rpc_fixture *f = *state;
    const char *body = event(f, "evt_lost", "payment_intent.succeeded",
                             "{\"id\": \"pi_lost\", \"object\": \"payment_intent\", \"metadata\": {"
                             "\"customer_id\": \"01900000-0000-7000-8000-000000000003\","
                             "\"attempt_id\": \"01900000-0000-7000-8000-000000000004\"}}");

    assert_int_equal(tell(f, body), 200);
    assert_string_equal(state_of(f, "evt_lost"), "UNMATCHED");
    fake_clock_advance(f->clock, 16 * US_PER_MINUTE);

    assert_true(becomes(f, "evt_lost", "QUARANTINED"));
    assert_int_equal(db_count(f->db, "dues.incident WHERE kind = 'UNMATCHED_NEWS'"
                                     " AND subject = 'stripe pi_lost'"),
                     1);
}

/* A gateway that says nothing of some news keeps none of the others waiting. */
static void news_that_cannot_be_looked_at_starve_nobody(void **state)
{
    struct rpc_fixture *f = *state;
    const char *lost = event(f, "evt_behind", "payment_intent.succeeded",
                             "{\"id\": \"pi_behind\", \"object\": \"payment_intent\","
                             " \"metadata\": {"
                             "\"customer_id\": \"01900000-0000-7000-8000-000000000003\","
                             "\"attempt_id\": \"01900000-0000-7000-8000-000000000004\"}}");
    for (int i = 0; i < 100; i++) {
        const char *object = rpc_printf(f, "{\"id\": \"du_%d\", \"object\": \"dispute\"}", i);
        const char *body =
            event(f, rpc_printf(f, "evt_mute%d", i), "charge.dispute.created", object);
        assert_int_equal(tell(f, body), 200);
    }
    assert_int_equal(tell(f, lost), 200);

    fake_clock_advance(f->clock, 16 * US_PER_MINUTE);
    assert_true(becomes(f, "evt_behind", "QUARANTINED"));

    assert_string_equal(state_of(f, "evt_mute0"), "UNMATCHED");
    assert_int_equal(db_count(f->db, "dues.incident WHERE subject = 'stripe du_0'"), 0);
    for (int i = 0; i < WAIT_STEPS; i++) {
        fake_clock_advance(f->clock, 10 * US_PER_MINUTE);
        if (db_count(f->db, "dues.incident WHERE subject = 'stripe du_0'") == 1)
            break;
        usleep(STEP_US);
    }
    assert_int_equal(db_count(f->db, "dues.incident WHERE subject = 'stripe du_0'"
                                     " AND kind = 'UNMATCHED_NEWS'"),
                     1);
    db_execute(f->db, "DELETE FROM dues.news WHERE kind = 'DISPUTE'");
}

static void asks_to_come_again_while_it_cannot_store(void **state)
{
    struct rpc_fixture *f = *state;
    const char *body = idle_event(f, "evt_outage");

    db_allow_service(f->db, false);
    int away = tell(f, body);
    db_allow_service(f->db, true);
    int back = 0;
    for (int i = 0; i < WAIT_STEPS && back != 200; i++) {
        back = tell(f, body);
        usleep(STEP_US);
    }

    assert_int_equal(away, 503);
    assert_int_equal(back, 200);
    assert_string_equal(state_of(f, "evt_outage"), "IGNORED");
}

struct teller {
    struct rpc_fixture *f;
    const char *body;
    const char *signature;
    atomic_bool stops;
    int told;
    int failed;
};

static void *keep_telling(void *arg)
{
    struct teller *teller = arg;

    while (!atomic_load(&teller->stops)) {
        if (news_post_trusting(teller->f, "both.pem", teller->body, teller->signature) != 200)
            teller->failed++;
        teller->told++;
    }
    return NULL;
}

static void write_pair(struct rpc_fixture *f, struct test_pair pair)
{
    test_write_file(f->directory, "server.pem", pair.certificate_pem);
    test_write_file(f->directory, "server.key", pair.key_pem);
}

static bool comes_to_trust(struct rpc_fixture *f, const char *ca_file, const struct teller *teller)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (news_post_trusting(f, ca_file, teller->body, teller->signature) == 200)
            return true;
        usleep(STEP_US);
    }
    return false;
}

static void serves_a_replaced_certificate_without_losing_a_letter(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_authority *other = test_authority_new(f->papers, "another authority");
    const char *body = idle_event(f, "evt_rotation");
    struct teller teller = {
        .f = f, .body = body, .signature = news_sign(f, body, now_s(f), NEWS_SECRET)};
    pthread_t thread;

    test_write_file(f->directory, "other.pem", test_authority_pem(other));
    test_write_file(
        f->directory, "both.pem",
        rpc_printf(f, "%s%s", test_authority_pem(f->authority), test_authority_pem(other)));
    assert_int_equal(news_post_trusting(f, "other.pem", body, teller.signature), 0);
    assert_int_equal(pthread_create(&thread, NULL, keep_telling, &teller), 0);
    write_pair(f, test_issue_server(other));
    bool changed = comes_to_trust(f, "other.pem", &teller);
    write_pair(f, test_issue_server(f->authority));
    bool changed_back = comes_to_trust(f, "ca.pem", &teller);
    atomic_store(&teller.stops, true);
    pthread_join(thread, NULL);
    test_authority_free(other);

    assert_true(changed);
    assert_true(changed_back);
    assert_true(teller.told > 0);
    assert_int_equal(teller.failed, 0);
}

static void goes_on_with_the_old_certificate_when_the_new_does_not_fit(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = test_issue_server(f->authority);
    const char *body = idle_event(f, "evt_misfit");

    test_write_file(f->directory, "server.pem", pair.certificate_pem);
    while (!rpc_log_has(f, "changed files do not fit, the old ones stay"))
        usleep(STEP_US);

    assert_int_equal(tell(f, body), 200);
    test_write_file(f->directory, "server.key", pair.key_pem);
    assert_int_equal(tell(f, body), 200);
}

/* One address has a share, and who says nothing is let go of. */
static void idle_connections_keep_nobody_out(void **state)
{
    struct rpc_fixture *f = *state;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)house_news_port(f->opened)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct sockaddr_in elsewhere = {.sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(0x7f000002)};
    const char *body = idle_event(f, "evt_crowd");
    int idle[64];
    char byte;

    for (size_t i = 0; i < ARRAY_LENGTH(idle); i++) {
        idle[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(idle[i], (const struct sockaddr *)&elsewhere, sizeof elsewhere), 0);
        assert_int_equal(connect(idle[i], (const struct sockaddr *)&address, sizeof address), 0);
    }
    int status = tell(f, body);

    assert_int_equal(status, 200);
    for (size_t i = 0; i < ARRAY_LENGTH(idle); i++) {
        assert_true(recv(idle[i], &byte, 1, 0) <= 0);
        close(idle[i]);
    }
}

static int setup(void **state)
{
    *state = news_fixture_new("stripe_url = https://localhost:9\n");
    return 0;
}

static int teardown(void **state)
{
    news_fixture_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_either_secret_has_signed),
        cmocka_unit_test(believes_one_signature_of_several),
        cmocka_unit_test(refuses_what_it_cannot_believe_and_stores_nothing),
        cmocka_unit_test(refuses_what_is_signed_and_no_event),
        cmocka_unit_test(answers_a_repetition_without_doing_anything),
        cmocka_unit_test(keeps_the_bytes_sealed_while_it_is_nobodys),
        cmocka_unit_test(tells_people_of_what_is_nobodys_after_a_quarter_of_an_hour),
        cmocka_unit_test(news_that_cannot_be_looked_at_starve_nobody),
        cmocka_unit_test(asks_to_come_again_while_it_cannot_store),
        cmocka_unit_test(serves_a_replaced_certificate_without_losing_a_letter),
        cmocka_unit_test(goes_on_with_the_old_certificate_when_the_new_does_not_fit),
        cmocka_unit_test(idle_connections_keep_nobody_out),
    };
    return cmocka_run_group_tests_name("news of gateways", tests, setup, teardown);
}
