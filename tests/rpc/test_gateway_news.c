/*
 * Where gateways tell their news: who is believed, what is stored, and what is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_news.h"

#define WAIT_STEPS 1000
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
        cmocka_unit_test(asks_to_come_again_while_it_cannot_store),
    };
    return cmocka_run_group_tests_name("news of gateways", tests, setup, teardown);
}
