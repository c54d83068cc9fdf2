/*
 * The face: who asks, in which version, what, under which key; then the handler of the path, and
 * its result or error as text.
 */

#include "simulator/stripe/stripe.h"

#include "crypto/secrets.h"
#include "simulator/form.h"
#include "simulator/stripe/idempotency.h"

#define VERSION_USUAL  "2026-08-26.dahlia"
#define CHALLENGE_PATH "/_simulator/stripe/"
#define FORM_TYPE      "application/x-www-form-urlencoded"

static void say(struct exchange *exchange, int32_t status, const json_t *json)
{
    exchange->status = status;
    exchange->body = json_text(exchange->arena, json, STRIPE_INDENT, NULL);
}

static void say_error(struct stripe_call *call)
{
    json_t *body = tx_keep(call->tx, json_pack("{s:O}", "error", call->error));

    set_text(call->error, "request_log_url",
             arena_printf(call->arena, "https://dashboard.stripe.com/test/logs/%s",
                          call->exchange->request_id));
    say(call->exchange, call->status, body);
}

/* An error that is the gateway's own fault, or its wish to be left alone. */
static void say_trouble(struct stripe_call *call, int32_t status, const char *code,
                        const char *message)
{
    stripe_refuse(call, status, code, NULL, "%s", message);
    set_text(call->error, "type", status == 429 ? "invalid_request_error" : "api_error");
    say_error(call);
}

/* base64 of "key:" as curl -u sends it, or a bearer. */
static bool is_key(const struct stripe_call *call, const char *key, const char *given)
{
    const char *plain = arena_printf(call->arena, "%s:", key);
    const char *wanted = arena_printf(call->arena, "Bearer %s", key);

    if (text_starts_with(given, "Basic "))
        wanted =
            arena_printf(call->arena, "Basic %s", base64_encode(call->arena, plain, strlen(plain)));
    return strlen(given) == strlen(wanted) && secret_equal(given, wanted, strlen(wanted));
}

static bool key_is_right(const struct stripe_call *call, const char *given)
{
    for (size_t i = 0; i < SIMULATOR_KEYS; i++) {
        const char *key = simulator_key(call->simulator, i);
        if (key[0] != '\0' && is_key(call, key, given))
            return true;
    }
    return false;
}

static bool is_authenticated(struct stripe_call *call)
{
    const char *given = http_service_header(call->exchange->http, "Authorization");

    if (given != NULL && key_is_right(call, given))
        return true;
    exchange_add_header(call->exchange, "WWW-Authenticate", "Basic realm=\"Stripe\"");
    if (given == NULL)
        stripe_refuse(call, 401, NULL, NULL,
                      "You did not provide an API key. You need to provide your API key in the "
                      "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                      "YOUR_SECRET_KEY').");
    else
        stripe_refuse(call, 401, NULL, NULL, "Invalid API Key provided: sk_test_********");
    return false;
}

/* "2024-06-20" or "2026-08-26.dahlia". */
static bool version_is_sound(const char *version)
{
    static const char pattern[] = "0000-00-00";

    for (size_t i = 0; pattern[i] != '\0'; i++) {
        bool is_digit = version[i] >= '0' && version[i] <= '9';
        if (pattern[i] == '0' ? !is_digit : version[i] != pattern[i])
            return false;
    }
    const char *name = version + strlen(pattern);
    return name[0] == '\0' ||
           (name[0] == '.' && strspn(name + 1, "abcdefghijklmnopqrstuvwxyz_") == strlen(name + 1));
}

static bool is_versioned(struct stripe_call *call)
{
    const char *version = http_service_header(call->exchange->http, "Stripe-Version");

    call->version = version == NULL ? VERSION_USUAL : version;
    if (!version_is_sound(call->version)) {
        stripe_refuse(call, 400, NULL, NULL, "Invalid Stripe API version: %.40s", call->version);
        return false;
    }
    exchange_add_header(call->exchange, "Stripe-Version", arena_strdup(call->arena, call->version));
    return true;
}

/* A POST has a form in its body, everything else one behind the '?'. */
static bool read_params(struct stripe_call *call)
{
    const struct http_service_request *http = call->exchange->http;
    const char *type = http_service_header(http, "Content-Type");
    bool is_post = text_equal(http->method, "POST");
    const char *form = is_post ? http->body : http->query;
    size_t size = is_post ? http->body_size : strlen(http->query);
    char problem[FORM_PROBLEM_SIZE];

    if (is_post && size > 0 && (type == NULL || !text_starts_with(type, FORM_TYPE))) {
        stripe_refuse(call, 400, NULL, NULL,
                      "Invalid request: the body must be " FORM_TYPE ", not %.64s",
                      type == NULL ? "without a Content-Type" : type);
        return false;
    }
    if (is_post && http->query[0] != '\0') {
        stripe_refuse(call, 400, NULL, NULL,
                      "Invalid request: parameters of a POST belong into its body");
        return false;
    }
    json_t *params = form_parse(call->arena, form, size, problem);
    if (params == NULL) {
        stripe_refuse(call, 400, NULL, NULL, "%s", problem);
        return false;
    }
    call->params = tx_keep(call->tx, params);
    return true;
}

static void run_handler(struct stripe_call *call, const struct stripe_route *route)
{
    json_t *answer = NULL;

    call->list_kind = route->list_kind;
    if (params_are_known(call, route->params))
        answer = route->handler(call);
    if (answer != NULL) {
        json_t *shown = tx_keep(call->tx, stripe_show(answer));
        if (stripe_expand(call, shown, json_object_get(call->params, "expand"))) {
            call->exchange->was_done = true;
            say(call->exchange, 200, shown);
            return;
        }
    }
    if (call->counts)
        call->exchange->was_done = true;
    else
        tx_forget(call->tx);
    say_error(call);
}

/* A result is kept under its key; a mistake in the request is not, it may be mended. */
static void run_keyed(struct stripe_call *call, const struct stripe_route *route)
{
    const struct fault_plan *plan = &call->exchange->plan;
    bool is_post = text_equal(call->exchange->http->method, "POST");
    bool is_keyed = is_post && call->exchange->key[0] != '\0';
    const char *fingerprint = idempotency_fingerprint(call);
    bool is_result = true;

    if (is_keyed) {
        enum idempotency found = idempotency_look(call, fingerprint);
        if (found == IDEMPOTENCY_REPLAY)
            return;
        if (found != IDEMPOTENCY_NEW) {
            say_error(call);
            return;
        }
    }
    if (!fault_is_planned(plan, FAULT_ERROR_500)) {
        run_handler(call, route);
        is_result = call->exchange->was_done;
    }
    if (fault_is_planned(plan, FAULT_ERROR_500) || fault_is_planned(plan, FAULT_ERROR_500_AFTER)) {
        is_result = true;
        say_trouble(call, 500, NULL, "An unknown error occurred");
    }
    if (is_keyed && is_result)
        idempotency_keep(call, fingerprint);
}

/* Before anything is looked at.  True: the answer is set. */
static bool is_in_trouble(struct stripe_call *call)
{
    const struct fault_plan *plan = &call->exchange->plan;
    bool is_too_many = fault_is_planned(plan, FAULT_TOO_MANY);

    if (!is_too_many && !fault_is_planned(plan, FAULT_ERROR_503))
        return false;
    int64_t retry_s = plan->values[is_too_many ? FAULT_TOO_MANY : FAULT_ERROR_503];
    exchange_add_header(call->exchange, "Retry-After",
                        arena_printf(call->arena, "%d", (int)retry_s));
    if (is_too_many)
        say_trouble(call, 429, "rate_limit",
                    "Request rate limit exceeded. You can learn more about rate limits here "
                    "https://stripe.com/docs/rate-limits.");
    else
        say_trouble(call, 503, NULL, "The service is temporarily unavailable");
    return true;
}

static void answer_api(struct stripe_call *call)
{
    struct exchange *exchange = call->exchange;

    exchange->request_id = simulator_id(call->simulator, call->arena, "req_", 14);
    exchange_add_header(exchange, "Request-Id", exchange->request_id);
    if (is_in_trouble(call))
        return;
    if (!is_authenticated(call) || !is_versioned(call) || !read_params(call)) {
        say_error(call);
        return;
    }
    const char *key = http_service_header(exchange->http, "Idempotency-Key");
    if (key != NULL && text_equal(exchange->http->method, "POST")) {
        if (!text_is_plain(key, strlen(key))) {
            stripe_refuse(call, 400, NULL, NULL, "Idempotency keys are printable ASCII");
            say_error(call);
            return;
        }
        exchange->key = arena_strdup(call->arena, key);
        exchange_add_header(exchange, "Idempotency-Key", exchange->key);
    }
    const struct stripe_route *route =
        stripe_route_find(call->arena, exchange->http->method, exchange->http->path, &call->id);
    if (route != NULL) {
        run_keyed(call, route);
        return;
    }
    stripe_refuse(call, 404, NULL, NULL, "Unrecognized request URL (%s: %.128s).",
                  exchange->http->method, exchange->http->path);
    say_error(call);
}

static void answer(struct exchange *exchange)
{
    struct stripe_call call = {
        .exchange = exchange,
        .simulator = exchange->simulator,
        .tx = &exchange->tx,
        .arena = exchange->arena,
        .id = "",
        .now_s = exchange->tx.now_us / US_PER_SECOND,
    };

    if (text_starts_with(exchange->http->path, CHALLENGE_PATH))
        stripe_challenge_page(&call, exchange);
    else
        answer_api(&call);
}

static const char *const prefixes[] = {"/v1/", CHALLENGE_PATH, NULL};

const struct face stripe_face = {
    .name = "stripe",
    .prefixes = prefixes,
    .answer = answer,
    .run_task = stripe_run_task,
    .falsify = stripe_falsify,
    .webhook = stripe_webhook,
};
