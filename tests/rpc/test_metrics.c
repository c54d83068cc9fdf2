/*
 * What a server tells from outside after it has done something: the right series went up by the
 * right number, every family is documented, and nothing that a client sent became a label.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/text.h"
#include "config.h"
#include "pg/catalogue.h"
#include "support/patience.h"
#include "support/rpc_news.h"
#include "support/rpc_pages.h"
#include "support/rpc_payment.h"

#define FAMILIES_MAX 512
#define NAME_SIZE    96

struct families {
    size_t count;
    char names[FAMILIES_MAX][NAME_SIZE];
};

static void add_family(struct families *families, const char *name, size_t length)
{
    assert_true(families->count < FAMILIES_MAX && length < NAME_SIZE);
    snprintf(families->names[families->count++], NAME_SIZE, "%.*s", (int)length, name);
}

static bool has_family(const struct families *families, const char *name)
{
    for (size_t i = 0; i < families->count; i++) {
        if (text_equal(families->names[i], name))
            return true;
    }
    return false;
}

/* Rows of the table: "| `name` | kind | …". */
static void read_documented(struct families *families)
{
    FILE *file = fopen(SOURCE_DIR "/docs/operations.md", "re");
    char line[2048];

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *end = text_starts_with(line, "| `") ? strchr(line + 3, '`') : NULL;
        if (end == NULL ||
            (!text_starts_with(end, "` | counter |") && !text_starts_with(end, "` | gauge |") &&
             !text_starts_with(end, "` | histogram |")))
            continue;
        add_family(families, line + 3, (size_t)(end - line - 3));
    }
    fclose(file);
}

static void read_served(struct rpc_fixture *f, struct families *families)
{
    const char *at = page_ask(f, "/metrics");

    while ((at = strstr(at, "# TYPE ")) != NULL) {
        at += strlen("# TYPE ");
        add_family(families, at, strcspn(at, " "));
    }
}

static int64_t number(struct rpc_fixture *f, const char *series)
{
    const char *value = page_value(f, series);

    return value == NULL ? 0 : strtoll(value, NULL, 10);
}

/* Some are counted when the answer is on its way already. */
static void assert_becomes(struct rpc_fixture *f, const char *series, int64_t expected)
{
    AWAIT(number(f, series) >= expected);
    assert_int_equal(number(f, series), expected);
}

static const char *payments_of(struct rpc_fixture *f, const char *outcome, const char *decline_code)
{
    return rpc_printf(f, "dues_payments_total{outcome=\"%s\",decline_code=\"%s\"}", outcome,
                      decline_code);
}

static const char *calls_of(struct rpc_fixture *f, const char *service, const char *method,
                            const char *code)
{
    return rpc_printf(f,
                      "rpc_server_call_duration_seconds_count{rpc_system=\"grpc\",rpc_service="
                      "\"dues.%s.v1.%sService\",rpc_method=\"%s\",rpc_grpc_status_code=\"%s\"}",
                      service, service[0] == 'p' ? "Payment" : "Membership", method, code);
}

static void counts_calls_by_method_and_code(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *good = calls_of(f, "payment", "CreatePayment", "0");
    const char *wrong = calls_of(f, "payment", "CreatePayment", "3");
    int64_t good_before = number(f, good);
    int64_t wrong_before = number(f, wrong);

    given_payment(f, payer);
    struct payment_wish wish = wish_of(payer, new_request_id(f));
    wish.minor_units = -1;
    assert_int_equal(ask_wished(f, &wish)->status, DUES_INVALID_ARGUMENT);

    assert_becomes(f, good, good_before + 1);
    assert_becomes(f, wrong, wrong_before + 1);
}

static void a_path_that_is_made_up_becomes_no_label(void **state)
{
    struct rpc_fixture *f = *state;
    const char *other = "rpc_server_call_duration_seconds_count{rpc_system=\"grpc\",rpc_service="
                        "\"_OTHER\",rpc_method=\"_OTHER\",rpc_grpc_status_code=\"12\"}";
    int64_t before = number(f, other);

    rpc_ask_bytes(f, AS(SERVICE_BILLING), "/dues.payment.v1.PaymentService/MadeUp\"}", "", 0);
    rpc_ask_bytes(f, AS(SERVICE_BILLING), "/made.up.Service/Call", "", 0);

    assert_becomes(f, other, before + 2);
    const char *page = page_ask(f, "/metrics");
    assert_null(strstr(page, "MadeUp"));
    assert_null(strstr(page, "made.up"));
}

static void a_payment_that_is_asked_for_twice_counts_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *request = new_request_id(f);
    const char *series = payments_of(f, "succeeded", "");
    int64_t before = number(f, series);

    must_reply(ask_payment(f, payer, request));
    must_reply(ask_payment(f, payer, request));

    assert_becomes(f, series, before + 1);
}

static void counts_declines_by_reason(void **state)
{
    struct rpc_fixture *f = *state;
    const char *series = payments_of(f, "declined", "insufficient_funds");
    int64_t before = number(f, series);

    must_reply(
        ask_payment(f, given_payer(f, "tok_chargeDeclinedInsufficientFunds"), new_request_id(f)));

    assert_becomes(f, series, before + 1);
}

static void counts_the_payment_of_an_invoice(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    const char *series = payments_of(f, "succeeded", "");
    int64_t before = number(f, series);

    given_membership(f, payer.customer, "plans/premium-monthly", payer.card);

    assert_becomes(f, series, before + 1);
}

static void counts_renewals_and_their_declines(void **state)
{
    struct rpc_fixture *f = *state;
    const char *clock = given_clock(f, time_of("2026-01-31T10:00:00Z"));
    const char *customer = given_customer(f, clock);
    const char *card = given_card(f, customer, "tok_declinesFromSecondCharge");
    const char *declined = payments_of(f, "declined", "insufficient_funds");
    const char *runs = "dues_obligation_run_duration_seconds_count{kind=\"membership.renew\","
                       "outcome=\"done\"}";

    given_membership(f, customer, "plans/premium-monthly", card);
    int64_t before = number(f, declined);
    int64_t runs_before = number(f, runs);
    advance(f, clock, time_of("2026-02-28T12:00:00Z"));

    assert_becomes(f, declined, before + 1);
    assert_becomes(f, runs, runs_before + 1);
}

static void counts_refunds_and_what_gateways_answered(void **state)
{
    struct rpc_fixture *f = *state;
    const char *payment = given_payment(f, given_payer(f, "tok_visa"));
    const char *refunds = "dues_refunds_total{outcome=\"succeeded\"}";
    const char *answers = "dues_gateway_answer_duration_seconds_count{operation=\"refund\","
                          "outcome=\"succeeded\"}";
    int64_t refunds_before = number(f, refunds);
    int64_t answers_before = number(f, answers);

    given_refund(f, payment, 0);

    assert_becomes(f, refunds, refunds_before + 1);
    assert_becomes(f, answers, answers_before + 1);
}

struct slow_payment {
    struct rpc_fixture *f;
    struct payer payer;
    pthread_t thread;
};

static void *pay_slowly(void *arg)
{
    struct slow_payment *slow = arg;

    ask_payment(slow->f, slow->payer, new_request_id(slow->f));
    return NULL;
}

static void shows_the_calls_that_run_and_the_unknown_they_leave(void **state)
{
    struct rpc_fixture *f = *state;
    struct slow_payment slow = {.f = f, .payer = given_payer(f, "tok_timeoutAfterSuccess")};
    const char *unknown = "dues_gateway_answer_duration_seconds_count{operation=\"charge\","
                          "outcome=\"unknown\"}";
    int64_t before = number(f, unknown);
    bool seen = false;

    assert_int_equal(pthread_create(&slow.thread, NULL, pay_slowly, &slow), 0);
    for (int i = 0; i < 2000 && !seen; i++) {
        seen = strstr(page_ask(f, "/calls"),
                      "{\"method\":\"/dues.payment.v1.PaymentService/CreatePayment\",\"caller\":"
                      "\"spiffe://dues.local/service/service-billing\",\"state\":\"runs\","
                      "\"age_us\":") != NULL;
        usleep(1000);
    }
    pthread_join(slow.thread, NULL);

    assert_true(seen);
    assert_becomes(f, unknown, before + 1);
    const char *calls = page_ask(f, "/calls");
    assert_non_null(strstr(calls, "\r\nContent-Type: application/json\r\n"));
}

static void says_that_it_serves_and_404_of_what_it_has_not(void **state)
{
    struct rpc_fixture *f = *state;

    const char *health = page_ask(f, "/healthz");
    assert_true(text_starts_with(health, "HTTP/1.1 200 "));
    assert_non_null(strstr(health, "\r\n\r\nserving\n"));
    assert_true(text_starts_with(page_ask(f, "/"), "HTTP/1.1 404 "));
    assert_true(text_starts_with(page_ask(f, "/metrics/x"), "HTTP/1.1 404 "));
}

static void refuses_to_start_when_its_address_is_taken(void **state)
{
    struct rpc_fixture *f = *state;
    struct settings settings = *config_settings(f->config);
    char problem[HOUSE_PROBLEM_SIZE] = "";

    settings.sandbox = false;
    settings.metrics_listen = rpc_printf(f, "127.0.0.1:%d", house_metrics_port(f->opened));
    struct opened_house *second =
        house_open(&settings, &f->clock->clock, &f->db->random.random, f->log, problem);

    assert_null(second);
    assert_string_equal(
        problem, rpc_printf(f, "metrics_listen: could not listen on %s: the address is taken",
                            settings.metrics_listen));
    assert_true(text_starts_with(page_ask(f, "/healthz"), "HTTP/1.1 200 "));
}

/* Late: by now something of everything has happened. */
static void every_family_is_documented_and_every_documented_one_is_served(void **state)
{
    static const char *const late[] = {
        "dues_reconciliation_age_seconds{gateway=\"sandbox\"}",
        "dues_reconciliation_confirm_age_seconds{gateway=\"sandbox\"}",
    };
    struct rpc_fixture *f = *state;
    struct families documented = {0};
    struct families served = {0};
    size_t wrong = 0;

    rpc_given_user(f);
    for (size_t i = 0; i < ARRAY_LENGTH(late); i++) {
        for (int looks = 0; looks < 2000 && page_value(f, late[i]) == NULL; looks++)
            usleep(10000);
        assert_non_null(page_value(f, late[i]));
    }
    read_documented(&documented);
    read_served(f, &served);
    /* What is told only where gateways tell their news. */
    struct rpc_fixture *listening = news_fixture_new("stripe_url = https://localhost:9\n"
                                                     "metrics_listen = 127.0.0.1:0\n");
    read_served(listening, &served);
    news_fixture_free(listening);

    for (size_t i = 0; i < served.count; i++) {
        if (has_family(&documented, served.names[i]))
            continue;
        print_error("docs/operations.md has no row for %s\n", served.names[i]);
        wrong++;
    }
    for (size_t i = 0; i < documented.count; i++) {
        if (has_family(&served, documented.names[i]))
            continue;
        print_error("docs/operations.md has %s, which nobody serves\n", documented.names[i]);
        wrong++;
    }
    assert_int_equal(wrong, 0);
    assert_true(served.count >= 30);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two rooms that tell the same: a page that Prometheus refuses. */
static void no_series_stands_twice(void **state)
{
    struct rpc_fixture *f = *state;
    const char *lines[8192];
    size_t count = 0;
    char *rest = arena_strdup(f->arena, page_ask(f, "/metrics"));

    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *value = strrchr(line, ' ');
        if (value == NULL || line[0] == '#' || strchr(line, '_') == NULL)
            continue;
        *value = '\0';
        assert_true(count < ARRAY_LENGTH(lines));
        lines[count++] = line;
    }
    qsort(lines, count, sizeof(lines[0]), by_text);

    assert_true(count > 300);
    for (size_t i = 1; i < count; i++)
        assert_string_not_equal(lines[i - 1], lines[i]);
}

static bool becomes(struct rpc_fixture *f, const char *series, const char *value)
{
    const char *found = NULL;

    for (int i = 0; i < 2000; i++) {
        found = page_value(f, series);
        if (found != NULL && text_equal(found, value))
            return true;
        usleep(10000);
    }
    return false;
}

static void says_that_the_database_is_away_and_answers_all_the_same(void **state)
{
    struct rpc_fixture *f = *state;

    assert_true(becomes(f, "dues_database_up", "1"));
    db_allow_service(f->db, false);
    bool went = becomes(f, "dues_database_up", "0");
    bool unhealthy = text_starts_with(page_ask(f, "/healthz"), "HTTP/1.1 503 ");
    const char *kept = page_value(f, "dues_attempts_unknown");
    db_allow_service(f->db, true);
    bool came = becomes(f, "dues_database_up", "1");

    assert_true(went);
    assert_true(unhealthy);
    assert_non_null(kept);
    assert_true(came);
    assert_true(text_starts_with(page_ask(f, "/healthz"), "HTTP/1.1 200 "));
}

static int setup(void **state)
{
    struct rpc_fixture *f =
        rpc_fixture_new("sandbox = on\nmetrics_listen = 127.0.0.1:0\nreconcile_days = 3\n"
                        "reconcile_confirm_max = 200\n");
    FILE *nowhere = fopen("/dev/null", "we");

    *state = f;
    if (nowhere == NULL)
        return -1;
    int failed = pg_put_catalogue(f->db->owner, sandbox_catalogue_sql, nowhere, stderr);
    fclose(nowhere);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_calls_by_method_and_code),
        cmocka_unit_test(a_path_that_is_made_up_becomes_no_label),
        cmocka_unit_test(a_payment_that_is_asked_for_twice_counts_once),
        cmocka_unit_test(counts_declines_by_reason),
        cmocka_unit_test(counts_the_payment_of_an_invoice),
        cmocka_unit_test(counts_renewals_and_their_declines),
        cmocka_unit_test(counts_refunds_and_what_gateways_answered),
        cmocka_unit_test(shows_the_calls_that_run_and_the_unknown_they_leave),
        cmocka_unit_test(says_that_it_serves_and_404_of_what_it_has_not),
        cmocka_unit_test(refuses_to_start_when_its_address_is_taken),
        cmocka_unit_test(every_family_is_documented_and_every_documented_one_is_served),
        cmocka_unit_test(no_series_stands_twice),
        cmocka_unit_test(says_that_the_database_is_away_and_answers_all_the_same),
    };
    return cmocka_run_group_tests_name("metrics", tests, setup, rpc_teardown);
}
