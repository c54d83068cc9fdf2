/*
 * The look for new disputes at a gateway that does not answer, answers nonsense or takes too long:
 * the next look goes on, nothing is lost and nothing is there twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/fiber.h"
#include "base/settings.h"
#include "base/time.h"
#include "payment/dispute.h"
#include "support/rpc_dispute.h"

#define AWAIT_LOOKS 1200
#define AWAIT_US    50000

enum lie {
    HONEST,
    NO_LIST,          /* a 500, say */
    NO_LIST_FOR_LONG, /* nothing until the exchange's time is over */
    LIST_OF_NONSENSE, /* ids that nobody has, before those that are */
    LIST_BREAKS_OFF,  /* one page, and then never the next */
    NO_DISPUTE,
    DISPUTE_OF_NOTHING,
    ANOTHER_DISPUTE,
};

/* The fixture's sandbox behind a gateway that lies as it is told. */
struct liar {
    struct gateway gateway; /* first */
    const struct gateway *honest;
    _Atomic enum lie lie;
    atomic_int lies;
};

static struct liar *liar_of(const struct gateway *gateway)
{
    return (struct liar *)(uintptr_t)gateway;
}

static bool list(const struct gateway *gateway, struct call *call, int64_t since_us,
                 const char *cursor, struct gateway_dispute_page *page)
{
    struct liar *liar = liar_of(gateway);
    const enum lie lie = atomic_load(&liar->lie);

    *page = (struct gateway_dispute_page){.next = ""};
    if (lie == NO_LIST_FOR_LONG)
        fiber_sleep(200 * US_PER_MS);
    if (lie == NO_LIST || lie == NO_LIST_FOR_LONG ||
        (lie == LIST_BREAKS_OFF && cursor[0] != '\0')) {
        atomic_fetch_add(&liar->lies, 1);
        return false;
    }
    if (lie == LIST_BREAKS_OFF) {
        page->ids[page->count++] = "dp_of_nobody";
        page->next = "dp_of_nobody";
        return true;
    }
    bool is_listed = liar->honest->list_disputes(liar->honest, call, since_us, cursor, page);
    if (lie == LIST_OF_NONSENSE && is_listed && page->count < GATEWAY_DISPUTE_PAGE_MAX) {
        page->ids[page->count++] = page->ids[0];
        page->ids[0] = "../nonsense";
        atomic_fetch_add(&liar->lies, 1);
    }
    return is_listed;
}

static enum gateway_outcome get(const struct gateway *gateway, struct call *call, const char *id,
                                struct gateway_dispute *dispute)
{
    struct liar *liar = liar_of(gateway);
    enum gateway_outcome outcome = liar->honest->get_dispute(liar->honest, call, id, dispute);
    const enum lie lie = atomic_load(&liar->lie);

    if (lie != NO_DISPUTE && lie != DISPUTE_OF_NOTHING && lie != ANOTHER_DISPUTE)
        return outcome;
    atomic_fetch_add(&liar->lies, 1);
    if (lie == NO_DISPUTE)
        return GATEWAY_UNKNOWN;
    if (lie == DISPUTE_OF_NOTHING)
        dispute->amount.minor_units = 0;
    else
        dispute->id = "dp_of_another";
    return outcome;
}

struct stage {
    struct rpc_fixture *f;
    struct liar liar;
    struct gateways gateways;
    struct settings settings;
    struct house house;
    struct dispute_poll *poll;
};

/* A server that looks every second, beside the fixture's own that never does. */
static void begin(struct stage *stage, struct rpc_fixture *f, enum lie lie)
{
    stage->f = f;
    stage->liar.honest = f->house->gateways->list[0];
    stage->liar.gateway = *stage->liar.honest;
    stage->liar.gateway.list_disputes = list;
    stage->liar.gateway.get_dispute = get;
    atomic_store(&stage->liar.lie, lie);
    stage->gateways = (struct gateways){.list = {&stage->liar.gateway}, .count = 1};
    stage->settings = *f->house->settings;
    stage->settings.dispute_poll_seconds = 1;
    stage->house = *f->house;
    stage->house.gateways = &stage->gateways;
    stage->house.settings = &stage->settings;
    stage->poll = dispute_poll_open(&stage->house);
    dispute_poll_start(stage->poll);
}

static void end(struct stage *stage)
{
    dispute_poll_stop(stage->poll);
    dispute_poll_close(stage->poll);
}

static void await_lies(struct stage *stage, int count)
{
    for (int i = 0; i < AWAIT_LOOKS; i++) {
        if (atomic_load(&stage->liar.lies) >= count)
            return;
        usleep(AWAIT_US);
    }
    bug("nobody looks any more after %d lies", atomic_load(&stage->liar.lies));
}

static int64_t disputes_of(struct rpc_fixture *f, const char *payment)
{
    return number_of(f, payment, "count(*) FROM dues.dispute");
}

static void await_dispute(struct rpc_fixture *f, const char *payment)
{
    for (int i = 0; i < AWAIT_LOOKS; i++) {
        if (disputes_of(f, payment) > 0)
            return;
        usleep(AWAIT_US);
    }
    bug("the dispute of %s is not learned of", payment);
}

static void assert_learned_once(struct rpc_fixture *f, const char *payment)
{
    assert_int_equal(disputes_of(f, payment), 1);
    assert_int_equal(event_count(f, payment, "dispute.opened"), 1);
    assert_int_equal(balance_of(f, payment, "disputes"), 999);
    assert_int_equal(balance_of(f, payment, "fees"), 1500);
    assert_int_equal(payment_now(f, payment)->amount_disputed->minor_units, 999);
}

/* While it lies nothing is learned, and when it has stopped all is. */
static void learns_after(struct rpc_fixture *f, enum lie lie)
{
    struct stage stage = {0};
    const char *payment = given_payment(f, given_payer(f, "tok_createDispute"));

    begin(&stage, f, lie);
    await_lies(&stage, 2);
    int64_t meanwhile = disputes_of(f, payment);
    const char *later = given_payment(f, given_payer(f, "tok_createDispute"));
    atomic_store(&stage.liar.lie, HONEST);
    await_dispute(f, payment);
    await_dispute(f, later);
    end(&stage);

    assert_int_equal(meanwhile, 0);
    assert_learned_once(f, payment);
    assert_learned_once(f, later);
}

static void a_gateway_that_does_not_list_is_asked_again(void **state)
{
    learns_after(*state, NO_LIST);
}

static void a_list_that_takes_too_long_is_asked_for_again(void **state)
{
    learns_after(*state, NO_LIST_FOR_LONG);
}

static void a_list_that_breaks_off_is_read_from_its_beginning(void **state)
{
    learns_after(*state, LIST_BREAKS_OFF);
}

static void a_dispute_of_which_nothing_is_said_is_asked_for_again(void **state)
{
    learns_after(*state, NO_DISPUTE);
}

static void a_dispute_of_no_money_is_no_answer(void **state)
{
    learns_after(*state, DISPUTE_OF_NOTHING);
}

static void an_answer_about_another_dispute_is_no_answer(void **state)
{
    learns_after(*state, ANOTHER_DISPUTE);
}

static void what_the_gateway_does_not_know_keeps_nobody_from_the_others(void **state)
{
    struct rpc_fixture *f = *state;
    struct stage stage = {0};
    const char *payment = given_payment(f, given_payer(f, "tok_createDispute"));

    begin(&stage, f, LIST_OF_NONSENSE);
    await_dispute(f, payment);
    await_lies(&stage, 3);
    end(&stage);

    assert_learned_once(f, payment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_that_does_not_list_is_asked_again),
        cmocka_unit_test(a_list_that_takes_too_long_is_asked_for_again),
        cmocka_unit_test(a_list_that_breaks_off_is_read_from_its_beginning),
        cmocka_unit_test(a_dispute_of_which_nothing_is_said_is_asked_for_again),
        cmocka_unit_test(a_dispute_of_no_money_is_no_answer),
        cmocka_unit_test(an_answer_about_another_dispute_is_no_answer),
        cmocka_unit_test(what_the_gateway_does_not_know_keeps_nobody_from_the_others),
    };

    return cmocka_run_group_tests_name("dispute poll", tests, rpc_setup, rpc_teardown);
}
