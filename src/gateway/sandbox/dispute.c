/*
 * The sandbox's disputes.  Certain cards' owners dispute what is charged, evidence of one word wins
 * or loses, as in Stripe's test mode; a bank that has decided says so when it is asked the next
 * time.
 */

#include "base/fiber.h"
#include "base/text.h"
#include "gateway/sandbox/internal.h"

#define EVIDENCE_US (9 * US_PER_DAY) /* until it is due */
#define FEE_MINOR   1500

/* What decides, as `uncategorized_text` of the evidence; anything else stays under review. */
#define WINS        "winning_evidence"
#define LOSES       "losing_evidence"
#define WINS_UNSEEN "winning_evidence_unanswered" /* it is taken, and the answer never comes */

static struct journal_line line_about(const struct memory_dispute *dispute, const char *key,
                                      const char *evidence)
{
    return (struct journal_line){
        .call =
            {
                .operation = SANDBOX_DISPUTE,
                .key = key,
                .reference = dispute->charge->reference,
                .token = "",
                .currency = dispute->charge->currency,
                .amount_minor = dispute->amount_minor,
                .traceparent = "",
            },
        .acted_on = dispute->id,
        .error = evidence,
    };
}

/* False: it could not be written, so it did not happen. */
static bool note(struct sandbox *sandbox, struct arena *arena, const struct memory_dispute *dispute,
                 const char *outcome, const char *key, const char *evidence)
{
    struct journal_line line = line_about(dispute, key, evidence);
    const struct verdict verdict = {outcome, "", evidence, dispute->charge->transaction, false};
    struct memory_request *learned;

    return sandbox_record(sandbox, arena, &line, &verdict, &learned);
}

/* ---- What happens by itself, seen when somebody asks ---- */

static void open_one(struct sandbox *sandbox, struct arena *arena, struct memory_request *charge,
                     int number, int64_t amount_minor)
{
    const struct memory_dispute dispute = {
        .id = arena_printf(arena, "dp_%s_%d", charge->transaction, number),
        .charge = charge,
        .amount_minor = amount_minor,
    };

    if (amount_minor > 0)
        note(sandbox, arena, &dispute, "OPENED", "", "");
}

/* Money that was taken by now is disputed; what is only held waits. */
static void open_expected(struct sandbox *sandbox, struct arena *arena)
{
    struct disputable *next;

    for (struct disputable *at = memory_disputes(sandbox->memory)->expected; at != NULL;
         at = next) {
        struct memory_request *charge = at->charge;
        int64_t captured = charge->captured_minor;
        next = at->next;
        if (captured == 0)
            continue;
        if (charge->token->behaviour == SANDBOX_DISPUTED_TWICE) {
            open_one(sandbox, arena, charge, 1, captured / 2);
            open_one(sandbox, arena, charge, 2, captured - captured / 2);
        } else {
            open_one(sandbox, arena, charge, 1, captured);
        }
    }
}

/* The bank decides, or stops to wait for evidence. */
static void decide(struct sandbox *sandbox, struct arena *arena,
                   const struct memory_dispute *dispute)
{
    bool wins = text_equal(dispute->evidence, WINS) || text_equal(dispute->evidence, WINS_UNSEEN);
    bool loses = text_equal(dispute->evidence, LOSES);

    if (dispute->status == GATEWAY_DISPUTE_NEEDS_RESPONSE)
        loses = clock_wall_us(sandbox->clock) >= dispute->time_us + EVIDENCE_US;
    else if (dispute->status != GATEWAY_DISPUTE_UNDER_REVIEW)
        return;
    if (wins || loses)
        note(sandbox, arena, dispute,
             dispute->is_inquiry ? "CLOSED"
             : wins              ? "WON"
                                 : "LOST",
             "", "");
}

/* ---- What is asked ---- */

static const char *reason_of(const struct memory_dispute *dispute)
{
    return dispute->charge->token->behaviour == SANDBOX_DISPUTED_GOODS ? "product_not_received"
                                                                       : "fraudulent";
}

/* Copied out of memory, whose lines other threads add to. */
static void tell(struct arena *arena, const struct memory_dispute *known,
                 struct gateway_dispute *dispute)
{
    bool is_taken = !known->is_inquiry && known->status != GATEWAY_DISPUTE_WON;
    bool is_waiting = known->status == GATEWAY_DISPUTE_NEEDS_RESPONSE;

    *dispute = (struct gateway_dispute){
        .id = arena_strdup(arena, known->id),
        .transaction = arena_strdup(arena, known->charge->transaction),
        .reference = arena_strdup(arena, known->charge->reference),
        .amount = money_make(known->charge->currency, known->amount_minor),
        .withdrawn_minor = is_taken ? known->amount_minor : 0,
        .fee = money_make(known->charge->currency, known->is_inquiry ? 0 : FEE_MINOR),
        .status = known->status,
        .is_inquiry = known->is_inquiry,
        .has_evidence = known->has_evidence,
        .reason = reason_of(known),
        .evidence_due_us = is_waiting ? known->time_us + EVIDENCE_US : 0,
        .created_us = known->time_us,
    };
}

enum gateway_outcome sandbox_get_dispute(const struct gateway *gateway, struct call *call,
                                         const char *id, struct gateway_dispute *dispute)
{
    struct sandbox *sandbox = gateway->state;

    pthread_mutex_lock(&sandbox->mutex);
    open_expected(sandbox, call->arena);
    const struct memory_dispute *known = dispute_memory_find(memory_disputes(sandbox->memory), id);
    if (known != NULL) {
        decide(sandbox, call->arena, known);
        tell(call->arena, known, dispute);
    }
    pthread_mutex_unlock(&sandbox->mutex);
    return known == NULL ? GATEWAY_FAILED : GATEWAY_SUCCEEDED;
}

static const char *deciding_word(const struct gateway_dispute_request *request)
{
    static const char *const words[] = {WINS, LOSES, WINS_UNSEEN};

    for (size_t i = 0; i < request->evidence_count; i++) {
        if (!text_equal(request->evidence[i].name, "uncategorized_text"))
            continue;
        for (size_t j = 0; j < ARRAY_LENGTH(words); j++) {
            if (text_equal(request->evidence[i].text, words[j]))
                return words[j];
        }
    }
    return "";
}

/* Under the mutex; `outcome` is that of the line. */
static enum gateway_outcome take(struct sandbox *sandbox, struct arena *arena,
                                 const struct gateway_dispute_request *request, bool is_evidence,
                                 struct gateway_dispute *dispute)
{
    const struct memory_dispute *known =
        dispute_memory_find(memory_disputes(sandbox->memory), request->dispute);

    if (known == NULL)
        return GATEWAY_FAILED;
    if (!text_equal(known->key, request->idempotency_key)) {
        decide(sandbox, arena, known);
        bool is_open = known->status == GATEWAY_DISPUTE_NEEDS_RESPONSE ||
                       (!is_evidence && known->status == GATEWAY_DISPUTE_UNDER_REVIEW);
        if (!is_open)
            return GATEWAY_FAILED;
        const char *outcome = is_evidence ? "SUBMITTED" : known->is_inquiry ? "CLOSED" : "LOST";
        if (!note(sandbox, arena, known, outcome, request->idempotency_key,
                  is_evidence ? deciding_word(request) : ""))
            return GATEWAY_UNKNOWN;
    }
    tell(arena, known, dispute);
    return GATEWAY_SUCCEEDED;
}

enum gateway_outcome sandbox_submit_evidence(const struct gateway *gateway, struct call *call,
                                             const struct gateway_dispute_request *request,
                                             struct gateway_dispute *dispute)
{
    struct sandbox *sandbox = gateway->state;

    pthread_mutex_lock(&sandbox->mutex);
    enum gateway_outcome outcome = take(sandbox, call->arena, request, true, dispute);
    pthread_mutex_unlock(&sandbox->mutex);
    if (outcome != GATEWAY_SUCCEEDED || !text_equal(deciding_word(request), WINS_UNSEEN))
        return outcome;
    fiber_sleep(sandbox_wait_us(sandbox, call));
    return GATEWAY_UNKNOWN;
}

enum gateway_outcome sandbox_accept_dispute(const struct gateway *gateway, struct call *call,
                                            const struct gateway_dispute_request *request,
                                            struct gateway_dispute *dispute)
{
    struct sandbox *sandbox = gateway->state;

    pthread_mutex_lock(&sandbox->mutex);
    enum gateway_outcome outcome = take(sandbox, call->arena, request, false, dispute);
    pthread_mutex_unlock(&sandbox->mutex);
    return outcome;
}

bool sandbox_list_disputes(const struct gateway *gateway, struct call *call, int64_t since_us,
                           const char *cursor, struct gateway_dispute_page *page)
{
    struct sandbox *sandbox = gateway->state;

    *page = (struct gateway_dispute_page){.next = ""};
    pthread_mutex_lock(&sandbox->mutex);
    open_expected(sandbox, call->arena);
    const struct dispute_memory *memory = memory_disputes(sandbox->memory);
    const struct memory_dispute *at = memory->newest;
    if (cursor[0] != '\0') {
        const struct memory_dispute *last = dispute_memory_find(memory, cursor);
        at = last == NULL ? NULL : last->older;
    }
    for (; at != NULL && at->time_us >= since_us && page->count < GATEWAY_DISPUTE_PAGE_MAX;
         at = at->older)
        page->ids[page->count++] = arena_strdup(call->arena, at->id);
    if (at != NULL && page->count == GATEWAY_DISPUTE_PAGE_MAX)
        page->next = page->ids[page->count - 1];
    pthread_mutex_unlock(&sandbox->mutex);
    return true;
}
