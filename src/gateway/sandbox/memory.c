/*
 * Three chained hash tables in an arena.  Nothing is ever forgotten, as at a real gateway; the
 * arena's cap is far above what a sandbox does, and reaching it is refused, not fatal.
 */

#include "gateway/sandbox/memory.h"

#include "base/text.h"
#include "gateway/sandbox/books.h"

#define MEMORY_SIZE_MAX (1024UL * 1024 * 1024)
#define MEMORY_RESERVE  (1024UL * 1024) /* always left for what is being learnt */
#define BUCKET_COUNT    65536U

struct counted_token {
    struct counted_token *next;
    const char *token;
    int64_t charge_count;
};

struct memory {
    struct arena *arena;
    struct memory_request **by_key;
    struct memory_request **by_transaction;
    struct counted_token **tokens;
    const struct memory_call *newest;
    struct dispute_memory disputes;
};

struct memory *memory_new(void)
{
    struct arena *arena = arena_new(MEMORY_SIZE_MAX);
    struct memory *memory = arena_alloc(arena, sizeof *memory);

    *memory = (struct memory){
        .arena = arena,
        .by_key = arena_array(arena, BUCKET_COUNT, sizeof(void *)),
        .by_transaction = arena_array(arena, BUCKET_COUNT, sizeof(void *)),
        .tokens = arena_array(arena, BUCKET_COUNT, sizeof(void *)),
        .disputes = {.arena = arena},
    };
    return memory;
}

void memory_free(struct memory *memory)
{
    if (memory != NULL)
        arena_free(memory->arena);
}

bool memory_has_room(const struct memory *memory)
{
    return arena_used(memory->arena) < MEMORY_SIZE_MAX - MEMORY_RESERVE;
}

/* FNV-1a: not against an adversary, who has no way in here. */
static uint64_t hash_more(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211U;
    return (hash ^ 0xffU) * 1099511628211U;
}

uint64_t memory_hash(const char *text)
{
    return hash_more(14695981039346656037U, text);
}

uint64_t memory_fingerprint(const struct journal_line *line)
{
    char amount[32];

    snprintf(amount, sizeof amount, "%lld", (long long)line->call.amount_minor);
    uint64_t hash = memory_hash(line->call.operation);
    hash = hash_more(hash, amount);
    hash = hash_more(hash, line->call.currency);
    hash = hash_more(hash, line->call.token);
    hash = hash_more(hash, line->acted_on);
    hash = hash_more(hash, line->final ? "final" : "");
    return hash_more(hash, line->off_session ? "off" : "on");
}

struct memory_request *memory_find(struct memory *memory, const char *key)
{
    struct memory_request *request = memory->by_key[memory_hash(key) % BUCKET_COUNT];

    while (request != NULL && !text_equal(request->key, key))
        request = request->next_by_key;
    return request;
}

static struct memory_request **transaction_bucket(struct memory *memory, const char *transaction)
{
    return &memory->by_transaction[memory_hash(transaction) % BUCKET_COUNT];
}

static bool takes_money(enum gateway_operation operation)
{
    return operation == GATEWAY_CHARGE || operation == GATEWAY_AUTHORIZE;
}

struct memory_request *memory_find_transaction(struct memory *memory, const char *transaction)
{
    struct memory_request *request = *transaction_bucket(memory, transaction);

    while (request != NULL && !text_equal(request->transaction, transaction))
        request = request->next_by_transaction;
    return request;
}

struct dispute_memory *memory_disputes(struct memory *memory)
{
    return &memory->disputes;
}

static struct counted_token *counted_find(struct memory *memory, const char *token)
{
    struct counted_token *counted = memory->tokens[memory_hash(token) % BUCKET_COUNT];

    while (counted != NULL && !text_equal(counted->token, token))
        counted = counted->next;
    return counted;
}

int64_t memory_charge_count(struct memory *memory, const char *token)
{
    const struct counted_token *counted = counted_find(memory, token);

    return counted == NULL ? 0 : counted->charge_count;
}

static void count_charge(struct memory *memory, const char *token)
{
    struct counted_token *counted = counted_find(memory, token);

    if (counted == NULL) {
        struct counted_token **bucket = &memory->tokens[memory_hash(token) % BUCKET_COUNT];
        counted = arena_alloc(memory->arena, sizeof *counted);
        counted->token = arena_strdup(memory->arena, token);
        counted->next = *bucket;
        *bucket = counted;
    }
    counted->charge_count++;
}

int64_t memory_next_number(const struct memory *memory)
{
    return memory->newest == NULL ? 1 : memory->newest->number + 1;
}

const struct memory_call *memory_newest(const struct memory *memory)
{
    return memory->newest;
}

static void learn_call(struct memory *memory, const struct journal_line *line, int64_t offset)
{
    struct memory_call *call = arena_alloc(memory->arena, sizeof *call);

    *call = (struct memory_call){
        .previous = memory->newest,
        .number = line->call.number,
        .offset = offset,
        .time_us = line->call.time_us,
        .reference_hash = memory_hash(line->call.reference),
        .moved_money = books_moved(line) != 0,
    };
    memory->newest = call;
}

static struct memory_request *learn_request(struct memory *memory, const struct journal_line *line)
{
    struct memory_request *request = memory_find(memory, line->call.key);

    if (request != NULL)
        return request;
    struct memory_request **bucket = &memory->by_key[memory_hash(line->call.key) % BUCKET_COUNT];
    request = arena_alloc(memory->arena, sizeof *request);
    *request = (struct memory_request){
        .next_by_key = *bucket,
        .key = arena_strdup(memory->arena, line->call.key),
        .transaction = "",
        .decline_code = "",
        .error = "",
        .reference = arena_strdup(memory->arena, line->call.reference),
        .acted_on = arena_strdup(memory->arena, line->acted_on),
        .token = sandbox_token_find(line->call.token),
        .fingerprint = memory_fingerprint(line),
        .time_us = line->call.time_us,
        .amount_minor = line->call.amount_minor,
        .operation = GATEWAY_CHARGE,
    };
    gateway_operation_parse(line->call.operation, &request->operation);
    memcpy(request->currency, line->call.currency,
           strnlen(line->call.currency, sizeof request->currency - 1));
    *bucket = request;
    return request;
}

/* False for what leaves the request as it was: a repeat, a lost request. */
static bool outcome_of(const struct journal_line *line, enum gateway_outcome *outcome)
{
    static const struct {
        const char *name;
        enum gateway_outcome outcome;
    } outcomes[] = {
        {"APPROVED", GATEWAY_SUCCEEDED},
        {"DECLINED", GATEWAY_DECLINED},
        {"ACTION_REQUIRED", GATEWAY_REQUIRES_ACTION},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(outcomes); i++) {
        if (text_equal(line->call.outcome, outcomes[i].name)) {
            *outcome = outcomes[i].outcome;
            return true;
        }
    }
    *outcome = GATEWAY_FAILED;
    return text_equal(line->call.outcome, "NOT_DONE") && line->error[0] != '\0';
}

/* What a success does to the charge or authorization that it acts on. */
static void learn_effect(struct memory *memory, const struct memory_request *request, bool is_final)
{
    struct memory_request *acted_on = memory_find_transaction(memory, request->acted_on);

    if (acted_on == NULL)
        return;
    switch (request->operation) {
    case GATEWAY_CAPTURE:
        acted_on->captured_minor += request->amount_minor;
        acted_on->is_released = acted_on->is_released || is_final;
        break;
    case GATEWAY_VOID:
        acted_on->is_released = true;
        break;
    case GATEWAY_REFUND:
        acted_on->refunded_minor += request->amount_minor;
        break;
    case GATEWAY_CHARGE:
    case GATEWAY_AUTHORIZE:
    case GATEWAY_OPERATION_COUNT:
        break;
    }
}

static void learn_transaction(struct memory *memory, struct memory_request *request,
                              const char *transaction)
{
    struct memory_request **bucket = transaction_bucket(memory, transaction);

    request->transaction = arena_strdup(memory->arena, transaction);
    request->next_by_transaction = *bucket;
    *bucket = request;
}

static void learn_result(struct memory *memory, struct memory_request *request,
                         const struct journal_line *line, enum gateway_outcome outcome)
{
    bool is_first = !request->is_done;

    request->is_done = true;
    request->outcome = outcome;
    request->decline_code = arena_strdup(memory->arena, line->call.decline_code);
    request->error = arena_strdup(memory->arena, line->error);
    if (is_first && takes_money(request->operation)) {
        count_charge(memory, line->call.token);
        if (line->call.transaction[0] != '\0')
            learn_transaction(memory, request, line->call.transaction);
        dispute_memory_expect(&memory->disputes, request);
    } else if (is_first) {
        request->transaction = arena_strdup(memory->arena, line->call.transaction);
    }
    if (outcome == GATEWAY_SUCCEEDED && request->operation == GATEWAY_CHARGE)
        request->captured_minor = request->amount_minor;
    else if (outcome == GATEWAY_SUCCEEDED)
        learn_effect(memory, request, line->final);
}

/* A bank that sends a refund back: what it had returned can be refunded again. */
static void learn_reversal(struct memory *memory, struct memory_request *request,
                           const struct journal_line *line)
{
    struct memory_request *acted_on = memory_find_transaction(memory, request->acted_on);

    if (acted_on != NULL)
        acted_on->refunded_minor -= request->amount_minor;
    request->outcome = GATEWAY_DECLINED;
    request->decline_code = arena_strdup(memory->arena, line->call.decline_code);
}

struct memory_request *memory_learn(struct memory *memory, const struct journal_line *line,
                                    int64_t offset, bool *is_full)
{
    enum gateway_outcome outcome;

    *is_full = !memory_has_room(memory);
    if (*is_full)
        return NULL;
    learn_call(memory, line, offset);
    if (text_equal(line->call.operation, "QUERY"))
        return NULL;
    if (text_equal(line->call.operation, SANDBOX_DISPUTE)) {
        dispute_memory_learn(&memory->disputes, line,
                             memory_find_transaction(memory, line->call.transaction));
        return NULL;
    }
    struct memory_request *request = learn_request(memory, line);
    bool is_open = !request->is_done || request->outcome == GATEWAY_REQUIRES_ACTION;
    if (is_open && outcome_of(line, &outcome))
        learn_result(memory, request, line, outcome);
    else if (request->outcome == GATEWAY_SUCCEEDED && text_equal(line->call.outcome, "REVERSED"))
        learn_reversal(memory, request, line);
    return request;
}
