/*
 * WatchPayments: each change of a payment's state once, in order; for users too, as long as they
 * may call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "pg/revocation.h"
#include "support/rpc_auth.h"
#include "support/rpc_events.h"

typedef Dues__Payment__V1__PaymentChange Change;

static struct dues_stream *watch_payments_of(struct rpc_fixture *f, struct rpc_as as,
                                             const char *parent, const char *cursor)
{
    const struct watch_wish wish = {
        .as = as, .method = "WatchPayments", .parent = parent, .cursor = cursor, .once = true};

    return watch(f, &wish);
}

#define CHANGES_MAX 16

struct changes {
    const char *payments[CHANGES_MAX];
    int states[CHANGES_MAX];
    const char *codes[CHANGES_MAX]; /* ours and the network's */
    int64_t amounts[CHANGES_MAX];
    const char *cursors[CHANGES_MAX];
    size_t count;
};

static bool read_changes(struct rpc_fixture *f, struct dues_stream *stream, size_t count,
                         struct changes *changes)
{
    while (changes->count < count) {
        const ChangesTold *told = (const void *)dues_stream_next(stream, EVENT_PATIENCE_MS);
        if (told == NULL)
            return false;
        for (size_t i = 0; i < told->n_changes && changes->count < CHANGES_MAX; i++) {
            const Change *change = told->changes[i];
            size_t n = changes->count++;
            changes->payments[n] = rpc_printf(f, "%s", change->payment);
            changes->states[n] = (int)change->state;
            changes->codes[n] = change->decline == NULL
                                    ? ""
                                    : rpc_printf(f, "%s %s", change->decline->code,
                                                 change->decline->network_decline_code);
            changes->amounts[n] = change->amount->minor_units;
            changes->cursors[n] = rpc_printf(f, "%s", change->cursor);
        }
    }
    return true;
}

static void tells_each_change_once_in_order(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer good = given_payer(f, "tok_visa");
    struct payer bad = {good.customer, given_card(f, good.customer, "tok_chargeDeclined")};
    struct changes changes = {.count = 0};

    const char *first = given_payment(f, good);
    given_refund(f, first, 100); /* no change of state */
    struct dues_stream *stream = watch_payments_of(f, AS(SERVICE_BILLING), good.customer, NULL);
    bool backlog = read_changes(f, stream, 1, &changes);
    const Payment *second = must_reply(ask_payment(f, bad, new_request_id(f)));
    const char *third = given_payment(f, good);
    bool news = read_changes(f, stream, 3, &changes);
    dues_stream_close(stream);

    assert_true(backlog);
    assert_true(news);
    assert_int_equal(changes.count, 3);
    assert_string_equal(changes.payments[0], first);
    assert_int_equal(changes.states[0], PAYMENT_STATE(SUCCEEDED));
    assert_string_equal(changes.codes[0], "");
    assert_int_equal(changes.amounts[0], 999);
    assert_string_equal(changes.payments[1], second->name);
    assert_int_equal(changes.states[1], PAYMENT_STATE(FAILED));
    assert_string_equal(changes.codes[1], "generic_decline 05");
    assert_string_equal(changes.payments[2], third);
}

static void shares_its_cursors_with_the_events(void **state)
{
    struct rpc_fixture *f = *state;
    struct payer payer = given_payer(f, "tok_visa");
    struct changes changes = {.count = 0};

    given_payment(f, payer);
    const char *second = given_payment(f, payer);
    const Dues__Payment__V1__ListEventsResponse *events =
        must_reply(ask_events(f, AS(SERVICE_BILLING), payer.customer, 2, "", ""));
    struct dues_stream *stream =
        watch_payments_of(f, AS(SERVICE_BILLING), payer.customer, events->events[1]->cursor);
    bool came = read_changes(f, stream, 1, &changes);
    dues_stream_close(stream);

    assert_true(came);
    assert_string_equal(changes.payments[0], second);
}

static void tells_a_user_of_his_own_and_of_nobody_elses(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct payer other = given_payer(f, "tok_visa");
    struct changes changes = {.count = 0};

    given_payment(f, other);
    struct dues_stream *own = watch_payments_of(f, user_of(world), "customers/me", NULL);
    bool came = read_changes(f, own, 1, &changes);
    dues_stream_close(own);
    struct dues_stream *theirs = watch_payments_of(f, user_of(world), other.customer, NULL);
    const struct dues_answer *end = await_end(theirs);

    assert_true(came);
    for (size_t i = 0; i < changes.count; i++)
        assert_true(text_starts_with(changes.payments[i], world->owner.customer));
    assert_int_equal(end->status, DUES_NOT_FOUND);
    assert_string_equal(end->reason, "CUSTOMER_NOT_FOUND");
    dues_stream_close(theirs);
    world_free(world);
}

static void refuses_a_user_somebody_elses_cursor(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    const char *other = given_customer(f, "");
    const Dues__Payment__V1__ListEventsResponse *events =
        must_reply(ask_events(f, AS(SERVICE_BILLING), other, 0, "", ""));

    struct dues_stream *stream =
        watch_payments_of(f, user_of(world), "customers/me", events->events[0]->cursor);
    const struct dues_answer *end = await_end(stream);

    assert_int_equal(end->status, DUES_INVALID_ARGUMENT);
    assert_string_equal(end->reason, "CURSOR_INVALID");
    dues_stream_close(stream);
    world_free(world);
}

static void ends_when_the_user_logs_out(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct dues_stream *stream = watch_payments_of(f, user_of(world), "customers/me", NULL);

    const ProtobufCMessage *first = dues_stream_next(stream, EVENT_PATIENCE_MS);
    assert_non_null(first);
    assert_int_equal(ask_log_out(f, user_of(world), false, NULL)->status, DUES_OK);
    const struct dues_answer *end = await_end(stream);

    assert_non_null(end);
    assert_int_equal(end->status, DUES_UNAUTHENTICATED);
    assert_string_equal(end->reason, "TOKEN_INVALID");
    assert_string_equal(metadata_of(end, "cursor"), dues_stream_cursor(stream));
    dues_stream_close(stream);
    world_free(world);
}

static void revoke(struct rpc_fixture *f, const char *pem)
{
    struct certificate certificate;
    char hex[2 * SHA256_SIZE + 1];
    FILE *nowhere = fopen("/dev/null", "w");

    assert_true(x509_read(f->arena, pem, &certificate));
    hex_encode(certificate.spki_hash, SHA256_SIZE, hex);
    const struct revocation revocation = {
        .spki_hex = hex, .reason = "stolen", .now_us = clock_wall_us(clock_system())};
    assert_int_equal(pg_revoke(f->db->owner, &revocation, nowhere, stderr), 0);
    fclose(nowhere);
}

static void ends_when_the_certificate_is_revoked(void **state)
{
    struct rpc_fixture *f = *state;
    struct test_pair pair = test_issue_client(f->authority, "service/service-billing");
    struct dues_client *client = rpc_client(f, pair);
    struct dues_stream *stream =
        watch_payments_of(f, (struct rpc_as){.client = client}, given_customer(f, ""), NULL);

    const ProtobufCMessage *first = dues_stream_next(stream, EVENT_PATIENCE_MS);
    assert_non_null(first);
    revoke(f, pair.certificate_pem);
    const struct dues_answer *end = await_end(stream);

    assert_non_null(end);
    assert_int_equal(end->status, DUES_UNAUTHENTICATED);
    assert_string_equal(end->reason, "CERTIFICATE_REVOKED");
    assert_string_equal(metadata_of(end, "cursor"), dues_stream_cursor(stream));
    dues_stream_close(stream);
    dues_client_close(client);
}

/* Last: time goes on for everybody. */
static void ends_when_the_token_expires(void **state)
{
    struct rpc_fixture *f = *state;
    struct rpc_world *world = world_new(f);
    struct dues_stream *stream = watch_payments_of(f, user_of(world), "customers/me", NULL);

    const ProtobufCMessage *first = dues_stream_next(stream, EVENT_PATIENCE_MS);
    assert_non_null(first);
    fake_clock_advance(f->clock, 11 * US_PER_MINUTE);
    const struct dues_answer *end = await_end(stream);

    assert_non_null(end);
    assert_int_equal(end->status, DUES_UNAUTHENTICATED);
    assert_string_equal(end->reason, "TOKEN_EXPIRED");
    dues_stream_close(stream);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_each_change_once_in_order),
        cmocka_unit_test(shares_its_cursors_with_the_events),
        cmocka_unit_test(tells_a_user_of_his_own_and_of_nobody_elses),
        cmocka_unit_test(refuses_a_user_somebody_elses_cursor),
        cmocka_unit_test(ends_when_the_user_logs_out),
        cmocka_unit_test(ends_when_the_certificate_is_revoked),
        cmocka_unit_test(ends_when_the_token_expires),
    };
    return cmocka_run_group_tests_name("WatchPayments", tests, members_setup, rpc_teardown);
}
