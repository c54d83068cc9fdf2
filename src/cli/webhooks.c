/*
 * `dues webhooks listen`: an endpoint for as long as the command runs, and a line for each attempt
 * to deliver to it.  The server itself sends, so what arrives is what will arrive later: headers,
 * signature, order, retries.
 */
#include "cli/cli.h"

#include <signal.h>
#include <time.h>

#include "base/text.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/print.h"
#include "dues/payment/v1/payment_service.pb-c.h"

#define LOOK_NS   300000000L
#define PAGE_SIZE 50
#define SEEN_MAX  256

typedef Dues__Payment__V1__WebhookDelivery Delivery;

/* A delivery of which so many attempts were told. */
struct seen {
    char name[160];
    int32_t attempts;
};

struct listen {
    struct wish wish;
    const char *url;
    struct command_texts types;
    char endpoint[64];
    struct seen seen[SEEN_MAX];
    size_t next_seen;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int make_endpoint(struct listen *listen)
{
    static char description[] = "dues webhooks listen";
    Dues__Payment__V1__CreateWebhookEndpointRequest request =
        DUES__PAYMENT__V1__CREATE_WEBHOOK_ENDPOINT_REQUEST__INIT;
    Dues__Payment__V1__WebhookEndpoint endpoint = DUES__PAYMENT__V1__WEBHOOK_ENDPOINT__INIT;
    int exit_status = EXIT_SUCCESS;

    endpoint.url = request_text(listen->url);
    endpoint.event_types = listen->types.items;
    endpoint.n_event_types = listen->types.count;
    endpoint.description = description;
    request.webhook_endpoint = &endpoint;
    struct dues_answer *answer =
        ask_payments(listen->wish.client, "CreateWebhookEndpoint", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    const Dues__Payment__V1__WebhookEndpoint *made = (const void *)answer->reply;
    snprintf(listen->endpoint, sizeof(listen->endpoint), "%s", made->name);
    printf("%s delivers to %s until this ends; its secret is\n%s\n", made->name, made->url,
           made->secret);
    fflush(stdout);
    dues_answer_free(answer);
    return EXIT_SUCCESS;
}

static void delete_endpoint(struct listen *listen)
{
    Dues__Payment__V1__DeleteWebhookEndpointRequest request =
        DUES__PAYMENT__V1__DELETE_WEBHOOK_ENDPOINT_REQUEST__INIT;
    int exit_status;

    request.name = listen->endpoint;
    dues_answer_free(
        ask_payments(listen->wish.client, "DeleteWebhookEndpoint", &request.base, &exit_status));
}

/* The oldest is forgotten for a new one. */
static struct seen *seen_of(struct listen *listen, const char *name)
{
    for (size_t i = 0; i < SEEN_MAX; i++) {
        if (text_equal(listen->seen[i].name, name))
            return &listen->seen[i];
    }
    struct seen *seen = &listen->seen[listen->next_seen++ % SEEN_MAX];
    snprintf(seen->name, sizeof(seen->name), "%s", name);
    seen->attempts = 0;
    return seen;
}

static void print_attempt(const Delivery *delivery,
                          const Dues__Payment__V1__WebhookAttempt *attempt)
{
    print_time(stdout, attempt->attempt_time);
    printf("  %s  %s  %lld  %s %d", delivery->event_type, delivery->customer,
           (long long)delivery->sequence, attempt->problem[0] == '\0' ? "delivered" : "failed",
           (int)attempt->status);
    if (attempt->latency != NULL)
        printf("  %lld ms",
               (long long)attempt->latency->seconds * 1000 + attempt->latency->nanos / 1000000);
    printf("%s%s\n", attempt->problem[0] == '\0' ? "" : "  ", attempt->problem);
}

static void print_delivery(struct listen *listen, const Delivery *delivery)
{
    struct seen *seen = seen_of(listen, delivery->name);
    size_t fresh = (size_t)(delivery->attempt_count - seen->attempts);

    if (fresh > delivery->n_attempts)
        fresh = delivery->n_attempts;
    for (size_t i = delivery->n_attempts - fresh; i < delivery->n_attempts; i++)
        print_attempt(delivery, delivery->attempts[i]);
    seen->attempts = delivery->attempt_count;
}

static int look(struct listen *listen)
{
    Dues__Payment__V1__ListWebhookDeliveriesRequest request =
        DUES__PAYMENT__V1__LIST_WEBHOOK_DELIVERIES_REQUEST__INIT;
    int exit_status = EXIT_SUCCESS;

    request.parent = listen->endpoint;
    request.page_size = PAGE_SIZE;
    struct dues_answer *answer =
        ask_payments(listen->wish.client, "ListWebhookDeliveries", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    const Dues__Payment__V1__ListWebhookDeliveriesResponse *reply = (const void *)answer->reply;
    for (size_t i = reply->n_webhook_deliveries; i-- > 0;)
        print_delivery(listen, reply->webhook_deliveries[i]);
    fflush(stdout);
    dues_answer_free(answer);
    return EXIT_SUCCESS;
}

static int follow(void *given)
{
    struct listen *listen = given;
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    const struct sigaction action = {.sa_handler = stop};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int exit_status = make_endpoint(listen);
    if (exit_status != EXIT_SUCCESS)
        return exit_status;
    while (!stopped && exit_status == EXIT_SUCCESS) {
        exit_status = look(listen);
        if (!stopped)
            nanosleep(&pause, NULL);
    }
    delete_endpoint(listen);
    return exit_status;
}

static const struct command_option options[] = {
    {"forward-to", VALUE_TEXT, offsetof(struct listen, url), .words = {"listen"},
     .is_needed = true},
    {"type", VALUE_TEXTS, offsetof(struct listen, types), .words = {"listen"}},
};

int command_webhooks(int argc, char **argv)
{
    static const struct command_word words[] = {{"listen", follow, NULL}};
    static const struct command command = {
        .name = "webhooks",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .connects = true,
    };
    struct listen listen = {.url = NULL};

    return command_run(&command, &listen.wish, argc, argv);
}
