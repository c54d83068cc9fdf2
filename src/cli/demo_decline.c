/*
 * Ben: his card pays the first time only.  He does nothing about it, loses access after the grace,
 * and his membership after three weeks.
 */
#include "cli/demo.h"

#include "dues/sandbox/v1/sandbox_service.pb-c.h"

#define MEMBERSHIP_STATE dues__membership__v1__membership__state__descriptor

struct ben {
    struct story *story;
    const char *clock;
    const char *customer;
    const char *membership;
};

static void join(struct ben *ben)
{
    struct story *story = ben->story;
    story_say(story, "Another service makes the customer Ben, on a clock of his own");
    const Dues__Sandbox__V1__TestClock *clock =
        story_call(story, SPEAKER_SERVICE, "Sandbox/CreateTestClock",
                   "{'test_clock': {'clock_time': '2026-03-10T08:00:00Z'}}");
    if (clock == NULL)
        return;
    ben->clock = clock->name;
    const Dues__Membership__V1__Customer *customer =
        story_call(story, SPEAKER_SERVICE, "Membership/CreateCustomer",
                   "{'customer': {'display_name': 'Ben', 'test_clock': '%s'},"
                   " 'request_id': 'ben-%s'}",
                   clock->name, story->run);
    if (customer == NULL)
        return;
    ben->customer = customer->name;
    story->customers[story->customer_count++] = customer->name;
    story_tell(story, "%s", customer->name);

    story_say(story, "His card will pay once and then be declined");
    const Dues__Payment__V1__PaymentMethod *method = story_call(
        story, SPEAKER_SERVICE, "Payment/CreatePaymentMethod",
        "{'parent': '%s', 'payment_method': {'gateway_token':"
        " 'tok_declinesFromSecondCharge', " STORY_MANDATE "}, 'request_id': 'ben-card-%s'}",
        ben->customer, story->run);
    if (method == NULL)
        return;
    const Dues__Membership__V1__Membership *membership =
        story_call(story, SPEAKER_SERVICE, "Membership/CreateMembership",
                   "{'parent': '%s', 'membership': {'plan': 'plans/platinum-monthly',"
                   " 'payment_method': '%s'}, 'skip_trial': true, 'request_id': 'ben-join-%s'}",
                   ben->customer, method->name, story->run);
    if (membership == NULL)
        return;
    ben->membership = membership->name;
    story->expected_minor += 1999;
    story_tell(story, "%s, %s until %s",
               story_enum(&MEMBERSHIP_STATE, (int)membership->state, "STATE_"), membership->tier,
               story_time(story, membership->current_period_end_time));
    story_expect(story, membership->state == DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_ACTIVE,
                 "the membership to be ACTIVE");
}

/* Reads the membership and expects it to stand like this. */
static const Dues__Membership__V1__Membership *
expect_state(struct ben *ben, Dues__Membership__V1__Membership__State state)
{
    struct story *story = ben->story;
    const Dues__Membership__V1__Membership *membership = story_call(
        story, SPEAKER_SERVICE, "Membership/GetMembership", "{'name': '%s'}", ben->membership);
    if (membership == NULL)
        return NULL;
    story_tell(story, "%s", story_enum(&MEMBERSHIP_STATE, (int)membership->state, "STATE_"));
    story_expect(story, membership->state == state, "the membership to be %s",
                 story_enum(&MEMBERSHIP_STATE, (int)state, "STATE_"));
    return membership;
}

static void go_unpaid(struct ben *ben)
{
    struct story *story = ben->story;
    story_say(story, "A month later the card is declined");
    if (!story_advance(story, ben->clock, "2026-04-10T09:00:00Z"))
        return;
    const Dues__Membership__V1__Membership *membership =
        expect_state(ben, DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_PAST_DUE);
    if (membership == NULL)
        return;
    const Dues__Payment__V1__Decline *decline = membership->last_decline;
    if (story_expect(story, decline != NULL, "a decline") && decline != NULL)
        story_tell(story, "%s; next try %s", decline->customer_message,
                   story_time(story, membership->next_charge_time));
    story_say(story, "He keeps what he has for the grace of seven days");
    story_access(story, ben->customer, "video.4k", true);
    story_say(story, "Eight days and four tries later");
    if (story_advance(story, ben->clock, "2026-04-18T09:00:00Z"))
        story_access(story, ben->customer, "video.4k", false);
    story_say(story, "After three weeks nobody tries any more");
    if (!story_advance(story, ben->clock, "2026-05-02T09:00:00Z"))
        return;
    expect_state(ben, DUES__MEMBERSHIP__V1__MEMBERSHIP__STATE__STATE_CANCELED);
    story_access(story, ben->customer, "video.4k", false);
    story_change(story, "he paid one month and had one month and a week");
}

void chapter_decline(struct story *story)
{
    struct ben ben = {.story = story};
    story_chapter(story, "Ben, whose card stops working");
    join(&ben);
    go_unpaid(&ben);
}
