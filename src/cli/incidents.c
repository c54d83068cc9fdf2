/*
 * `dues incidents`: what does not add up, for the operators who resolve it.  There is no method for
 * one incident, so `show` looks for it in its customer's list.
 */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/amount.h"
#include "cli/ask.h"
#include "cli/once.h"
#include "cli/pages.h"
#include "cli/print.h"
#include "dues/payment/v1/payment_service.pb-c.h"

typedef Dues__Payment__V1__Incident Incident;

struct incidents_wish {
    struct wish wish; /* operand: the incident's name, for show and resolve */
    const char *customer;
    const char *kind;
    const char *state;
    const char *resolution;
    const char *account;
    const char *reason;
    const char *request_id;
    const char *etag;
};

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

static void print_row(struct arena *arena, const ProtobufCMessage *item)
{
    const Incident *incident = (const void *)item;

    print_time(stdout, incident->create_time);
    printf("  %-8s  %-24s  %14s  %14s  %s\n", state_word(arena, incident),
           kind_word(arena, incident), amount_text(arena, incident->amount),
           amount_text(arena, incident->suspense), incident->name);
}

static void print_incident(struct arena *arena, const ProtobufCMessage *message)
{
    const Incident *incident = (const void *)message;

    printf("%s\n", incident->name);
    print_line(stdout, "kind", kind_word(arena, incident));
    print_line(stdout, "state", state_word(arena, incident));
    print_line(stdout, "about", incident->subject);
    print_line(stdout, "seen", incident->detail);
    print_line(stdout, "payment", incident->payment);
    print_line(stdout, "gateway", incident->gateway);
    print_line(stdout, "transaction", incident->gateway_transaction);
    print_money(stdout, arena, "amount", incident->amount);
    print_money(stdout, arena, "in suspense", incident->suspense);
    print_line(stdout, "etag", incident->etag);
    for (size_t i = 0; i < incident->n_approvals; i++) {
        const Dues__Payment__V1__IncidentApproval *approval = incident->approvals[i];
        print_line(stdout, "asked for",
                   arena_printf(arena, "%s%s%s by %s: %s",
                                resolution_word(arena, approval->resolution),
                                approval->account[0] == '\0' ? "" : " to ", approval->account,
                                approval->approver, approval->reason));
    }
    print_line(stdout, "outcome", incident->outcome);
}

static int incidents_list(void *given)
{
    struct incidents_wish *wish = given;
    struct arena *arena = wish->wish.arena;
    Dues__Payment__V1__ListIncidentsRequest request =
        DUES__PAYMENT__V1__LIST_INCIDENTS_REQUEST__INIT;
    const struct pages pages = {"ListIncidents", &request.base, .print_row = print_row};
    const char *state = wish->state == NULL ? "open" : wish->state;
    int kind = 0;
    int state_value = 0;

    if (wish->kind != NULL)
        kind =
            enum_value(arena, &dues__payment__v1__incident__kind__descriptor, wish->kind, "KIND_");
    if (kind < 0)
        return complain_usage("there is no kind \"%s\"", wish->kind);
    if (!text_equal(state, "all"))
        state_value =
            enum_value(arena, &dues__payment__v1__incident__state__descriptor, state, "STATE_");
    if (state_value < 0)
        return complain_usage("--state is open, approved, resolved or all");
    request.parent =
        request_text(wish->customer == NULL ? "customers/-" : customer_name(arena, wish->customer));
    request.kind = (Dues__Payment__V1__Incident__Kind)kind;
    request.state = (Dues__Payment__V1__Incident__State)state_value;
    return pages_ask(&wish->wish, &pages);
}

/* The one that show and resolve look for. */
struct search {
    const struct wish *wish;
    bool shows;
    const char *etag; /* NULL: not found */
};

static bool is_other(void *context, const ProtobufCMessage *item)
{
    struct search *search = context;
    const Incident *incident = (const void *)item;

    if (!text_equal(incident->name, search->wish->operand))
        return true;
    search->etag = arena_strdup(search->wish->arena, incident->etag);
    if (search->shows)
        print_message(search->wish, item, print_incident);
    return false;
}

static int find(struct search *search)
{
    Dues__Payment__V1__ListIncidentsRequest request =
        DUES__PAYMENT__V1__LIST_INCIDENTS_REQUEST__INIT;
    const struct pages pages = {"ListIncidents", &request.base, .each = is_other,
                                .context = search};
    const char *name = search->wish->operand;
    const char *end = strstr(name, "/incidents/");

    if (end == NULL)
        return complain_usage("an incident is customers/…/incidents/…");
    request.parent = arena_strndup(search->wish->arena, name, (size_t)(end - name));
    int exit_status = pages_ask(search->wish, &pages);
    if (exit_status == EXIT_SUCCESS && search->etag == NULL)
        return complain("there is no %s", name);
    return exit_status;
}

static int incidents_show(void *wish)
{
    struct search search = {.wish = wish, .shows = true};

    return find(&search);
}

static int tell_resolution(void *wish, const ProtobufCMessage *reply)
{
    const Incident *incident = (const void *)reply;

    print_message(wish, reply, print_incident);
    if (incident->state == DUES__PAYMENT__V1__INCIDENT__STATE__STATE_OPEN)
        fputs("dues: recorded; another operator must ask for the same\n", stderr);
    return EXIT_SUCCESS;
}

static int incidents_resolve(void *given)
{
    struct incidents_wish *wish = given;
    Dues__Payment__V1__ResolveIncidentRequest request =
        DUES__PAYMENT__V1__RESOLVE_INCIDENT_REQUEST__INIT;
    struct search search = {.wish = &wish->wish, .etag = wish->etag};
    int resolution =
        enum_value(wish->wish.arena, &dues__payment__v1__incident__resolution__descriptor,
                   wish->resolution, "RESOLUTION_");

    if (resolution <= 0)
        return complain_usage("--resolution is mark_succeeded, mark_failed, post_from_suspense or "
                              "ignore");
    /* The incident has another one when it was asked for already. */
    if (wish->request_id != NULL && wish->etag == NULL)
        return complain_usage("--request-id goes with --etag; the first try printed both");
    int exit_status = wish->etag == NULL ? find(&search) : EXIT_SUCCESS;
    if (exit_status != EXIT_SUCCESS)
        return exit_status;
    const struct once once = {
        .request_id = once_request_id(wish->wish.arena, wish->request_id),
        .etag = search.etag,
    };
    request.name = request_text(wish->wish.operand);
    request.etag = request_text(search.etag);
    request.resolution = (Dues__Payment__V1__Incident__Resolution)resolution;
    request.account = request_text(wish->account == NULL ? "" : wish->account);
    request.reason = request_text(wish->reason);
    request.request_id = request_text(once.request_id);
    return once_ask(&wish->wish, "ResolveIncident", &request.base, &once, tell_resolution);
}

static const struct command_word words[] = {
    {"list", incidents_list, NULL},
    {"show", incidents_show, "customers/…/incidents/…"},
    {"resolve", incidents_resolve, "customers/…/incidents/…"},
};

#define FIELD(name) offsetof(struct incidents_wish, name)

static const struct command_option options[] = {
    {"customer", VALUE_TEXT, FIELD(customer), .words = {"list"}},
    {"kind", VALUE_TEXT, FIELD(kind), .words = {"list"}},
    {"state", VALUE_TEXT, FIELD(state), .words = {"list"}},
    {"resolution", VALUE_TEXT, FIELD(resolution), .words = {"resolve"}, .is_needed = true},
    {"account", VALUE_TEXT, FIELD(account), .words = {"resolve"}},
    {"reason", VALUE_TEXT, FIELD(reason), .words = {"resolve"}, .is_needed = true},
    {"request-id", VALUE_TEXT, FIELD(request_id), .words = {"resolve"}},
    {"etag", VALUE_TEXT, FIELD(etag), .words = {"resolve"}},
};

int command_incidents(int argc, char **argv)
{
    static const struct command command = {
        .name = "incidents",
        COMMAND_WORDS(words),
        COMMAND_OPTIONS(options),
        .as = "operator-demo", /* nobody but an operator may ask */
        .connects = true,
        .prints_json = true,
    };
    struct incidents_wish wish = {0};

    return command_run(&command, &wish.wish, argc, argv);
}
