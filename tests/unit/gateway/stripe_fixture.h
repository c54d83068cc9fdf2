/*
 * The Stripe gateway and a server that answers from a script.
 */
#pragma once

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fiber.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "gateway/stripe/stripe.h"
#include "support/https_server.h"

#define SECRET    "sk_test_51abcdefXYZ"
#define REFERENCE "0197a1b2-0000-7000-8000-000000000001"
#define NOTE      "capture_0197a1b2000070008000000000000001"
#define PAYMENT   "0197a1b2-0000-7000-8000-000000000002"
#define CUSTOMER  "0197a1b2-0000-7000-8000-000000000003"
#define METADATA  "\"metadata\":{\"attempt_id\":\"" REFERENCE "\",\"payment_id\":\"" PAYMENT "\"}"
#define INTENT(more)                                                                               \
    "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"livemode\":false,\"amount\":1999,"           \
    "\"currency\":\"usd\"," METADATA "," more "}"
#define PAID                                                                                       \
    INTENT("\"capture_method\":\"automatic\",\"status\":\"succeeded\",\"amount_received\":1999")
#define WORKING INTENT("\"capture_method\":\"automatic\",\"status\":\"processing\"")
#define HELD(received, more)                                                                       \
    "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"livemode\":false,\"amount\":5000,"           \
    "\"currency\":\"usd\",\"capture_method\":\"manual\",\"amount_received\":" received             \
    ",\"metadata\":{\"attempt_id\":\"x\",\"payment_id\":\"" PAYMENT "\"" more "}"
#define REFUNDED                                                                                   \
    "{\"id\":\"re_1\",\"object\":\"refund\",\"payment_intent\":\"pi_1\",\"amount\":1999,"          \
    "\"currency\":\"usd\",\"status\":\"succeeded\"," METADATA "}"
#define CARD                                                                                       \
    "\"type\":\"card\",\"card\":{\"brand\":\"visa\",\"last4\":\"4242\",\"exp_month\":12,"          \
    "\"exp_year\":2034}"
#define LIST(elements) "{\"object\":\"list\",\"has_more\":false,\"data\":[" elements "]}"
#define PI_PATH        "/v1/payment_intents/pi_1"
#define PI_GET         PI_PATH "?expand%5B0%5D=latest_charge"
#define LIST_GET       "/v1/payment_intents?customer=cus_1&limit=30"
#define SEARCH_GET                                                                                 \
    "/v1/payment_intents/search"                                                                   \
    "?query=metadata%5B%27attempt_id%27%5D%3A%27" REFERENCE "%27&limit=1"
#define STEPS_MAX 6

struct step {
    const char *method;
    const char *target;
    const char *body; /* contained; NULL: none */
    int status;
    const char *headers; /* NULL: none */
    const char *answer;
    bool is_lost; /* the answer never comes */
};

struct fixture {
    struct fiber_pool *fibers;
    struct house house;
    struct call call;
    const char *secret; /* what requests must have */
    struct https_server *server;
    struct stripe *stripe;
    const struct gateway *gateway;
    struct gateway_request request;
    struct gateway_answer answer;
    struct gateway_card card;
    const struct error *error;
    const char *token;

    struct step steps[STEPS_MAX];
    int asked;
    char keys[STEPS_MAX][128];
    bool went_wrong;
};

/* With DUES_STRIPE_MOCK, a port, stripe-mock judges the form of what was asked. */
static inline bool is_well_formed(const struct https_seen *seen)
{
    const char *port = getenv("DUES_STRIPE_MOCK");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char answer[16384] = "";
    size_t used = 0;
    ssize_t got;

    if (port == NULL)
        return true;
    address.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    int mock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(mock, (struct sockaddr *)(void *)&address, sizeof address) != 0 ||
        dprintf(mock, "%.*sConnection: close\r\n\r\n%s", (int)strlen(seen->head) - 2, seen->head,
                seen->body) < 0) {
        close(mock);
        return false;
    }
    while (used < sizeof answer - 1 &&
           (got = recv(mock, answer + used, sizeof answer - 1 - used, 0)) > 0)
        used += (size_t)got;
    close(mock);
    if (strncmp(answer, "HTTP/1.1 200 ", 13) == 0)
        return true;
    print_error("stripe-mock: %s\n", answer);
    return false;
}

static inline bool fits(const struct fixture *f, const struct step *step,
                        const struct https_seen *seen)
{
    char key[128];

    snprintf(key, sizeof key, "\r\nAuthorization: Bearer %s\r\n", f->secret);
    return step->method != NULL && strcmp(step->method, seen->method) == 0 &&
           strcmp(step->target, seen->target) == 0 &&
           (step->body == NULL || strstr(seen->body, step->body) != NULL) &&
           strstr(seen->head, key) != NULL &&
           strstr(seen->head, "\r\nStripe-Version: " STRIPE_VERSION "\r\n") != NULL;
}

static inline void handle(void *owner, const struct https_seen *seen, struct https_act *act)
{
    struct fixture *f = owner;
    const struct step *step = &f->steps[f->asked < STEPS_MAX ? f->asked : 0];
    const char *key = strstr(seen->head, "\r\nIdempotency-Key: ");

    if (f->asked == STEPS_MAX || !fits(f, step, seen) || !is_well_formed(seen)) {
        print_error("request %d: %s\n%s\n", f->asked, seen->head, seen->body);
        f->went_wrong = true;
        https_answer(act, 418, "", "");
        return;
    }
    if (key != NULL)
        (void)sscanf(key, "\r\nIdempotency-Key: %127s", f->keys[f->asked]);
    f->asked++;
    https_answer(act, step->status, step->headers != NULL ? step->headers : "", step->answer);
    if (step->is_lost) {
        act->size = 0;
        act->end = HTTPS_RESET;
    }
}

static inline int setup(void **state)
{
    static struct fixture f;
    const struct https_options server = {.handle = handle, .owner = &f};
    char problem[STRIPE_PROBLEM_SIZE] = "";
    char url[64];

    memset(&f, 0, sizeof f);
    f.secret = SECRET;
    f.fibers = fiber_pool_open(4);
    f.server = https_server_open(&server);
    snprintf(url, sizeof url, "https://localhost:%d", https_server_port(f.server));
    const struct stripe_options options = {
        .url = url,
        .secret_key = SECRET,
        .ca_file = https_server_ca_file(f.server),
        .return_url = "",
        .timeout_ms = 20000,
        .active_max = 4,
    };
    f.stripe = stripe_open(&options, problem);
    if (f.stripe == NULL) {
        print_error("%s\n", problem);
        return -1;
    }
    f.gateway = stripe_gateway(f.stripe);
    f.house = (struct house){.clock = clock_system(), .random = random_system()};
    f.call = (struct call){
        .arena = arena_new(16 * 1024 * 1024),
        .house = &f.house,
        .deadline_us = clock_monotonic_us(clock_system()) + 60 * US_PER_SECOND,
        .customer = CUSTOMER,
        .caller = {.kind = CALLER_SERVICE, .spiffe_id = "spiffe://dues.local/service/test"},
        .request_id = "",
    };
    f.request = (struct gateway_request){
        .operation = GATEWAY_CHARGE,
        .idempotency_key = "key-of-the-attempt",
        .reference = REFERENCE,
        .payment = PAYMENT,
        .amount = money_make("USD", 1999),
        .token = "cus_1/pm_1",
        .transaction = "",
    };
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    stripe_close(f->stripe);
    https_server_close(f->server);
    fiber_pool_close(f->fibers);
    arena_free(f->call.arena);
    return 0;
}

static inline void run_send(void *argument)
{
    struct fixture *f = argument;

    f->gateway->send(f->gateway, &f->call, &f->request, &f->answer);
}

static inline void run_query(void *argument)
{
    struct fixture *f = argument;

    f->gateway->query(f->gateway, &f->call, &f->request, &f->answer);
}

static inline void run_describe(void *argument)
{
    struct fixture *f = argument;

    f->error = f->gateway->describe(f->gateway, &f->call, f->token, &f->card);
}

static inline struct step get(const char *target, int status, const char *answer)
{
    return (struct step){"GET", target, NULL, status, NULL, answer, false};
}

static inline struct step post(const char *target, const char *body, int status, const char *answer)
{
    return (struct step){"POST", target, body, status, NULL, answer, false};
}

/* What was answered before to the same key. */
static inline struct step replayed(int status, const char *answer)
{
    struct step step = post("/v1/payment_intents", NULL, status, answer);

    step.headers = "Idempotent-Replayed: true\r\n";
    return step;
}

static inline void given(struct fixture *f, int index, struct step step)
{
    f->steps[index] = step;
}

static inline void given_operation(struct fixture *f, enum gateway_operation operation)
{
    f->request.operation = operation;
    f->request.transaction = "pi_1";
}

static inline void then(const struct fixture *f, enum gateway_outcome outcome, int asked)
{
    if (f->answer.outcome != outcome)
        print_error("%s: %s\n", gateway_outcome_name(f->answer.outcome), f->answer.evidence);
    assert_int_equal(f->answer.outcome, outcome);
    assert_int_equal(f->asked, asked);
    assert_false(f->went_wrong);
}
