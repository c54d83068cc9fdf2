/*
 * Chosen by the worker's dice: a deed is a few operations that follow from each other, and one that
 * is not known to have been done ends it.
 */
#include "deeds.h"

#define CLOCK_START     1767225600LL /* 2026-01-01T00:00:00Z */
#define MONTH_AND_A_BIT (32LL * 86400)
#define ADVANCES_MAX    200
#define CONFIRMS_MAX    4
/* The customer's way to the bank's page and back. */
#define CUSTOMER_MS 250

const struct worker_card deed_cards_of_sandbox[] = {
    {50, "tok_visa"},
    {9, "tok_timeoutAfterSuccess"},
    {5, "tok_timeoutBeforeSuccess"},
    {6, "tok_chargeDeclined"},
    {3, "tok_chargeDeclinedInsufficientFunds"},
    {2, "tok_authenticationRequired"},
    {5, "tok_threeDSecureRequired"},
    {2, "tok_threeDSecureRequiredChargeDeclined"},
    {4, "tok_declinesFromSecondCharge"},
    {4, "tok_pendingRefund"},
    {2, "tok_refundFail"},
    {6, "tok_refundFailsLater"},
    {2, "tok_captureDeclined"},
};

const struct worker_card deed_cards_of_stripe[] = {
    {60, "pm_card_visa"},
    {8, "pm_card_mastercard"},
    {8, "pm_card_chargeCustomerFail"},
    {10, "pm_card_authenticationRequired"},
    {4, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"},
    {5, "pm_card_pendingRefund"},
    {5, "pm_card_refundFail"},
};

static bool chance(struct worker *worker, uint64_t percent)
{
    return worker_below(worker, 100) < percent;
}

/* ---- Customers and cards ---- */

static const char *choose_token(struct worker *worker)
{
    const struct worker_card *card = worker->options.cards;
    uint64_t choice = worker_below(worker, 100);
    for (; choice >= card->weight; card++)
        choice -= card->weight;
    return card->token;
}

static void add_method(struct worker *worker, struct worker_customer *customer)
{
    if (customer->method_count == WORKER_METHODS_MAX)
        return;
    size_t index = worker_begin(worker, CREATE_PAYMENT_METHOD);
    struct operation *operation = &worker->operations[index];
    snprintf(operation->parent, sizeof(operation->parent), "%s", customer->name);
    snprintf(operation->token, sizeof(operation->token), "%s", choose_token(worker));
    if (worker_ask(worker, index, TRIES_UNDER_WAY))
        snprintf(customer->methods[customer->method_count++], NAME_SIZE, "%s",
                 worker->operations[index].name);
}

static void add_customer(struct worker *worker, bool on_clock)
{
    if (worker->customer_count == WORKER_CUSTOMERS_MAX)
        return;
    size_t index = worker_begin(worker, CREATE_CUSTOMER);
    if (on_clock)
        snprintf(worker->operations[index].method, NAME_SIZE, "%s", worker->clock);
    if (!worker_ask(worker, index, TRIES_UNDER_WAY))
        return;
    struct worker_customer *customer = &worker->customers[worker->customer_count++];
    snprintf(customer->name, sizeof(customer->name), "%s", worker->operations[index].name);
    add_method(worker, customer);
}

static void add_any_method(struct worker *worker)
{
    add_method(worker, &worker->customers[worker_below(worker, worker->customer_count)]);
}

/* NULL: none that could pay; there is one more then. */
static struct worker_customer *choose_customer(struct worker *worker)
{
    struct worker_customer *customer =
        worker->customer_count == 0
            ? NULL
            : &worker->customers[worker_below(worker, worker->customer_count)];
    if (customer != NULL && customer->method_count > 0)
        return customer;
    if (customer != NULL)
        add_method(worker, customer);
    else
        add_customer(worker, false);
    return NULL;
}

/* ---- Payments ---- */

/* About a payment, and nothing else said of it. */
static size_t begin_about(struct worker *worker, enum operation_kind kind,
                          const struct operation *about)
{
    struct operation template = *about; /* worker_begin may move the array */
    size_t index = worker_begin(worker, kind);
    memcpy(worker->operations[index].parent, template.name, NAME_SIZE);
    memcpy(worker->operations[index].currency, template.currency, sizeof(template.currency));
    return index;
}

/* Takes a part; what is `final` lets go of the rest. */
static size_t begin_capture(struct worker *worker, const struct operation *payment, bool final)
{
    int64_t part = payment->amount / 3;
    size_t index = begin_about(worker, CAPTURE_PAYMENT, payment);
    /* Of a currency with three decimals the card networks take two. */
    worker->operations[index].amount = part - part % 10;
    worker->operations[index].final = final;
    return index;
}

static void ask_mostly(struct worker *worker, size_t index)
{
    if (chance(worker, 5))
        worker_ask_with_twin(worker, index);
    else
        worker_ask(worker, index, TRIES_UNDER_WAY);
}

static void cancel(struct worker *worker, const struct operation *payment)
{
    ask_mostly(worker, begin_about(worker, CANCEL_PAYMENT, payment));
}

static void capture_rest(struct worker *worker, const struct operation *payment)
{
    ask_mostly(worker, begin_about(worker, CAPTURE_PAYMENT, payment));
}

/* Two captures, a capture and a void, at the same time. */
static void capture_in_a_race(struct worker *worker, const struct operation *payment)
{
    size_t first = begin_capture(worker, payment, false);
    size_t second = chance(worker, 60) ? begin_capture(worker, payment, chance(worker, 30))
                                       : begin_about(worker, CANCEL_PAYMENT, payment);
    worker_race(worker, first, second);
}

/* What becomes of an authorization; some are left alone. */
static void capture_or_cancel(struct worker *worker, const struct operation *held)
{
    struct operation payment = *held;
    uint64_t choice = worker_below(worker, 100);
    if (choice < 30) {
        capture_rest(worker, &payment);
    } else if (choice < 45) {
        ask_mostly(worker, begin_capture(worker, &payment, true));
    } else if (choice < 70) {
        ask_mostly(worker, begin_capture(worker, &payment, false));
        if (chance(worker, 70))
            ask_mostly(worker, begin_capture(worker, &payment, false));
        if (chance(worker, 50))
            capture_rest(worker, &payment);
        else
            cancel(worker, &payment);
    } else if (choice < 80) {
        capture_in_a_race(worker, &payment);
    } else if (choice < 95) {
        cancel(worker, &payment);
    }
}

/* The customer comes back, or the app asks too early. */
static void confirm(struct worker *worker, size_t payment)
{
    for (int i = 0; i < CONFIRMS_MAX; i++) {
        size_t index = begin_about(worker, CONFIRM_PAYMENT, &worker->operations[payment]);
        worker_ask(worker, index, TRIES_UNDER_WAY);
        const struct operation *confirmed = &worker->operations[index];
        if (confirmed->acknowledged && strcmp(confirmed->state, "REQUIRES_ACTION") != 0) {
            memcpy(worker->operations[payment].state, confirmed->state, sizeof(confirmed->state));
            worker->operations[payment].captured = confirmed->captured;
            return;
        }
        worker_pause_ms(CUSTOMER_MS);
    }
}

static size_t begin_payment(struct worker *worker, const struct worker_customer *customer)
{
    static const char currencies[][4] = {"USD", "USD", "USD", "EUR", "JPY", "KWD"};
    size_t index = worker_begin(worker, CREATE_PAYMENT);
    struct operation *operation = &worker->operations[index];
    memcpy(operation->parent, customer->name, NAME_SIZE);
    memcpy(operation->method, customer->methods[worker_below(worker, customer->method_count)],
           NAME_SIZE);
    operation->amount = 100 + 10 * (int64_t)worker_below(worker, 10000);
    memcpy(operation->currency, currencies[worker_below(worker, 6)], 4);
    operation->manual = chance(worker, 35);
    return index;
}

static void pay(struct worker *worker)
{
    const struct worker_customer *customer = choose_customer(worker);
    if (customer == NULL)
        return;
    size_t index = begin_payment(worker, customer);
    ask_mostly(worker, index);
    if (strcmp(worker->operations[index].state, "REQUIRES_ACTION") == 0 && chance(worker, 80))
        confirm(worker, index);
    if (strcmp(worker->operations[index].state, "REQUIRES_CAPTURE") == 0)
        capture_or_cancel(worker, &worker->operations[index]);
}

/* One of the last operations of a kind that was acknowledged in a state; NULL when none is. */
static const struct operation *recent(struct worker *worker, enum operation_kind kind,
                                      const char *state)
{
    for (size_t i = 0; i < 30 && worker->operation_count > 0; i++) {
        size_t span = worker->operation_count < 300 ? worker->operation_count : 300;
        const struct operation *operation =
            &worker->operations[worker->operation_count - 1 - worker_below(worker, span)];
        if (operation->kind == kind && operation->acknowledged &&
            (state == NULL || strcmp(operation->state, state) == 0))
            return operation;
    }
    return NULL;
}

/* A part of what was taken, or all that is left. */
static size_t begin_refund(struct worker *worker, const struct operation *payment)
{
    int64_t taken = payment->captured;
    size_t index = begin_about(worker, CREATE_REFUND, payment);
    int64_t part = taken == 0 ? 0 : (int64_t)worker_below(worker, (uint64_t)taken);
    if (chance(worker, 70))
        worker->operations[index].amount = part < 10 ? taken : part - part % 10;
    return index;
}

static void refund(struct worker *worker)
{
    const struct operation *payment =
        recent(worker, chance(worker, 60) ? CREATE_PAYMENT : CAPTURE_PAYMENT, "SUCCEEDED");
    if (payment == NULL)
        return;
    struct operation template = *payment;
    size_t first = begin_refund(worker, &template);
    if (chance(worker, 15))
        worker_race(worker, first, begin_refund(worker, &template));
    else
        ask_mostly(worker, first);
}

/* An authorization of some time ago. */
static void capture_later(struct worker *worker)
{
    const struct operation *payment = recent(worker, CREATE_PAYMENT, "REQUIRES_CAPTURE");
    if (payment != NULL)
        capture_or_cancel(worker, payment);
}

static void read_back(struct worker *worker)
{
    static const struct {
        enum operation_kind made;
        enum operation_kind read;
    } kinds[] = {{CREATE_PAYMENT, GET_PAYMENT},
                 {CREATE_PAYMENT, GET_PAYMENT},
                 {CREATE_REFUND, GET_REFUND},
                 {CREATE_MEMBERSHIP, GET_MEMBERSHIP}};
    size_t choice = worker_below(worker, sizeof(kinds) / sizeof(kinds[0]));
    const struct operation *made = recent(worker, kinds[choice].made, NULL);
    if (made == NULL)
        return;
    worker_ask(worker, begin_about(worker, kinds[choice].read, made), TRIES_UNDER_WAY);
}

/* A known request again, or its id with other content, which must be refused. */
static void send_again(struct worker *worker)
{
    static const enum operation_kind kinds[] = {CREATE_PAYMENT, CREATE_PAYMENT, CAPTURE_PAYMENT,
                                                CANCEL_PAYMENT, CREATE_REFUND};
    const struct operation *made =
        recent(worker, kinds[worker_below(worker, sizeof(kinds) / sizeof(kinds[0]))], NULL);
    if (made == NULL)
        return;
    struct operation again = *made;
    if (again.kind == CREATE_PAYMENT && chance(worker, 33)) {
        again.amount++;
        again.other_content = true;
    }
    worker_send_once(worker, &again);
    worker->counts.repeated++;
}

/* ---- Members and their months ---- */

static void subscribe(struct worker *worker)
{
    static const char *const plans[] = {"plans/premium-monthly", "plans/platinum-monthly"};
    add_customer(worker, worker->clock[0] != '\0' && worker_below(worker, 3) > 0);
    struct worker_customer *customer =
        worker->customer_count == 0 ? NULL : &worker->customers[worker->customer_count - 1];
    if (customer == NULL || customer->method_count == 0 || customer->has_membership)
        return;
    customer->has_membership = true;
    size_t index = worker_begin(worker, CREATE_MEMBERSHIP);
    struct operation *operation = &worker->operations[index];
    memcpy(operation->parent, customer->name, NAME_SIZE);
    memcpy(operation->method, customer->methods[0], NAME_SIZE);
    snprintf(operation->plan, sizeof(operation->plan), "%s", plans[worker_below(worker, 2)]);
    if (worker_ask(worker, index, TRIES_UNDER_WAY) && chance(worker, 10))
        worker_ask(worker, begin_about(worker, CANCEL_MEMBERSHIP, &worker->operations[index]),
                   TRIES_UNDER_WAY);
}

/* A month goes by for the worker's members: renewals, declines, retries. */
static void advance(struct worker *worker)
{
    int64_t target = worker->clock_seconds + MONTH_AND_A_BIT;
    if (worker->clock[0] == '\0' || target > CLOCK_START + ADVANCES_MAX * MONTH_AND_A_BIT)
        return;
    size_t index = worker_begin(worker, ADVANCE_TEST_CLOCK);
    memcpy(worker->operations[index].parent, worker->clock, NAME_SIZE);
    worker->operations[index].amount = target;
    worker_ask(worker, index, TRIES_UNDER_WAY);
    /* Known or not: the clock may have moved, and may not be sent back. */
    worker->clock_seconds = target;
}

void deed_first_customer(struct worker *worker)
{
    while (!worker_is_stopping(worker) && worker->customer_count == 0)
        add_customer(worker, false);
}

void deed_first_clock(struct worker *worker)
{
    while (!worker_is_stopping(worker) && worker->clock[0] == '\0') {
        size_t index = worker_begin(worker, CREATE_TEST_CLOCK);
        worker->operations[index].amount = CLOCK_START;
        if (!worker_ask(worker, index, TRIES_UNDER_WAY))
            continue;
        memcpy(worker->clock, worker->operations[index].name, NAME_SIZE);
        worker->clock_seconds = CLOCK_START;
    }
}

void deed_something(struct worker *worker)
{
    uint64_t choice = worker_below(worker, 1000);
    if (choice < 550)
        pay(worker);
    else if (choice < 660)
        refund(worker);
    else if (choice < 700)
        capture_later(worker);
    else if (choice < 800)
        read_back(worker);
    else if (choice < 880)
        send_again(worker);
    else if (choice < 930)
        add_customer(worker, false);
    else if (choice < 960)
        subscribe(worker);
    else if (choice < 985)
        add_any_method(worker);
    else
        advance(worker);
}

void deed_payment(struct worker *worker)
{
    pay(worker);
    if (chance(worker, 12))
        refund(worker);
    if (chance(worker, 3))
        capture_later(worker);
    if (chance(worker, 10))
        read_back(worker);
    if (chance(worker, 3))
        send_again(worker);
    if (chance(worker, 4))
        add_customer(worker, false);
    if (chance(worker, 2))
        add_any_method(worker);
}
