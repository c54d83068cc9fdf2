/*
 * The sandbox gateway at work.
 *
 * Under its mutex it decides, writes the line, and only then knows of it: the line is the moment in
 * which money moves.  Waiting (for an answer that never comes) happens outside the mutex, in the
 * caller's fiber.
 */

#include "gateway/sandbox/internal.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/fail_point.h"
#include "base/fiber.h"
#include "base/text.h"
#include "base/trace.h"
#include "gateway/sandbox/books.h"

/* Stripe compares parameters of a repeated key for 24 hours; we stop to re-send
 * before. */
#define RESEND_WINDOW_US (20 * US_PER_HOUR)
#define ANSWER_MARGIN_US US_PER_SECOND
/* Refunds are looked at again for a day: the one that fails later fails by then. */
#define REFUND_WATCH_US US_PER_DAY
/* Lines are in the order of their times, but for a clock that was set back. */
#define CLOCK_SET_BACK_US US_PER_HOUR
#define ACTION_URL        "https://sandbox.invalid/authenticate/"
#define CARD_EXP_MONTH    12
#define CARD_EXP_YEAR     2034

static bool learn(void *arg, const struct journal_line *line, int64_t offset)
{
    struct sandbox *sandbox = arg;
    bool is_full;

    memory_learn(sandbox->memory, line, offset, &is_full);
    return !is_full;
}

/* What an HTTP request would carry as its header; "" for a call without a trace. */
static const char *traceparent_of(const struct call *call)
{
    char *text = arena_alloc(call->arena, TRACEPARENT_LENGTH + 1);

    if (call->span != NULL)
        trace_format(call, text);
    return text;
}

static struct journal_line line_from(const struct call *call, const struct gateway_request *request,
                                     bool is_query)
{
    return (struct journal_line){
        .call =
            {
                .operation = is_query ? "QUERY" : gateway_operation_name(request->operation),
                .key = request->idempotency_key,
                .reference = request->reference,
                .token = request->token == NULL ? "" : request->token,
                .currency = request->amount.currency,
                .amount_minor = request->amount.minor_units,
                .transaction = "",
                .decline_code = "",
                .traceparent = traceparent_of(call),
            },
        .acted_on = request->transaction == NULL ? "" : request->transaction,
        .off_session = request->off_session,
        .final = request->final,
        .error = "",
    };
}

bool sandbox_record(struct sandbox *sandbox, struct arena *arena, struct journal_line *line,
                    const struct verdict *verdict, struct memory_request **learned)
{
    int64_t offset;
    bool is_full;

    line->call.number = memory_next_number(sandbox->memory);
    line->call.time_us = clock_wall_us(sandbox->clock);
    line->call.outcome = verdict->outcome;
    line->call.transaction = verdict->transaction;
    line->call.decline_code = verdict->decline_code;
    line->call.answer_lost = verdict->answer_lost;
    line->error = verdict->error;
    FAIL_POINT_HELD("sandbox.decided");
    if (!memory_has_room(sandbox->memory) ||
        !journal_append(&sandbox->journal, arena, line, &offset))
        return false;
    FAIL_POINT_HELD("sandbox.journaled");
    *learned = memory_learn(sandbox->memory, line, offset, &is_full);
    return true;
}

/* NULL: it could not be written. */
static struct memory_request *record(struct sandbox *sandbox, struct arena *arena,
                                     struct journal_line *line, const struct verdict *verdict)
{
    struct memory_request *learned;

    return sandbox_record(sandbox, arena, line, verdict, &learned) ? learned : NULL;
}

static struct judge judge_of(const struct sandbox *sandbox)
{
    return (struct judge){sandbox->memory, sandbox->random, clock_wall_us(sandbox->clock)};
}

static struct gateway_answer answer_plain(enum gateway_outcome outcome, const char *evidence)
{
    return (struct gateway_answer){
        .outcome = outcome, .transaction = "", .decline_code = "", .evidence = evidence};
}

/* What a customer would be sent to; a secret only its own app knows. */
static struct gateway_action action_of(struct arena *arena, const struct memory_request *known)
{
    bool is_app = known->token != NULL && known->token->behaviour == SANDBOX_AUTHENTICATED_APP;

    return (struct gateway_action){
        .kind = is_app ? GATEWAY_ACTION_SDK : GATEWAY_ACTION_REDIRECT,
        .redirect_url = is_app ? "" : arena_printf(arena, ACTION_URL "%s", known->transaction),
        .client_secret = is_app ? arena_printf(arena, "%s_secret", known->transaction) : "",
        .expires_us = known->time_us + SANDBOX_ACTION_US,
    };
}

/* Copied out of memory, whose lines other threads add to. */
static struct gateway_answer answer_from(struct arena *arena, const struct memory_request *known,
                                         const char *evidence)
{
    struct gateway_answer answer = {
        .outcome = known->outcome,
        .transaction = arena_strdup(arena, known->transaction),
        .decline_code = arena_strdup(arena, known->decline_code),
        .network_decline_code = sandbox_network_code(known->decline_code),
        .advice = sandbox_advice(known->decline_code),
        .evidence = known->error[0] == '\0' ? evidence : arena_strdup(arena, known->error),
        .is_hold_gone = text_equal(known->error, SANDBOX_NOTHING_HELD),
    };

    memcpy(answer.amount.currency, known->currency, sizeof answer.amount.currency);
    answer.amount.minor_units = known->amount_minor;
    if (known->outcome == GATEWAY_REQUIRES_ACTION)
        answer.action = action_of(arena, known);
    if (known->operation == GATEWAY_AUTHORIZE && known->outcome == GATEWAY_SUCCEEDED)
        answer.authorization_expires_us = known->time_us + SANDBOX_HOLD_US;
    return answer;
}

/*
 * Under the mutex.  Not NULL: the caller has to wait for an answer that never comes, and then to
 * put is_sending of the request back.
 */
static struct memory_request *process(struct sandbox *sandbox, const struct call *call,
                                      const struct gateway_request *request,
                                      struct gateway_answer *answer)
{
    static const struct verdict replayed = {"REPLAYED", "", "", "", false};
    static const struct verdict refused = {"NOT_DONE", "", "", "", false};
    struct arena *arena = call->arena;
    struct journal_line line = line_from(call, request, false);
    struct memory_request *known = memory_find(sandbox->memory, request->idempotency_key);

    if (known != NULL && known->fingerprint != memory_fingerprint(&line)) {
        record(sandbox, arena, &line, &refused);
        *answer = answer_plain(GATEWAY_FAILED, "the key was used with other parameters");
        return NULL;
    }
    if (known != NULL && known->is_done) {
        record(sandbox, arena, &line, &replayed);
        *answer = answer_from(arena, known, "replayed");
        return NULL;
    }
    if (known != NULL && known->is_sending) {
        record(sandbox, arena, &line, &refused);
        *answer = answer_plain(GATEWAY_IN_FLIGHT, "the key is in use");
        return NULL;
    }
    struct verdict verdict = judge_request(judge_of(sandbox), arena, request, known == NULL);
    known = record(sandbox, arena, &line, &verdict);
    if (known == NULL) {
        *answer = answer_plain(GATEWAY_UNKNOWN, "the gateway could not write its journal");
        return NULL;
    }
    if (verdict.answer_lost) {
        *answer = answer_plain(GATEWAY_UNKNOWN, "no answer in time");
        known->is_sending = true;
        return known;
    }
    *answer = known->is_done ? answer_from(arena, known, "answered")
                             : answer_plain(GATEWAY_IN_FLIGHT, "accepted, not done yet");
    return NULL;
}

/*
 * As long as an answer may take, but not past the time in which the caller can still be told that
 * it is not known. A caller that is in more of a hurry than that is not waited for: what it asked
 * for goes on without it.
 */
int64_t sandbox_wait_us(const struct sandbox *sandbox, const struct call *call)
{
    int64_t timeout_us = sandbox->timeout_ms * US_PER_MS;
    int64_t left_us = call_time_left_us(call) - ANSWER_MARGIN_US;

    return left_us > 0 && left_us < timeout_us ? left_us : timeout_us;
}

/* The time that an answer takes; one that would come too late is not heard. */
static void wait_for_answer(const struct sandbox *sandbox, const struct call *call,
                            struct gateway_answer *answer)
{
    int64_t latency_us = sandbox->latency_ms * US_PER_MS;
    int64_t patience_us = sandbox_wait_us(sandbox, call);

    if (latency_us >= patience_us) {
        *answer = answer_plain(GATEWAY_UNKNOWN, "no answer in time");
        latency_us = patience_us;
    }
    fiber_sleep(latency_us);
}

static void sandbox_send(const struct gateway *gateway, struct call *call,
                         const struct gateway_request *request, struct gateway_answer *answer)
{
    struct sandbox *sandbox = gateway->state;

    pthread_mutex_lock(&sandbox->mutex);
    struct memory_request *waiting = process(sandbox, call, request, answer);
    pthread_mutex_unlock(&sandbox->mutex);
    if (waiting == NULL) {
        if (sandbox->latency_ms > 0)
            wait_for_answer(sandbox, call, answer);
        return;
    }
    fiber_sleep(sandbox_wait_us(sandbox, call));
    pthread_mutex_lock(&sandbox->mutex);
    waiting->is_sending = false;
    pthread_mutex_unlock(&sandbox->mutex);
}

static void sandbox_query(const struct gateway *gateway, struct call *call,
                          const struct gateway_request *request, struct gateway_answer *answer)
{
    static const struct verdict reported = {"REPORTED", "", "", "", false};
    struct sandbox *sandbox = gateway->state;
    struct journal_line line = line_from(call, request, true);
    struct verdict happened;

    pthread_mutex_lock(&sandbox->mutex);
    const struct memory_request *known = memory_find(sandbox->memory, request->idempotency_key);
    if (known != NULL && judge_event(judge_of(sandbox), known, &happened)) {
        struct journal_line event = line_from(call, request, false);
        record(sandbox, call->arena, &event, &happened);
    }
    record(sandbox, call->arena, &line, &reported);
    if (known != NULL && known->is_done)
        *answer = answer_from(call->arena, known, "queried");
    else if (known != NULL && known->is_sending)
        *answer = answer_plain(GATEWAY_IN_FLIGHT, "queried: still at work");
    else
        *answer = answer_plain(GATEWAY_FAILED, "queried: never executed");
    pthread_mutex_unlock(&sandbox->mutex);
}

static const struct error *sandbox_describe(const struct gateway *gateway, struct call *call,
                                            const char *token, struct gateway_card *card)
{
    const struct sandbox *sandbox = gateway->state;
    const struct sandbox_token *row = sandbox_token_find(token);
    struct field_errors errors = {.call = call};
    uint8_t id[8];
    char hex[2 * sizeof id + 1];

    if (row == NULL || strlen(token) > GATEWAY_TOKEN_LENGTH_MAX) {
        field_error_add(&errors, "payment_method.gateway_token",
                        "must be a token that the gateway knows");
        return field_errors_result(&errors);
    }
    *card = (struct gateway_card){.exp_month = CARD_EXP_MONTH, .exp_year = CARD_EXP_YEAR};
    snprintf(card->brand, sizeof card->brand, "%s", row->brand);
    snprintf(card->last4, sizeof card->last4, "%s", row->last4);
    snprintf(card->fingerprint, sizeof card->fingerprint, "%s", row->name);
    if (row->behaviour == SANDBOX_DECLINES_FROM_SECOND) {
        random_fill(sandbox->random, id, sizeof id);
        hex_encode(id, sizeof id, hex);
        snprintf(card->token, sizeof card->token, "%s.%s", row->name, hex);
    } else {
        snprintf(card->token, sizeof card->token, "%s", row->name);
    }
    return NULL;
}

static const struct memory_call *newest(struct sandbox *sandbox)
{
    pthread_mutex_lock(&sandbox->mutex);
    const struct memory_call *call = memory_newest(sandbox->memory);
    pthread_mutex_unlock(&sandbox->mutex);
    return call;
}

/* False: the journal cannot be read there. */
static bool list_one(struct sandbox *sandbox, struct arena *arena, const struct memory_call *at,
                     struct gateway_transaction *entry)
{
    struct journal_line line;

    if (!journal_read(&sandbox->journal, arena, at->offset, &line))
        return false;
    pthread_mutex_lock(&sandbox->mutex);
    books_line(sandbox->memory, arena, &line, entry);
    pthread_mutex_unlock(&sandbox->mutex);
    return true;
}

/*
 * Newest first; the cursor is the number behind the next line.  What is older than the newest never
 * changes, so only the lines of the page are read, and whoever pays waits for none of it.
 */
static bool sandbox_list(const struct gateway *gateway, struct call *call, int64_t from_us,
                         int64_t until_us, const char *cursor,
                         struct gateway_transaction_page *page)
{
    struct sandbox *sandbox = gateway->state;
    int64_t before = strtoll(cursor, NULL, 10);

    *page = (struct gateway_transaction_page){
        .list = arena_array(call->arena, GATEWAY_LINES_MAX, sizeof *page->list), .next = ""};
    for (const struct memory_call *at = newest(sandbox);
         at != NULL && at->time_us >= from_us - CLOCK_SET_BACK_US; at = at->previous) {
        if ((before > 0 && at->number >= before) || !at->moved_money || at->time_us < from_us ||
            at->time_us >= until_us)
            continue;
        if (page->count == GATEWAY_LINES_MAX) {
            page->next = arena_printf(call->arena, "%" PRId64, at->number + 1);
            break;
        }
        if (list_one(sandbox, call->arena, at, &page->list[page->count]))
            page->count++;
    }
    return true;
}

struct sandbox *sandbox_open(const char *journal_path, int64_t timeout_ms, int64_t latency_ms,
                             const struct clock *clock, const struct random *random,
                             char problem[256])
{
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);

    if (sandbox == NULL) {
        snprintf(problem, 256, "out of memory");
        return NULL;
    }
    sandbox->gateway = (struct gateway){
        .name = "sandbox",
        .resend_window_us = RESEND_WINDOW_US,
        .refund_watch_us = REFUND_WATCH_US,
        .describe = sandbox_describe,
        .send = sandbox_send,
        .query = sandbox_query,
        .get_dispute = sandbox_get_dispute,
        .submit_evidence = sandbox_submit_evidence,
        .accept_dispute = sandbox_accept_dispute,
        .list_disputes = sandbox_list_disputes,
        .list_transactions = sandbox_list,
        .state = sandbox,
    };
    sandbox->clock = clock;
    sandbox->random = random;
    sandbox->timeout_ms = timeout_ms;
    sandbox->latency_ms = latency_ms;
    sandbox->memory = memory_new();
    pthread_mutex_init(&sandbox->mutex, NULL);
    if (!journal_open(&sandbox->journal, journal_path, learn, sandbox, problem)) {
        sandbox_close(sandbox);
        return NULL;
    }
    return sandbox;
}

void sandbox_close(struct sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    journal_close(&sandbox->journal);
    memory_free(sandbox->memory);
    pthread_mutex_destroy(&sandbox->mutex);
    free(sandbox);
}

const struct gateway *sandbox_gateway(const struct sandbox *sandbox)
{
    return &sandbox->gateway;
}

struct sandbox *sandbox_of(const struct gateway *gateway)
{
    return gateway->send == sandbox_send ? gateway->state : NULL;
}

static bool is_wanted(const struct memory_call *call, const uint64_t *hashes, size_t hash_count)
{
    for (size_t i = 0; i < hash_count; i++) {
        if (hashes[i] == call->reference_hash)
            return true;
    }
    return false;
}

static const char *public_token(struct arena *arena, const char *token)
{
    return arena_strndup(arena, token, sandbox_token_length(token));
}

struct sandbox_call *sandbox_calls(struct sandbox *sandbox, struct arena *arena, int64_t before,
                                   const char *const *references, size_t reference_count,
                                   size_t limit, size_t *count)
{
    struct sandbox_call *calls = arena_array(arena, limit, sizeof *calls);
    uint64_t *hashes = arena_array(arena, reference_count + 1, sizeof *hashes);

    for (size_t i = 0; i < reference_count; i++)
        hashes[i] = memory_hash(references[i]);
    *count = 0;
    for (const struct memory_call *call = newest(sandbox); call != NULL && *count < limit;
         call = call->previous) {
        struct journal_line line;
        if ((before > 0 && call->number >= before) ||
            (references != NULL && !is_wanted(call, hashes, reference_count)) ||
            !journal_read(&sandbox->journal, arena, call->offset, &line))
            continue;
        calls[*count] = line.call;
        calls[*count].token = public_token(arena, line.call.token);
        (*count)++;
    }
    return calls;
}
