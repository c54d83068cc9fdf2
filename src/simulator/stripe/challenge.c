/*
 * 3-D Secure: where the customer is sent, and what happens when they come back.
 *
 *   GET  /_simulator/stripe/challenge/<intent>?client_secret=…            a page with two buttons
 *   POST the same, result=succeeded or result=failed                      303 to the return_url
 *
 * Known by its client secret, as the bank's page is: no key is asked for.
 */

#include "simulator/form.h"
#include "simulator/stripe/internal.h"

#define CHALLENGE_PREFIX "/_simulator/stripe/challenge/"

/* The simulator as the caller reached it. */
static const char *base_url(struct stripe_call *call)
{
    const char *host = http_service_header(call->exchange->http, "Host");
    bool has_tls = simulator_options(call->simulator)->certificate_pem != NULL;

    return arena_printf(call->arena, "%s://%s", has_tls ? "https" : "http",
                        host == NULL || !text_is_plain(host, strlen(host)) ? "localhost" : host);
}

void stripe_challenge(struct stripe_call *call, json_t *intent)
{
    const char *back = text_of(intent, "_return_url");
    const char *url =
        arena_printf(call->arena, "%s" CHALLENGE_PREFIX "%s?client_secret=%s", base_url(call),
                     text_of(intent, "id"), text_of(intent, "client_secret"));
    json_t *action;

    if (back[0] != '\0')
        action = json_pack("{s:{s:s, s:s}, s:s}", "redirect_to_url", "return_url", back, "url", url,
                           "type", "redirect_to_url");
    else
        action = json_pack("{s:s, s:{s:s, s:s, s:s, s:s}}", "type", "use_stripe_sdk",
                           "use_stripe_sdk", "type", "three_d_secure_redirect", "stripe_js", url,
                           "source", text_of(intent, "id"), "known_frame_issuers", "false");
    json_object_set_new(intent, "next_action", action);
}

static void say(struct exchange *exchange, int32_t status, const char *text)
{
    exchange->status = status;
    exchange->content_type = "text/html; charset=utf-8";
    exchange->body = text;
}

static void show_page(struct stripe_call *call, const json_t *intent)
{
    say(call->exchange, 200,
        arena_printf(
            call->arena,
            "<!doctype html><title>3-D Secure</title><h1>3-D Secure test page</h1>"
            "<p>%s is %s.</p><form method=\"post\">"
            "<button name=\"result\" value=\"succeeded\">Complete authentication</button> "
            "<button name=\"result\" value=\"failed\">Fail authentication</button></form>\n",
            text_of(intent, "id"), text_of(intent, "status")));
}

/* Back to where the customer came from, or a line when there is no such place. */
static void send_back(struct stripe_call *call, const json_t *intent, bool is_payment,
                      bool is_passed)
{
    const char *back = text_of(intent, "_return_url");
    const char *kind = is_payment ? "payment_intent" : "setup_intent";

    if (back[0] == '\0') {
        say(call->exchange, 200,
            arena_printf(call->arena, "%s is %s\n", text_of(intent, "id"),
                         text_of(intent, "status")));
        return;
    }
    exchange_add_header(
        call->exchange, "Location",
        arena_printf(call->arena, "%s%c%s=%s&%s_client_secret=%s&redirect_status=%s", back,
                     strchr(back, '?') == NULL ? '?' : '&', kind, text_of(intent, "id"), kind,
                     text_of(intent, "client_secret"), is_passed ? "succeeded" : "failed"));
    say(call->exchange, 303, "");
}

/* The result of the form, or of the query; NULL when there is none yet. */
static const char *read_field(struct stripe_call *call, const char *form, size_t size,
                              const char *name)
{
    char problem[FORM_PROBLEM_SIZE];
    json_t *params = form_parse(call->arena, form, size, problem);

    if (params == NULL)
        return NULL;
    return json_string_value(json_object_get(tx_keep(call->tx, params), name));
}

void stripe_challenge_page(struct stripe_call *call, struct exchange *exchange)
{
    const struct http_service_request *http = exchange->http;
    const char *id = http->path + strlen(CHALLENGE_PREFIX);
    json_t *intent =
        text_starts_with(http->path, CHALLENGE_PREFIX) ? stripe_load_any(call, id) : NULL;
    const char *secret = read_field(call, http->query, strlen(http->query), "client_secret");
    bool is_post = text_equal(http->method, "POST");

    if (intent == NULL || secret == NULL || !text_equal(secret, text_of(intent, "client_secret"))) {
        say(exchange, 404, "There is no such challenge.\n");
        return;
    }
    const char *result = is_post ? read_field(call, http->body, http->body_size, "result") : NULL;
    bool is_payment = text_starts_with(id, "pi_");
    if (result == NULL) {
        show_page(call, intent);
        return;
    }
    bool is_passed = text_equal(result, "succeeded");
    /* Who presses twice is sent back twice; it happens once. */
    if (text_equal(text_of(intent, "status"), "requires_action")) {
        exchange->was_done = true;
        if (is_payment)
            stripe_payment_challenged(call, intent, is_passed);
        else
            stripe_setup_challenged(call, intent, is_passed);
    }
    send_back(call, intent, is_payment, is_passed);
}
