/*
 * Ada: signs up on her phone, becomes a premium member on 31 January, is charged again on 28
 * February, gets that charge back, cancels, and loses access when what she paid for is over.
 */
#include "cli/demo.h"

#include "base/text.h"
#include "crypto/x509.h"

#include "dues/auth/v1/auth_service.pb-c.h"
#include "dues/sandbox/v1/sandbox_service.pb-c.h"

#define PASSWORD "correct horse battery staple"

#define MEMBERSHIP_STATE dues__membership__v1__membership__state__descriptor
#define INVOICE_STATE    dues__membership__v1__invoice__state__descriptor

struct ada {
    struct story *story;
    const char *clock;
    const char *customer;
    const char *refresh_token;
    const char *payment_method;
    const char *membership;
};

static void take_tokens(struct ada *ada, const Dues__Auth__V1__Session *session)
{
    if (session == NULL)
        return;
    ada->story->token = session->access_token;
    ada->refresh_token = session->refresh_token;
}

static void sign_up(struct ada *ada)
{
    struct story *story = ada->story;
    story_say(story, "Time goes forward on command: a test clock, standing at 31 January");
    const Dues__Sandbox__V1__TestClock *clock =
        story_call(story, SPEAKER_SERVICE, "Sandbox/CreateTestClock",
                   "{'test_clock': {'clock_time': '2026-01-31T12:00:00Z'}}");
    if (clock == NULL)
        return;
    ada->clock = clock->name;
    story_tell(story, "%s shows %s", clock->name, story_time(story, clock->clock_time));

    story_say(story, "Ada signs up in the app");
    const Dues__Auth__V1__SignUpResponse *signed_up =
        story_call(story, SPEAKER_APP, "Auth/SignUp",
                   "{'email': 'ada-%s@example.com', 'password': '" PASSWORD
                   "', 'display_name': 'Ada', 'test_clock': '%s', 'request_id': 'sign-up-%s'}",
                   story->run, ada->clock, story->run);
    if (signed_up == NULL)
        return;
    ada->customer = signed_up->customer;
    story->customers[story->customer_count++] = signed_up->customer;
    take_tokens(ada, signed_up->session);
    story_tell(story, "%s pays as %s", signed_up->user->name, signed_up->customer);
    story_change(story, "one commit made the user, the customer and the first session");
}

/* Opens the connection that speaks with the phone's own certificate. */
static bool open_phone(struct ada *ada, const struct ec_key *key,
                       const Dues__Auth__V1__Device *device)
{
    struct story *story = ada->story;
    char problem[DUES_PROBLEM_SIZE];
    struct dues_client_options options = {
        .target = story->connection.target,
        .ca_file = story->connection.ca,
        .server_name = story->connection.server_name,
        .certificate_pem = arena_printf(story->arena, "%s%s", device->certificate_pem,
                                        device->certificate_chain_pem),
        .key_pem = ec_key_to_pem(story->arena, key),
    };
    story->clients[SPEAKER_PHONE] = dues_client_open(&options, problem);
    return story_expect(story, story->clients[SPEAKER_PHONE] != NULL, "a client: %s", problem);
}

static void enrol(struct ada *ada)
{
    struct story *story = ada->story;
    if (story->failure != NULL)
        return;
    AUTO(ec_key_auto_free) struct ec_key *key = ec_key_make();
    const char *csr = csr_make(story->arena, key, "Ada's phone");
    story_say(story, "The phone makes a key, which never leaves it, and asks for a certificate");
    const Dues__Auth__V1__Device *device =
        story_call(story, SPEAKER_APP, "Auth/EnrollDevice",
                   "{'csr_pem': %s, 'display_name': 'phone', 'request_id': 'enrol-%s'}",
                   json_quote(story->arena, csr), story->run);
    if (device == NULL || !open_phone(ada, key, device))
        return;
    story_tell(story, "%s, good until %s", device->spiffe_id,
               story_time(story, device->expire_time));

    story_say(story, "From now on the phone speaks with its own certificate, tokens bound to it");
    take_tokens(ada, story_call(story, SPEAKER_PHONE, "Auth/RefreshSession",
                                "{'refresh_token': '%s'}", ada->refresh_token));
    const Dues__Auth__V1__User *user =
        story_call(story, SPEAKER_PHONE, "Auth/GetUser", "{'name': 'users/me'}");
    if (user != NULL)
        story_tell(story, "%s, %s", user->display_name, user->email);
    story_say(story, "The same token from anywhere else is worth nothing");
    story_refused(story, SPEAKER_APP, "Auth/GetUser", "TOKEN_WRONG_CERTIFICATE",
                  "{'name': 'users/me'}");
}

static void become_member(struct ada *ada)
{
    struct story *story = ada->story;
    story_say(story, "May Ada watch in HD?");
    story_access(story, ada->customer, "video.hd", false);

    story_say(story, "She adds a card: the gateway's token, never the number");
    const Dues__Payment__V1__PaymentMethod *method =
        story_call(story, SPEAKER_PHONE, "Payment/CreatePaymentMethod",
                   "{'parent': 'customers/me', 'payment_method': {'gateway_token': 'tok_visa',"
                   " " STORY_MANDATE "},"
                   " 'request_id': 'card-%s'}",
                   story->run);
    if (method == NULL)
        return;
    ada->payment_method = method->name;
    story_tell(story, "%s ending in %s", method->brand, method->last4);

    story_say(story, "She becomes a premium member");
    const char *request =
        arena_printf(story->arena,
                     "{'parent': 'customers/me', 'membership': {'plan': 'plans/premium-monthly',"
                     " 'payment_method': '%s'}, 'skip_trial': true, 'request_id': 'join-%s'}",
                     method->name, story->run);
    const Dues__Membership__V1__Membership *membership =
        story_call(story, SPEAKER_PHONE, "Membership/CreateMembership", "%s", request);
    if (membership == NULL)
        return;
    ada->membership = membership->name;
    story->expected_minor += 999;
    story_tell(story, "%s, %s until %s",
               story_enum(&MEMBERSHIP_STATE, (int)membership->state, "STATE_"), membership->tier,
               story_time(story, membership->current_period_end_time));
    story_expect(story, membership->state == DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_ACTIVE,
                 "the membership to be ACTIVE");
    story_change(story, "9.99 USD were charged, the access is open");

    story_say(story, "The answer gets lost and the phone asks again with the same request_id");
    if (story_call(story, SPEAKER_PHONE, "Membership/CreateMembership", "%s", request) != NULL) {
        story_tell(story, "the first answer again, byte for byte");
        story_expect(story, story_answer(story)->replayed, "a replayed answer");
    }
    story_change(story, "nothing was charged twice");
    story_say(story, "May Ada watch in HD now?");
    story_access(story, ada->customer, "video.hd", true);
}

/* Expects `count` invoices, all paid.  The newest one's payment. */
static const char *list_invoices(struct ada *ada, size_t count)
{
    struct story *story = ada->story;
    const Dues__Membership__V1__ListInvoicesResponse *list = story_call(
        story, SPEAKER_SERVICE, "Membership/ListInvoices", "{'parent': '%s'}", ada->customer);
    if (list == NULL)
        return "";
    for (size_t i = 0; i < list->n_invoices; i++) {
        const Dues__Membership__V1__Invoice *invoice = list->invoices[i];
        story_tell(story, "no. %s, %s to %s: %s, %s", invoice->number,
                   story_time(story, invoice->period_start_time),
                   story_time(story, invoice->period_end_time), story_money(story, invoice->total),
                   story_enum(&INVOICE_STATE, (int)invoice->state, "STATE_"));
        story_expect(story, invoice->state == DUES__MEMBERSHIP__V1__INVOICE__STATE__STATE_PAID,
                     "invoice no. %s to be PAID", invoice->number);
    }
    if (!story_expect(story, list->n_invoices == count, "%zu invoices, not %zu", count,
                      list->n_invoices))
        return "";
    return list->invoices[0]->payment;
}

static void renew_and_refund(struct ada *ada)
{
    struct story *story = ada->story;
    story_say(story, "A month goes by; February has no 31st, so it ends on the 28th");
    if (!story_advance(story, ada->clock, "2026-03-01T12:00:00Z"))
        return;
    story->expected_minor += 999;
    const char *payment = list_invoices(ada, 2);
    story_change(story, "she was charged again, once, and stays a member until 31 March");
    story_access(story, ada->customer, "video.hd", true);

    story_say(story, "She wrote to support: the second month is given back");
    const Dues__Payment__V1__Refund *refund =
        story_call(story, SPEAKER_SERVICE, "Payment/CreateRefund",
                   "{'parent': '%s', 'refund': {'reason': 'REASON_REQUESTED_BY_CUSTOMER'},"
                   " 'request_id': 'refund-%s'}",
                   payment, story->run);
    if (refund == NULL)
        return;
    story->expected_minor -= 999;
    story_tell(
        story, "%s, %s", story_money(story, refund->amount),
        story_enum(&dues__payment__v1__refund__state__descriptor, (int)refund->state, "STATE_"));
    story_expect(story, refund->state == DUES__PAYMENT__V1__REFUND__STATE__STATE_SUCCEEDED,
                 "the refund to be SUCCEEDED");
    story_say(story, "A second refund of the same payment, under another request_id");
    story_refused(story, SPEAKER_SERVICE, "Payment/CreateRefund", "PAYMENT_NOT_REFUNDABLE",
                  "{'parent': '%s', 'request_id': 'refund-again-%s'}", payment, story->run);
}

static void cancel(struct ada *ada)
{
    struct story *story = ada->story;
    story_say(story, "She logs in again on the phone and cancels");
    take_tokens(ada, story_call(story, SPEAKER_PHONE, "Auth/LogIn",
                                "{'email': 'ada-%s@example.com', 'password': '" PASSWORD "'}",
                                story->run));
    const Dues__Membership__V1__Membership *membership =
        story_call(story, SPEAKER_PHONE, "Membership/CancelMembership",
                   "{'name': '%s', 'request_id': 'cancel-%s'}", ada->membership, story->run);
    if (membership == NULL)
        return;
    story_tell(story, "still %s; ends with the period on %s",
               story_enum(&MEMBERSHIP_STATE, (int)membership->state, "STATE_"),
               story_time(story, membership->current_period_end_time));
    story_expect(story, membership->cancel_at_period_end, "cancel_at_period_end");
    story_say(story, "What is paid for stays open");
    story_access(story, ada->customer, "video.hd", true);
    story_say(story, "April comes");
    if (!story_advance(story, ada->clock, "2026-04-01T12:00:00Z"))
        return;
    story_access(story, ada->customer, "video.hd", false);
    list_invoices(ada, 2);
    story_change(story, "no third charge, and the access is closed");
}

void chapter_member(struct story *story)
{
    struct ada ada = {.story = story};
    story_chapter(story, "Ada, a member for two months");
    sign_up(&ada);
    enrol(&ada);
    become_member(&ada);
    renew_and_refund(&ada);
    cancel(&ada);
    story->token = NULL;
}
