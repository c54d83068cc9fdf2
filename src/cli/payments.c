/*
 * `dues payments`: a customer's payments for whoever answers the telephone, and their refunds.
 */
#include "cli/payments.h"

#include "base/text.h"
#include "cli/cli.h"
#include "cli/json.h"

#define ARENA_SIZE_MAX (64U << 20)
#define LIMIT_DEFAULT  50
#define PAGE_SIZE_MAX  100

enum {
    OPTION_CUSTOMER = OPTION_OTHER,
    OPTION_FILTER,
    OPTION_LIMIT,
    OPTION_PAGE,
    OPTION_ALL,
    OPTION_AMOUNT,
    OPTION_REASON,
    OPTION_REQUEST_ID,
};

struct dues_answer *ask_payments(struct dues_client *client, const char *method,
                                 const ProtobufCMessage *request, int *exit_status)
{
    return ask(client, &dues__payment__v1__payment_service__descriptor, method, request,
               exit_status);
}

static void print_page(const struct payments_wish *wish,
                       const Dues__Payment__V1__ListPaymentsResponse *page)
{
    for (size_t i = 0; i < page->n_payments; i++) {
        if (wish->as_json)
            print_json_line(stdout, &page->payments[i]->base);
        else
            print_payment_row(stdout, wish->arena, page->payments[i]);
    }
}

/* One page after the other, until there are as many as were asked for. */
int payments_list(struct payments_wish *wish)
{
    Dues__Payment__V1__ListPaymentsRequest request = DUES__PAYMENT__V1__LIST_PAYMENTS_REQUEST__INIT;
    int64_t left = wish->limit > 0 ? wish->limit : LIMIT_DEFAULT;
    int exit_status = EXIT_SUCCESS;

    request.parent = request_text(customer_name(wish->arena, wish->customer));
    request.filter = request_text(wish->filter == NULL ? "" : wish->filter);
    request.page_token = request_text(wish->page == NULL ? "" : wish->page);
    if (!wish->as_json)
        print_payment_head(stdout);
    do {
        request.page_size = wish->all || left > PAGE_SIZE_MAX ? PAGE_SIZE_MAX : (int32_t)left;
        struct dues_answer *answer =
            ask_payments(wish->client, "ListPayments", &request.base, &exit_status);
        if (answer == NULL)
            return exit_status;
        const Dues__Payment__V1__ListPaymentsResponse *page = (const void *)answer->reply;
        print_page(wish, page);
        left -= (int64_t)page->n_payments;
        request.page_token = arena_strdup(wish->arena, page->next_page_token);
        dues_answer_free(answer);
    } while (request.page_token[0] != '\0' && (wish->all || left > 0));
    if (request.page_token[0] != '\0')
        fprintf(stderr, "dues: there are more: --page %s goes on, --all shows all\n",
                request.page_token);
    return EXIT_SUCCESS;
}

/* Adds the payment's refunds to the JSON object, or prints them. */
static int tell_refunds(struct payments_wish *wish, json_t *payment)
{
    Dues__Payment__V1__ListRefundsRequest request = DUES__PAYMENT__V1__LIST_REFUNDS_REQUEST__INIT;
    json_t *refunds = json_array();
    int exit_status = EXIT_SUCCESS;

    request.parent = request_text(wish->name);
    request.page_size = PAGE_SIZE_MAX;
    do {
        struct dues_answer *answer =
            ask_payments(wish->client, "ListRefunds", &request.base, &exit_status);
        if (answer == NULL)
            break;
        const Dues__Payment__V1__ListRefundsResponse *page = (const void *)answer->reply;
        for (size_t i = 0; i < page->n_refunds; i++) {
            json_array_append_new(refunds, message_to_json(wish->arena, &page->refunds[i]->base));
            if (!wish->as_json)
                print_refund(stdout, wish->arena, page->refunds[i]);
        }
        request.page_token = arena_strdup(wish->arena, page->next_page_token);
        dues_answer_free(answer);
    } while (request.page_token[0] != '\0');
    json_object_set_new(payment, "refunds", refunds);
    return exit_status;
}

/* customers/ID of customers/ID/payments/ID. */
static const char *owner_of(const struct payments_wish *wish)
{
    const char *rest = strstr(wish->name, "/payments/");

    return rest == NULL ? "" : arena_strndup(wish->arena, wish->name, (size_t)(rest - wish->name));
}

/* Likewise its disputes. */
static int tell_disputes(struct payments_wish *wish, json_t *payment)
{
    Dues__Payment__V1__ListDisputesRequest request = DUES__PAYMENT__V1__LIST_DISPUTES_REQUEST__INIT;
    json_t *disputes = json_array();
    int exit_status = EXIT_SUCCESS;

    request.parent = request_text(owner_of(wish));
    request.payment = request_text(wish->name);
    request.page_size = PAGE_SIZE_MAX;
    do {
        struct dues_answer *answer =
            ask_payments(wish->client, "ListDisputes", &request.base, &exit_status);
        if (answer == NULL)
            break;
        const Dues__Payment__V1__ListDisputesResponse *page = (const void *)answer->reply;
        for (size_t i = 0; i < page->n_disputes; i++) {
            json_array_append_new(disputes, message_to_json(wish->arena, &page->disputes[i]->base));
            if (!wish->as_json)
                print_dispute(stdout, wish->arena, page->disputes[i]);
        }
        request.page_token = arena_strdup(wish->arena, page->next_page_token);
        dues_answer_free(answer);
    } while (request.page_token[0] != '\0');
    json_object_set_new(payment, "disputes", disputes);
    return exit_status;
}

int payments_get(struct payments_wish *wish)
{
    Dues__Payment__V1__GetPaymentRequest request = DUES__PAYMENT__V1__GET_PAYMENT_REQUEST__INIT;
    int exit_status = EXIT_SUCCESS;

    request.name = request_text(wish->name);
    struct dues_answer *answer =
        ask_payments(wish->client, "GetPayment", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    const Dues__Payment__V1__Payment *payment = (const void *)answer->reply;
    json_t *json = message_to_json(wish->arena, &payment->base);
    if (!wish->as_json)
        print_payment(stdout, wish->arena, payment);
    exit_status = tell_refunds(wish, json);
    if (exit_status == EXIT_SUCCESS)
        exit_status = tell_disputes(wish, json);
    if (wish->as_json && exit_status == EXIT_SUCCESS) {
        json_dumpf(json, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(json);
    dues_answer_free(answer);
    return exit_status;
}

/* EXIT_SUCCESS, or what is wrong with an option was said. */
static int read_option(struct payments_wish *wish, int option, const char *value)
{
    const char **const slots[] = {
        [0] = &wish->customer,
        [OPTION_FILTER - OPTION_CUSTOMER] = &wish->filter,
        [OPTION_PAGE - OPTION_CUSTOMER] = &wish->page,
        [OPTION_AMOUNT - OPTION_CUSTOMER] = &wish->amount,
        [OPTION_REASON - OPTION_CUSTOMER] = &wish->reason,
        [OPTION_REQUEST_ID - OPTION_CUSTOMER] = &wish->request_id,
    };

    if (option == OPTION_ALL) {
        wish->all = true;
    } else if (option == OPTION_LIMIT) {
        if (!read_count(value, &wish->limit))
            return complain_usage("--limit needs a whole number above 0");
    } else if (option == 'o') {
        wish->as_json = text_equal(value, "json");
        if (!wish->as_json)
            return complain_usage("-o knows json, not \"%s\"", value);
    } else if (option >= OPTION_CUSTOMER && option <= OPTION_REQUEST_ID) {
        *slots[option - OPTION_CUSTOMER] = value;
    } else {
        return complain_option("payments");
    }
    return EXIT_SUCCESS;
}

/* What the word does not have, or does not know; NULL when the command line is in order. */
static const char *find_misuse(const struct payments_wish *wish, const char *word)
{
    bool lists = text_equal(word, "list");
    bool refunds = text_equal(word, "refund");

    if (lists && (wish->customer == NULL || wish->customer[0] == '\0'))
        return "payments list needs --customer";
    if (!lists &&
        (wish->customer != NULL || wish->filter != NULL || wish->page != NULL || wish->limit > 0))
        return "--customer, --filter, --limit and --page are for payments list";
    if (lists && wish->all && wish->limit > 0)
        return "--all and --limit exclude each other";
    if (!refunds && (wish->amount != NULL || wish->reason != NULL || wish->request_id != NULL))
        return "--amount, --reason and --request-id are for payments refund";
    if (refunds && (wish->amount != NULL) == wish->all)
        return "payments refund needs --amount or --all, one of them";
    return text_equal(word, "get") && wish->all ? "--all is for list and refund" : NULL;
}

static int run_word(struct payments_wish *wish, int argc, char **words)
{
    static const struct {
        const char *word;
        int (*run)(struct payments_wish *wish);
        int operands;
    } known[] = {
        {"list", payments_list, 0}, {"get", payments_get, 1}, {"refund", payments_refund, 1}};

    for (size_t i = 0; argc > 0 && i < ARRAY_LENGTH(known); i++) {
        if (!text_equal(words[0], known[i].word))
            continue;
        if (argc - 1 != known[i].operands)
            return complain_usage(known[i].operands == 0
                                      ? "payments %s takes options only"
                                      : "payments %s needs the name of one payment, "
                                        "customers/…/payments/…",
                                  words[0]);
        const char *misuse = find_misuse(wish, words[0]);
        if (misuse == NULL)
            misuse = connection_check(&wish->connection);
        if (misuse != NULL)
            return complain_usage("%s", misuse);
        wish->name = words[1];
        wish->client = ask_open(&wish->connection, wish->arena);
        if (wish->client == NULL)
            return EXIT_FAILURE;
        int exit_status = known[i].run(wish);
        dues_client_close(wish->client);
        return exit_status;
    }
    return complain_usage("payments knows list, get and refund");
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        CONNECTION_OPTIONS,
        {"customer", required_argument, NULL, OPTION_CUSTOMER},
        {"filter", required_argument, NULL, OPTION_FILTER},
        {"limit", required_argument, NULL, OPTION_LIMIT},
        {"page", required_argument, NULL, OPTION_PAGE},
        {"all", no_argument, NULL, OPTION_ALL},
        {"amount", required_argument, NULL, OPTION_AMOUNT},
        {"reason", required_argument, NULL, OPTION_REASON},
        {"request-id", required_argument, NULL, OPTION_REQUEST_ID},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct payments_wish wish = {.arena = arena};
    int option;

    while ((option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help_command("payments");
        if (connection_option(&wish.connection, option, optarg))
            continue;
        int exit_status = read_option(&wish, option, optarg);
        if (exit_status != EXIT_SUCCESS)
            return exit_status;
    }
    return run_word(&wish, argc - optind, argv + optind);
}

int command_payments(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
