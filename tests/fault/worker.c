/*
 * What one thread of the load does.  It never begins a second thing before it has asked for the
 * first a few times; what is then still not known is left for the end, as an application would.
 */
#include "worker.h"

#include <inttypes.h>
#include <pthread.h>

#include "client_log.h"

#define TRIES_UNDER_WAY 12
#define SETTLE_SECONDS  180
#define SETTLE_PAUSE_MS 500
#define PAUSE_MS        100
#define REPEATS_AT_END  400
#define CLOCK_START     1767225600LL /* 2026-01-01T00:00:00Z */
#define MONTH_AND_A_BIT (32LL * 86400)
#define ADVANCES_MAX    200

void worker_init(struct worker *worker, struct dues_client *client, struct client_log *log,
                 const char *run, long index, uint64_t seed, const atomic_bool *stop_wanted)
{
    *worker = (struct worker){
        .client = client,
        .log = log,
        .run = run,
        .index = index,
        .random = (seed + 1) * 0x9e3779b97f4a7c15ULL + (uint64_t)index * 0xbf58476d1ce4e5b9ULL + 1,
        .stop_wanted = stop_wanted,
    };
}

void worker_release(struct worker *worker)
{
    client_log_close(worker->log);
    free(worker->operations);
}

/* xorshift64*: the seed of the run says everything. */
static uint64_t below(struct worker *worker, uint64_t bound)
{
    worker->random ^= worker->random >> 12;
    worker->random ^= worker->random << 25;
    worker->random ^= worker->random >> 27;
    return ((worker->random * 0x2545f4914f6cdd1dULL) >> 32) % bound;
}

static void pause_ms(long duration_ms)
{
    struct timespec duration = {duration_ms / 1000, duration_ms % 1000 * 1000000};
    nanosleep(&duration, NULL);
}

static bool stopping(const struct worker *worker)
{
    return atomic_load(worker->stop_wanted);
}

/* Numbered in the order in which they are begun; the index stays valid when the array moves. */
static size_t begin(struct worker *worker, enum operation_kind kind)
{
    if (worker->operation_count == worker->operation_capacity) {
        worker->operation_capacity = worker->operation_capacity * 2 + 256;
        worker->operations =
            realloc(worker->operations, worker->operation_capacity * sizeof(*worker->operations));
        if (worker->operations == NULL)
            abort();
    }
    struct operation *operation = &worker->operations[worker->operation_count];
    *operation = (struct operation){.kind = kind, .currency = "USD"};
    snprintf(operation->request_id, sizeof(operation->request_id), "%s-%02ld-%06zu", worker->run,
             worker->index, worker->operation_count);
    worker->counts.begun++;
    return worker->operation_count++;
}

/* Sends it once and writes down both ends.  True when the answer settles it. */
static bool send_once(struct worker *worker, struct operation *operation)
{
    operation->tries++;
    worker->counts.calls++;
    client_log_intent(worker->log, operation);
    struct outcome outcome;
    struct dues_answer *answer;
    operation_send(worker->client, operation, &outcome, &answer);
    client_log_answer(worker->log, operation, &outcome);
    bool settled = outcome.definitive || outcome.waits;
    operation->in_flight = !settled && strcmp(outcome.status, "OK") == 0;
    if (settled) {
        operation->known = true;
        operation->acknowledged = outcome.reply != NULL && strcmp(outcome.status, "OK") == 0;
        snprintf(operation->name, sizeof(operation->name), "%s", outcome.name);
        snprintf(operation->state, sizeof(operation->state), "%s", outcome.state);
    } else {
        worker->counts.not_known++;
    }
    dues_answer_free(answer);
    return settled;
}

/*
 * Asks until it is known, or `tries_max` times; true when it is known to have been done.  What is
 * in flight is left for the end after a second look: its resolver takes seconds.
 */
static bool ask(struct worker *worker, size_t index, int tries_max)
{
    for (int i = 0; i < tries_max; i++) {
        if (send_once(worker, &worker->operations[index]))
            return worker->operations[index].acknowledged;
        if (worker->operations[index].in_flight && i > 0 && !stopping(worker))
            return false;
        pause_ms(PAUSE_MS + (long)below(worker, PAUSE_MS));
    }
    return false;
}

struct twin {
    struct worker *worker;
    struct operation operation;
};

static void *run_twin(void *arg)
{
    struct twin *twin = arg;
    struct outcome outcome;
    struct dues_answer *answer;
    twin->operation.tries = -1;
    client_log_intent(twin->worker->log, &twin->operation);
    operation_send(twin->worker->client, &twin->operation, &outcome, &answer);
    client_log_answer(twin->worker->log, &twin->operation, &outcome);
    dues_answer_free(answer);
    return NULL;
}

/* Two senders of one request at the same time: at most one charge, and one answer. */
static bool ask_with_twin(struct worker *worker, size_t index)
{
    struct twin twin = {.worker = worker, .operation = worker->operations[index]};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_twin, &twin) != 0)
        return ask(worker, index, TRIES_UNDER_WAY);
    send_once(worker, &worker->operations[index]);
    pthread_join(thread, NULL);
    if (worker->operations[index].known)
        return worker->operations[index].acknowledged;
    return ask(worker, index, TRIES_UNDER_WAY);
}

static const char *choose_token(struct worker *worker)
{
    static const struct {
        uint64_t weight;
        const char *token;
    } tokens[] = {
        {70, "tok_visa"},
        {8, "tok_timeoutAfterSuccess"},
        {4, "tok_timeoutBeforeSuccess"},
        {6, "tok_chargeDeclined"},
        {4, "tok_chargeDeclinedInsufficientFunds"},
        {3, "tok_authenticationRequired"},
        {5, "tok_declinesFromSecondCharge"},
    };
    uint64_t choice = below(worker, 100);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (choice < tokens[i].weight)
            return tokens[i].token;
        choice -= tokens[i].weight;
    }
    return tokens[0].token;
}

static void add_method(struct worker *worker, struct worker_customer *customer)
{
    if (customer->method_count == sizeof(customer->methods) / sizeof(customer->methods[0]))
        return;
    size_t index = begin(worker, CREATE_PAYMENT_METHOD);
    struct operation *operation = &worker->operations[index];
    snprintf(operation->parent, sizeof(operation->parent), "%s", customer->name);
    snprintf(operation->token, sizeof(operation->token), "%s", choose_token(worker));
    if (ask(worker, index, TRIES_UNDER_WAY))
        snprintf(customer->methods[customer->method_count++], NAME_SIZE, "%s",
                 worker->operations[index].name);
}

static void add_customer(struct worker *worker, bool on_clock)
{
    if (worker->customer_count == WORKER_CUSTOMERS_MAX)
        return;
    size_t index = begin(worker, CREATE_CUSTOMER);
    if (on_clock)
        snprintf(worker->operations[index].method, NAME_SIZE, "%s", worker->clock);
    if (!ask(worker, index, TRIES_UNDER_WAY))
        return;
    struct worker_customer *customer = &worker->customers[worker->customer_count++];
    snprintf(customer->name, sizeof(customer->name), "%s", worker->operations[index].name);
    add_method(worker, customer);
}

static struct worker_customer *choose_customer(struct worker *worker)
{
    if (worker->customer_count == 0)
        return NULL;
    struct worker_customer *customer = &worker->customers[below(worker, worker->customer_count)];
    return customer->method_count == 0 ? NULL : customer;
}

static void pay(struct worker *worker)
{
    static const char currencies[][4] = {"USD", "USD", "USD", "EUR", "JPY", "KWD"};
    struct worker_customer *customer = choose_customer(worker);
    if (customer == NULL) {
        add_customer(worker, false);
        return;
    }
    size_t index = begin(worker, CREATE_PAYMENT);
    struct operation *operation = &worker->operations[index];
    memcpy(operation->parent, customer->name, NAME_SIZE);
    memcpy(operation->method, customer->methods[below(worker, customer->method_count)], NAME_SIZE);
    operation->amount = 100 + (int64_t)below(worker, 100000);
    memcpy(operation->currency, currencies[below(worker, 6)], 4);
    if (below(worker, 100) < 5)
        ask_with_twin(worker, index);
    else
        ask(worker, index, TRIES_UNDER_WAY);
}

/* One of the last operations of a kind that was acknowledged in a state; NULL when none is. */
static const struct operation *recent(struct worker *worker, enum operation_kind kind,
                                      const char *state)
{
    for (size_t i = 0; i < 30 && worker->operation_count > 0; i++) {
        size_t span = worker->operation_count < 300 ? worker->operation_count : 300;
        const struct operation *operation =
            &worker->operations[worker->operation_count - 1 - below(worker, span)];
        if (operation->kind == kind && operation->acknowledged &&
            (state == NULL || strcmp(operation->state, state) == 0))
            return operation;
    }
    return NULL;
}

static void refund(struct worker *worker)
{
    const struct operation *payment = recent(worker, CREATE_PAYMENT, "SUCCEEDED");
    if (payment == NULL)
        return;
    struct operation template = *payment; /* begin may move the array */
    size_t index = begin(worker, CREATE_REFUND);
    struct operation *operation = &worker->operations[index];
    memcpy(operation->parent, template.name, NAME_SIZE);
    memcpy(operation->currency, template.currency, sizeof(operation->currency));
    if (below(worker, 3) > 0)
        operation->amount = 1 + (int64_t)below(worker, (uint64_t) template.amount);
    ask(worker, index, TRIES_UNDER_WAY);
}

static void read_back(struct worker *worker)
{
    bool of_payment = below(worker, 2) == 0;
    const struct operation *made =
        recent(worker, of_payment ? CREATE_PAYMENT : CREATE_MEMBERSHIP, NULL);
    if (made == NULL)
        return;
    struct operation template = *made;
    size_t index = begin(worker, of_payment ? GET_PAYMENT : GET_MEMBERSHIP);
    memcpy(worker->operations[index].parent, template.name, NAME_SIZE);
    ask(worker, index, TRIES_UNDER_WAY);
}

/* A known request again, or its id with other content, which must be refused. */
static void send_again(struct worker *worker)
{
    const struct operation *payment = recent(worker, CREATE_PAYMENT, NULL);
    if (payment == NULL)
        return;
    struct operation again = *payment;
    if (below(worker, 3) == 0) {
        again.amount++;
        again.other_content = true;
    }
    send_once(worker, &again);
    worker->counts.repeated++;
}

static void subscribe(struct worker *worker)
{
    static const char *const plans[] = {"plans/premium-monthly", "plans/platinum-monthly"};
    add_customer(worker, worker->clock[0] != '\0' && below(worker, 3) > 0);
    struct worker_customer *customer =
        worker->customer_count == 0 ? NULL : &worker->customers[worker->customer_count - 1];
    if (customer == NULL || customer->method_count == 0 || customer->has_membership)
        return;
    customer->has_membership = true;
    size_t index = begin(worker, CREATE_MEMBERSHIP);
    struct operation *operation = &worker->operations[index];
    memcpy(operation->parent, customer->name, NAME_SIZE);
    memcpy(operation->method, customer->methods[0], NAME_SIZE);
    snprintf(operation->plan, sizeof(operation->plan), "%s", plans[below(worker, 2)]);
    if (ask(worker, index, TRIES_UNDER_WAY) && below(worker, 10) == 0) {
        struct operation made = worker->operations[index];
        size_t cancel = begin(worker, CANCEL_MEMBERSHIP);
        memcpy(worker->operations[cancel].parent, made.name, NAME_SIZE);
        ask(worker, cancel, TRIES_UNDER_WAY);
    }
}

static void make_clock(struct worker *worker)
{
    size_t index = begin(worker, CREATE_TEST_CLOCK);
    worker->operations[index].amount = CLOCK_START;
    if (!ask(worker, index, TRIES_UNDER_WAY))
        return;
    memcpy(worker->clock, worker->operations[index].name, NAME_SIZE);
    worker->clock_seconds = CLOCK_START;
}

/* A month goes by for the worker's members: renewals, declines, retries. */
static void advance(struct worker *worker)
{
    int64_t target = worker->clock_seconds + MONTH_AND_A_BIT;
    if (worker->clock[0] == '\0' || target > CLOCK_START + ADVANCES_MAX * MONTH_AND_A_BIT)
        return;
    size_t index = begin(worker, ADVANCE_TEST_CLOCK);
    memcpy(worker->operations[index].parent, worker->clock, NAME_SIZE);
    worker->operations[index].amount = target;
    ask(worker, index, TRIES_UNDER_WAY);
    /* Known or not: the clock may have moved, and may not be sent back. */
    worker->clock_seconds = target;
}

static void do_something(struct worker *worker)
{
    uint64_t choice = below(worker, 1000);
    if (choice < 600)
        pay(worker);
    else if (choice < 700)
        refund(worker);
    else if (choice < 800)
        read_back(worker);
    else if (choice < 880)
        send_again(worker);
    else if (choice < 930)
        add_customer(worker, false);
    else if (choice < 960)
        subscribe(worker);
    else if (choice < 985)
        add_method(worker, &worker->customers[below(worker, worker->customer_count)]);
    else
        advance(worker);
}

/* One more try of each request that is not known; how many then still are not. */
static size_t ask_unknown(struct worker *worker)
{
    size_t unknown = 0;
    for (size_t i = 0; i < worker->operation_count; i++) {
        if (!worker->operations[i].known && !send_once(worker, &worker->operations[i]))
            unknown++;
    }
    return unknown;
}

/* Nobody is killed any more: what is not known must become known, and soon. */
static void settle(struct worker *worker)
{
    time_t until = time(NULL) + SETTLE_SECONDS;
    worker->counts.unsettled = ask_unknown(worker);
    while (worker->counts.unsettled > 0 && time(NULL) < until) {
        pause_ms(SETTLE_PAUSE_MS);
        worker->counts.unsettled = ask_unknown(worker);
    }
}

/* A recorded answer is the same after every crash; the newest ones suffered most. */
static void ask_everything_again(struct worker *worker)
{
    size_t first =
        worker->operation_count > REPEATS_AT_END ? worker->operation_count - REPEATS_AT_END : 0;
    for (size_t i = first; i < worker->operation_count; i++) {
        struct operation again = worker->operations[i];
        if (!again.acknowledged)
            continue;
        for (int try = 0; try < TRIES_UNDER_WAY && !send_once(worker, &again); try++)
            pause_ms(PAUSE_MS);
        worker->counts.repeated++;
    }
}

void *worker_run(void *arg)
{
    struct worker *worker = arg;
    while (!stopping(worker) && worker->customer_count == 0)
        add_customer(worker, false);
    while (!stopping(worker) && worker->clock[0] == '\0')
        make_clock(worker);
    while (!stopping(worker))
        do_something(worker);
    settle(worker);
    ask_everything_again(worker);
    return NULL;
}
