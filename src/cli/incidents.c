/*
 * `dues incidents`: what does not add up, for the operators who resolve it.  There is no method for
 * one incident, so `show` looks for it in its customer's list.
 */
#include "cli/cli.h"

#include <ctype.h>

#include "base/id.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/amount.h"
#include "cli/json.h"
#include "cli/payments.h"

#define ARENA_SIZE_MAX (64U << 20)
#define PAGE_SIZE_MAX  100

typedef Dues__Payment__V1__Incident Incident;

enum {
    OPTION_CUSTOMER = OPTION_OTHER,
    OPTION_KIND,
    OPTION_STATE,
    OPTION_RESOLUTION,
    OPTION_ACCOUNT,
    OPTION_REASON,
    OPTION_REQUEST_ID,
};

struct incidents_wish {
    struct arena *arena;
    struct connection connection;
    struct dues_client *client;
    const char *name;
    const char *customer;
    const char *kind;
    const char *state;
    const char *resolution;
    const char *account;
    const char *reason;
    const char *request_id;
    bool as_json;
};

/* The value of an enum by its word, in any case; -1: there is none. */
static int value_of(struct arena *arena, const ProtobufCEnumDescriptor *type, const char *prefix,
                    const char *word)
{
    char *name = arena_printf(arena, "%s%s", prefix, word);

    for (char *letter = name; *letter != '\0'; letter++)
        *letter = (char)toupper((unsigned char)*letter);
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    return found == NULL ? -1 : found->value;
}

static const char *kind_word(struct arena *arena, const Incident *incident)
{
    return enum_word(arena, &dues__payment__v1__incident__kind__descriptor, (int)incident->kind,
                     "KIND_");
}

static const char *state_word(struct arena *arena, const Incident *incident)
{
    return enum_word(arena, &dues__payment__v1__incident__state__descriptor, (int)incident->state,
                     "STATE_");
}

static const char *resolution_word(struct arena *arena,
                                   Dues__Payment__V1__Incident__Resolution resolution)
{
    return enum_word(arena, &dues__payment__v1__incident__resolution__descriptor, (int)resolution,
                     "RESOLUTION_");
}

static void print_row(struct arena *arena, const Incident *incident)
{
    print_time(stdout, incident->create_time);
    printf("  %-8s  %-24s  %14s  %14s  %s\n", state_word(arena, incident),
           kind_word(arena, incident), amount_text(arena, incident->amount),
           amount_text(arena, incident->suspense), incident->name);
}

static void print_line(const char *what, const char *value)
{
    if (value != NULL && value[0] != '\0')
        printf("  %-12s  %s\n", what, value);
}

static void print_incident(struct arena *arena, const Incident *incident)
{
    printf("%s\n", incident->name);
    print_line("kind", kind_word(arena, incident));
    print_line("state", state_word(arena, incident));
    print_line("about", incident->subject);
    print_line("seen", incident->detail);
    print_line("payment", incident->payment);
    print_line("gateway", incident->gateway);
    print_line("transaction", incident->gateway_transaction);
    if (incident->amount != NULL)
        print_line("amount", amount_text(arena, incident->amount));
    if (incident->suspense != NULL)
        print_line("in suspense", amount_text(arena, incident->suspense));
    print_line("etag", incident->etag);
    for (size_t i = 0; i < incident->n_approvals; i++) {
        const Dues__Payment__V1__IncidentApproval *approval = incident->approvals[i];
        printf("  asked for     %s%s%s by %s: %s\n", resolution_word(arena, approval->resolution),
               approval->account[0] == '\0' ? "" : " to ", approval->account, approval->approver,
               approval->reason);
    }
    print_line("outcome", incident->outcome);
}

/* Each incident of the pages, until `each` is true; EXIT_SUCCESS, or after a complaint. */
static int go_through(struct incidents_wish *wish, Dues__Payment__V1__ListIncidentsRequest *request,
                      bool (*each)(struct incidents_wish *wish, const Incident *incident))
{
    int exit_status = EXIT_SUCCESS;
    bool done = false;

    request->page_size = PAGE_SIZE_MAX;
    do {
        struct dues_answer *answer =
            ask_payments(wish->client, "ListIncidents", &request->base, &exit_status);
        if (answer == NULL)
            return exit_status;
        const Dues__Payment__V1__ListIncidentsResponse *page = (const void *)answer->reply;
        for (size_t i = 0; i < page->n_incidents && !done; i++)
            done = each(wish, page->incidents[i]);
        request->page_token = arena_strdup(wish->arena, page->next_page_token);
        dues_answer_free(answer);
    } while (!done && request->page_token[0] != '\0');
    return EXIT_SUCCESS;
}

static bool list_one(struct incidents_wish *wish, const Incident *incident)
{
    if (wish->as_json)
        print_json_line(stdout, &incident->base);
    else
        print_row(wish->arena, incident);
    return false;
}

static int incidents_list(struct incidents_wish *wish)
{
    Dues__Payment__V1__ListIncidentsRequest request =
        DUES__PAYMENT__V1__LIST_INCIDENTS_REQUEST__INIT;
    const char *state = wish->state == NULL ? "open" : wish->state;
    int kind = wish->kind == NULL
                   ? 0
                   : value_of(wish->arena, &dues__payment__v1__incident__kind__descriptor, "KIND_",
                              wish->kind);
    int state_value = text_equal(state, "all")
                          ? 0
                          : value_of(wish->arena, &dues__payment__v1__incident__state__descriptor,
                                     "STATE_", state);

    if (kind < 0)
        return complain_usage("there is no kind \"%s\"", wish->kind);
    if (state_value < 0)
        return complain_usage("--state is open, approved, resolved or all");
    request.parent = request_text(
        wish->customer == NULL ? "customers/-" : customer_name(wish->arena, wish->customer));
    request.kind = (Dues__Payment__V1__Incident__Kind)kind;
    request.state = (Dues__Payment__V1__Incident__State)state_value;
    return go_through(wish, &request, list_one);
}

/* What show and resolve look for. */
static struct {
    bool found;
    const char *etag;
} seen;

static bool is_it(struct incidents_wish *wish, const Incident *incident)
{
    if (!text_equal(incident->name, wish->name))
        return false;
    seen.found = true;
    seen.etag = arena_strdup(wish->arena, incident->etag);
    if (wish->resolution != NULL)
        return true;
    if (wish->as_json)
        print_json_line(stdout, &incident->base);
    else
        print_incident(wish->arena, incident);
    return true;
}

static int find(struct incidents_wish *wish)
{
    Dues__Payment__V1__ListIncidentsRequest request =
        DUES__PAYMENT__V1__LIST_INCIDENTS_REQUEST__INIT;
    const char *end = strstr(wish->name, "/incidents/");

    if (end == NULL)
        return complain_usage("an incident is customers/…/incidents/…");
    request.parent = arena_strndup(wish->arena, wish->name, (size_t)(end - wish->name));
    int exit_status = go_through(wish, &request, is_it);
    if (exit_status == EXIT_SUCCESS && !seen.found)
        return complain("there is no %s", wish->name);
    return exit_status;
}

static int incidents_resolve(struct incidents_wish *wish)
{
    Dues__Payment__V1__ResolveIncidentRequest request =
        DUES__PAYMENT__V1__RESOLVE_INCIDENT_REQUEST__INIT;
    int64_t now_us = clock_wall_us(clock_system());
    int resolution = value_of(wish->arena, &dues__payment__v1__incident__resolution__descriptor,
                              "RESOLUTION_", wish->resolution);

    if (resolution <= 0)
        return complain_usage("--resolution is mark_succeeded, mark_failed, post_from_suspense or "
                              "ignore");
    int exit_status = find(wish);
    if (exit_status != EXIT_SUCCESS)
        return exit_status;
    request.name = request_text(wish->name);
    request.etag = request_text(seen.etag);
    request.resolution = (Dues__Payment__V1__Incident__Resolution)resolution;
    request.account = request_text(wish->account == NULL ? "" : wish->account);
    request.reason = request_text(wish->reason);
    request.request_id = request_text(
        wish->request_id != NULL ? wish->request_id
                                 : uuid_text(wish->arena, uuid_make(random_system(), now_us)));
    struct dues_answer *answer =
        ask_payments(wish->client, "ResolveIncident", &request.base, &exit_status);
    if (answer == NULL)
        return exit_status;
    const Incident *incident = (const void *)answer->reply;
    if (wish->as_json)
        print_json_line(stdout, &incident->base);
    else
        print_incident(wish->arena, incident);
    if (incident->state == DUES__PAYMENT__V1__INCIDENT__STATE__STATE_OPEN)
        fputs("dues: recorded; another operator must ask for the same\n", stderr);
    dues_answer_free(answer);
    return EXIT_SUCCESS;
}

static int read_option(struct incidents_wish *wish, int option, const char *value)
{
    const char **const slots[] = {
        [0] = &wish->customer,
        [OPTION_KIND - OPTION_CUSTOMER] = &wish->kind,
        [OPTION_STATE - OPTION_CUSTOMER] = &wish->state,
        [OPTION_RESOLUTION - OPTION_CUSTOMER] = &wish->resolution,
        [OPTION_ACCOUNT - OPTION_CUSTOMER] = &wish->account,
        [OPTION_REASON - OPTION_CUSTOMER] = &wish->reason,
        [OPTION_REQUEST_ID - OPTION_CUSTOMER] = &wish->request_id,
    };

    if (option == 'o') {
        wish->as_json = text_equal(value, "json");
        return wish->as_json ? EXIT_SUCCESS : complain_usage("-o knows json, not \"%s\"", value);
    }
    if (option < OPTION_CUSTOMER || option > OPTION_REQUEST_ID)
        return complain_option("incidents");
    *slots[option - OPTION_CUSTOMER] = value;
    return EXIT_SUCCESS;
}

/* NULL when the command line is in order. */
static const char *find_misuse(struct incidents_wish *wish, const char *word, int operands)
{
    bool lists = text_equal(word, "list");
    bool resolves = text_equal(word, "resolve");

    if (operands != (lists ? 0 : 1))
        return lists ? "incidents list takes options only"
                     : "incidents show and resolve need customers/…/incidents/…";
    if (!lists && (wish->customer != NULL || wish->kind != NULL || wish->state != NULL))
        return "--customer, --kind and --state are for incidents list";
    if (resolves && (wish->resolution == NULL || wish->reason == NULL))
        return "incidents resolve needs --resolution and --reason";
    if (!resolves && (wish->resolution != NULL || wish->account != NULL || wish->reason != NULL ||
                      wish->request_id != NULL))
        return "--resolution, --account, --reason and --request-id are for incidents resolve";
    return connection_check(&wish->connection);
}

static int run_word(struct incidents_wish *wish, int argc, char **words)
{
    static const struct {
        const char *word;
        int (*run)(struct incidents_wish *wish);
    } known[] = {{"list", incidents_list}, {"show", find}, {"resolve", incidents_resolve}};

    for (size_t i = 0; argc > 0 && i < ARRAY_LENGTH(known); i++) {
        if (!text_equal(words[0], known[i].word))
            continue;
        const char *misuse = find_misuse(wish, words[0], argc - 1);
        if (misuse != NULL)
            return complain_usage("%s", misuse);
        wish->name = words[1];
        /* Nobody but an operator may ask. */
        if (wish->connection.as == NULL && wish->connection.certificate == NULL)
            wish->connection.as = "operator-demo";
        wish->client = ask_open(&wish->connection, wish->arena);
        if (wish->client == NULL)
            return EXIT_FAILURE;
        int exit_status = known[i].run(wish);
        dues_client_close(wish->client);
        return exit_status;
    }
    return complain_usage("incidents knows list, show and resolve");
}

static int run(struct arena *arena, int argc, char **argv)
{
    static const struct option longs[] = {
        CONNECTION_OPTIONS,
        {"customer", required_argument, NULL, OPTION_CUSTOMER},
        {"kind", required_argument, NULL, OPTION_KIND},
        {"state", required_argument, NULL, OPTION_STATE},
        {"resolution", required_argument, NULL, OPTION_RESOLUTION},
        {"account", required_argument, NULL, OPTION_ACCOUNT},
        {"reason", required_argument, NULL, OPTION_REASON},
        {"request-id", required_argument, NULL, OPTION_REQUEST_ID},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    struct incidents_wish wish = {.arena = arena};
    int option;

    while ((option = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help_command("incidents");
        if (connection_option(&wish.connection, option, optarg))
            continue;
        int exit_status = read_option(&wish, option, optarg);
        if (exit_status != EXIT_SUCCESS)
            return exit_status;
    }
    return run_word(&wish, argc - optind, argv + optind);
}

int command_incidents(int argc, char **argv)
{
    struct arena *arena = arena_new(ARENA_SIZE_MAX);
    int exit_status = run(arena, argc, argv);
    arena_free(arena);
    return exit_status;
}
