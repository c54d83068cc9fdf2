/*
 * What --help prints: the overview, and a page for each command.
 */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/dev.h"

enum page_kind { RUNS_ALONE, CONNECTS, BECOMES_DUESD };

static const struct page {
    const char *name;
    const char *arguments;
    const char *purpose;
    const char *options; /* beside those of the connection; "" for none */
    enum page_kind kind;
} pages[] = {
    {"dev", "[--state-dir DIR] [--listen ADDRESS:PORT] [--gateway GATEWAY]",
     "a whole server for trying out: PostgreSQL, certificates, schema, sandbox",
     "  --state-dir DIR      where all of it is kept, and found again by the next start\n"
     "                       (default: $XDG_STATE_HOME/dues or ~/.local/state/dues; for root\n"
     "                       /var/lib/dues-dev)\n"
     "  --listen ADDRESS:PORT\n"
     "                       of this machine alone: 127.0.0.1 or [::1]; port 0 takes a free one\n"
     "                       (default: " DEV_LISTEN_DEFAULT ")\n"
     "  --gateway GATEWAY    sandbox, or stripe-simulator: a Stripe that needs no account\n"
     "                       (docs/stripe.md; default: sandbox)\n"
     "\n"
     "Ctrl-C, SIGTERM or a closed terminal stops it: running calls finish first.  Another Ctrl-C\n"
     "or SIGTERM ends it at once.\n",
     RUNS_ALONE},
    {"call", "[connection] [--token TOKEN | --token-file FILE] SERVICE/METHOD ['{json}' | -]",
     "one RPC, JSON in and JSON out; `dues call --list` names all methods",
     "  --token TOKEN        the access token of a logged-in user (default: $DUES_TOKEN)\n"
     "  --token-file FILE    the same, from the first line of a file\n"
     "  --list               name all methods\n"
     "  -                    the request is read from standard input\n",
     CONNECTS},
    {"demo", "[connection]", "the story of a member, told by calls against a sandbox server", "",
     CONNECTS},
    {"doctor", "[--state-dir DIR | --config FILE] [-o json]",
     "looks at all that a server needs, and changes nothing",
     "  --state-dir DIR      that of `dues dev`\n"
     "  --config FILE        any other server's duesd.conf\n"
     "  -o json              one object a line\n"
     "\n"
     "Exit status 1 when something failed; warnings do not count.\n",
     BECOMES_DUESD},
    {"keys",
     "rotate|count|forget|list|set NAME|end NAME [--state-dir DIR | --config FILE] [-o json]",
     "a new key-encryption key while servers run, or what hangs on which; the keys of gateways\n"
     "           (docs/keys.md)",
     "  --state-dir DIR      that of `dues dev`\n"
     "  --config FILE        any other server's duesd.conf\n"
     "  -o json              count and list: one object a line\n"
     "\n"
     "forget: when nothing hangs on old keys, they are taken out of their file.\n"
     "set: stores a gateway's key, read from standard input; NAME is stripe or stripe-webhook.\n"
     "list: which are stored.  end: only the newest of NAME counts from now on.\n"
     "Exit status 1 when anything hangs on an old key.  Killed, rotate goes on when it is run\n"
     "again.\n",
     BECOMES_DUESD},
    {"customers", "erase customers/ID [--state-dir DIR | --config FILE]",
     "forget a person: data key and texts are destroyed, the ledger stays",
     "  --state-dir DIR      that of `dues dev`\n"
     "  --config FILE        any other server's duesd.conf\n"
     "\n"
     "Exit status 69 when the database is away.\n",
     BECOMES_DUESD},
    {"disputes", "list|get|evidence|accept [connection] [options] [customers/ID/disputes/ID]",
     "what banks ask back: look, answer with evidence, or give in",
     "list --customer CUSTOMER [--payment PAYMENT] [--filter FILTER] [--limit N | --all]\n"
     "     [--page TOKEN] [-o json]\n"
     "  --customer CUSTOMER  customers/ID, or the ID\n"
     "  --payment PAYMENT    only those of customers/ID/payments/ID\n"
     "  --filter FILTER      'state = NEEDS_RESPONSE'\n"
     "  --limit N            at most so many, the newest first; default 50\n"
     "  --all                every one\n"
     "  --page TOKEN         goes on where a list ended that said so\n"
     "get DISPUTE [-o json]\n"
     "evidence DISPUTE --file FILE [--request-id ID] [-o json]\n"
     "  --file FILE          what speaks against it, once for all: {\"productDescription\": "
     "\"…\",\n"
     "                       \"accessActivityLog\": \"…\"}, the texts of DisputeEvidence in "
     "docs/api.md;\n"
     "                       - reads standard input\n"
     "accept DISPUTE --amount AMOUNT [--request-id ID] [-o json]\n"
     "  --amount AMOUNT      what is given up for good, 9.99 or 9.99 USD: the dispute's own "
     "amount,\n"
     "                       else nothing is done\n"
     "  --request-id ID      the one that an earlier try printed: nothing is sent twice\n"
     "  -o json              one object a line\n",
     CONNECTS},
    {"events",
     "tail [connection] --customer CUSTOMER [--after CURSOR | --from-now] [--count N] [-o json]",
     "what happened to a customer, and what happens from now on; over restarts of the server",
     "  --customer CUSTOMER  customers/ID, or the ID\n"
     "  --after CURSOR       only what came after it; -o json shows the cursor of each event\n"
     "  --from-now           leaves out what has happened already\n"
     "  --count N            ends after so many events\n"
     "  -o json              one object a line\n",
     CONNECTS},
    {"incidents", "list|show|resolve [connection] [options] [customers/ID/incidents/ID]",
     "what does not add up: see it, ask for a resolution; two operators must",
     "list [--customer CUSTOMER] [--kind KIND] [--state STATE] [-o json]\n"
     "  --customer CUSTOMER  customers/ID, or the ID; default: everybody\n"
     "  --kind KIND          paid_not_granted, gateway_only …; default: all\n"
     "  --state STATE        open (default), approved, resolved or all\n"
     "show INCIDENT [-o json]\n"
     "resolve INCIDENT --resolution RESOLUTION [--account ACCOUNT] --reason TEXT\n"
     "  --resolution WHAT    mark_succeeded, mark_failed, post_from_suspense or ignore\n"
     "  --account ACCOUNT    post_from_suspense: revenue, customer_receivable, refunds, fees,\n"
     "                       disputes, dispute_losses, bad_debt or gateway_clearing\n"
     "  --reason TEXT        why; kept until the customer is erased\n"
     "  --etag ETAG          the incident as you have seen it; default: as it stands now\n"
     "  --request-id ID      the same again after a lost answer, with the --etag that was printed\n"
     "  -o json              one object a line\n"
     "\n"
     "The connection is operator-demo's by default.\n",
     CONNECTS},
    {"ledger",
     "verify [--state-dir DIR | --config FILE] [--kept NUMBER:HASH] [--read-only] [-o json]",
     "walks all of the ledger: is an entry changed, missing, swapped or cut off?",
     "  --state-dir DIR      that of `dues dev`\n"
     "  --config FILE        any other server's duesd.conf; its host need not run one\n"
     "  --kept NUMBER:HASH   a checkpoint that an earlier run printed must be there still\n"
     "  --read-only          the result is not recorded, as beside a copy that is evidence\n"
     "  -o json              one object a line\n"
     "\n"
     "Exit status 0 when it is intact, 1 when it is damaged, 69 when the database is away.\n",
     BECOMES_DUESD},
    {"payments", "list|get|refund [connection] [options] [customers/ID/payments/ID]",
     "a customer's payments, one with its refunds and disputes; money back",
     "list --customer CUSTOMER [--filter FILTER] [--limit N | --all] [--page TOKEN] [-o json]\n"
     "  --customer CUSTOMER  customers/ID, or the ID\n"
     "  --filter FILTER      'state = FAILED AND create_time >= \"2026-01-01T00:00:00Z\"'\n"
     "  --limit N            at most so many, the newest first; default 50\n"
     "  --all                every one\n"
     "  --page TOKEN         goes on where a list ended that said so\n"
     "get PAYMENT [-o json]\n"
     "refund PAYMENT --amount AMOUNT | --all [--reason REASON] [--request-id ID] [-o json]\n"
     "  --amount AMOUNT      3.00, in the payment's currency and with its decimals; or 3.00 USD\n"
     "  --all                all that is left\n"
     "  --reason REASON      requested_by_customer, duplicate or fraudulent\n"
     "  --request-id ID      the one that an earlier try printed: nothing is refunded twice\n"
     "  -o json              one object a line\n"
     "\n"
     "Exit status 1 when the gateway refused the refund; 0 also when its outcome is being found\n"
     "out (PENDING).\n",
     CONNECTS},
    {"top",
     "[--state-dir DIR | --metrics ADDRESS:PORT | --metrics unix:PATH] [--seconds N] [--once]",
     "what a server is doing: calls, lanes, obligations",
     "  --state-dir DIR      that of `dues dev`\n"
     "  --metrics ADDRESS    any other server's metrics_listen\n"
     "  --seconds N          between two looks; default 2\n"
     "  --once               one look, then end\n",
     RUNS_ALONE},
    {"wait", "[connection] [--timeout SECONDS]", "until the server answers",
     "  --timeout SECONDS    then give up; default 60\n", CONNECTS},
    {"webhooks", "listen [connection] --forward-to URL [--type TYPE]",
     "a webhook endpoint until Ctrl-C: each delivery to URL is a line",
     "  --forward-to URL     where the server sends: http://localhost:3000/hook in a sandbox\n"
     "  --type TYPE          only such events, payment.succeeded or payment.*; may be repeated\n",
     CONNECTS},
};

static const char connection_help[] =
    "connection:\n"
    "  --state-dir DIR      that of `dues dev`; gives the address and the certificates\n"
    "                       (default: $XDG_STATE_HOME/dues or ~/.local/state/dues; for root\n"
    "                       /var/lib/dues-dev)\n"
    "  --as NAME            service-billing (default), app-demo, operator-demo or\n"
    "                       operator-second\n"
    "  --target HOST:PORT --ca FILE --cert FILE --key FILE [--server-name NAME]\n"
    "                       any other server\n"
    "  --deadline-ms N      default 10000\n"
    "\n";

static const char closing[] =
    "exit status: 0 when it worked, 2 for a wrong command line, 64 + the gRPC code when the "
    "server\n"
    "refused, else 1.\n";

/* duesd's own statuses pass through. */
static const char closing_of_duesd[] =
    "exit status: 0 when it worked, 2 for a wrong command line, 78 when the configuration is not\n"
    "in order, else 1.\n";

void help_overview(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++)
        fprintf(out, "%s dues %s %s\n           %s\n", i == 0 ? "usage:" : "      ", pages[i].name,
                pages[i].arguments, pages[i].purpose);
    fputs("       dues COMMAND --help\n"
          "       dues --version | --help\n"
          "\n",
          out);
    fputs(connection_help, out);
    fputs("The token can also be in the environment variable DUES_TOKEN.\n"
          "\n"
          "examples:\n"
          "  dues dev --state-dir /tmp/dues-dev\n"
          "  dues call --state-dir /tmp/dues-dev Membership/ListPlans\n"
          "  dues call --state-dir /tmp/dues-dev Membership/CreateCustomer \\\n"
          "      '{\"customer\": {\"displayName\": \"Ada\"}}'\n"
          "  dues demo --state-dir /tmp/dues-dev\n"
          "\n",
          out);
    fputs(closing, out);
}

int help_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        const struct page *page = &pages[i];
        if (!text_equal(page->name, name))
            continue;
        printf("usage: dues %s %s\n           %s\n\n", name, page->arguments, page->purpose);
        if (page->options[0] != '\0')
            printf("%s\n", page->options);
        if (page->kind == CONNECTS)
            fputs(connection_help, stdout);
        fputs(page->kind == BECOMES_DUESD ? closing_of_duesd : closing, stdout);
        return EXIT_SUCCESS;
    }
    return complain_usage("there is no command \"%s\"", name);
}
