/*
 * RotateWebhookSecret: both secrets sign until the old one's time is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/time.h"
#include "support/rpc_webhook.h"

static int fresh(void **state)
{
    no_endpoints(*state);
    return 0;
}

static const Endpoint *given_made(struct rpc_fixture *f, const struct receiver *receiver)
{
    struct endpoint_wish wish = wished_endpoint();

    wish.url = rpc_printf(f, "http://127.0.0.1:%d/", receiver_port(receiver));
    return must_reply(ask_endpoint(f, &wish));
}

static size_t signatures_in(const struct received *received)
{
    size_t count = 1;

    for (const char *at = received->signature; *at != '\0'; at++)
        count += *at == ' ';
    return count;
}

static struct received told_next(struct rpc_fixture *f, struct receiver *receiver)
{
    size_t before = receiver_count(receiver);

    given_customer(f, "");
    assert_true(receiver_wait(receiver, before + 1));
    return receiver_get(receiver, before);
}

static void both_sign_for_a_day(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const Endpoint *made = given_made(f, receiver);

    struct received before = told_next(f, receiver);
    const Endpoint *rotated = must_reply(ask_rotate(f, made->name, -1, ""));
    struct received during = told_next(f, receiver);
    fake_clock_advance(f->clock, US_PER_DAY);
    struct received after = told_next(f, receiver);

    assert_string_not_equal(rotated->secret, made->secret);
    assert_true(text_starts_with(rotated->secret, "whsec_"));
    assert_true(time_in(rotated->previous_secret_expire_time) ==
                time_in(rotated->update_time) + US_PER_DAY);
    assert_true(is_signed_with(f, &before, made->secret));
    assert_int_equal(signatures_in(&before), 1);
    assert_true(is_signed_with(f, &during, made->secret));
    assert_true(is_signed_with(f, &during, rotated->secret));
    assert_int_equal(signatures_in(&during), 2);
    assert_false(is_signed_with(f, &after, made->secret));
    assert_true(is_signed_with(f, &after, rotated->secret));
    assert_int_equal(signatures_in(&after), 1);
    assert_null(endpoint_now(f, made->name)->previous_secret_expire_time);
    receiver_free(receiver);
}

static void without_overlap_the_old_one_stops_at_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct receiver *receiver = receiver_new();
    const Endpoint *made = given_made(f, receiver);

    const Endpoint *rotated = must_reply(ask_rotate(f, made->name, 0, ""));
    struct received received = told_next(f, receiver);

    assert_null(rotated->previous_secret_expire_time);
    assert_false(is_signed_with(f, &received, made->secret));
    assert_true(is_signed_with(f, &received, rotated->secret));
    receiver_free(receiver);
}

static void a_repeated_request_rotates_once(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();
    const char *name = ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;
    const char *request_id = new_request_id(f);

    const struct dues_answer *first = ask_rotate(f, name, 60, request_id);
    const struct dues_answer *second = ask_rotate(f, name, 60, request_id);

    assert_int_equal(first->status, DUES_OK);
    assert_true(is_replayed(second));
    assert_int_equal(second->reply_size, first->reply_size);
    assert_memory_equal(second->reply_bytes, first->reply_bytes, first->reply_size);
}

static void a_key_pair_is_rotated_too(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();

    wish.signing = SIGNED_BY(ED25519);
    const Endpoint *made = must_reply(ask_endpoint(f, &wish));
    const Endpoint *rotated = must_reply(ask_rotate(f, made->name, 3600, ""));

    assert_string_equal(rotated->secret, "");
    assert_string_not_equal(rotated->public_key, made->public_key);
    assert_string_equal(rotated->previous_public_key, made->public_key);
}

static void refuses_overlaps_out_of_bounds(void **state)
{
    struct rpc_fixture *f = *state;
    struct endpoint_wish wish = wished_endpoint();
    const char *name = ((const Endpoint *)must_reply(ask_endpoint(f, &wish)))->name;

    assert_true(answer_names(ask_rotate(f, name, 7 * 86400 + 1, ""), "overlap"));
    assert_true(answer_names(ask_rotate(f, name, -2, ""), "overlap"));
    assert_string_equal(
        ask_rotate(f, "webhookEndpoints/018f0000-0000-7000-8000-000000000000", 1, "")->reason,
        "WEBHOOK_ENDPOINT_NOT_FOUND");
}

#define TEST(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sign_for_a_day),
        TEST(without_overlap_the_old_one_stops_at_once),
        TEST(a_repeated_request_rotates_once),
        TEST(a_key_pair_is_rotated_too),
        TEST(refuses_overlaps_out_of_bounds),
    };
    return cmocka_run_group_tests_name("RotateWebhookSecret", tests, members_setup, rpc_teardown);
}
