/*
 * Disputes in the order of their opening.  They are few: a list is enough.
 */

#include "gateway/sandbox/dispute_memory.h"

#include "base/text.h"
#include "gateway/sandbox/memory.h"

static bool is_disputed(const struct sandbox_token *token)
{
    return token != NULL && (token->behaviour == SANDBOX_DISPUTED_FRAUD ||
                             token->behaviour == SANDBOX_DISPUTED_GOODS ||
                             token->behaviour == SANDBOX_DISPUTED_INQUIRY ||
                             token->behaviour == SANDBOX_DISPUTED_TWICE);
}

void dispute_memory_expect(struct dispute_memory *memory, struct memory_request *charge)
{
    if (!is_disputed(charge->token))
        return;
    struct disputable *expected = arena_alloc(memory->arena, sizeof *expected);
    *expected = (struct disputable){.next = memory->expected, .charge = charge};
    memory->expected = expected;
}

struct memory_dispute *dispute_memory_find(const struct dispute_memory *memory, const char *id)
{
    struct memory_dispute *dispute = memory->newest;

    while (dispute != NULL && !text_equal(dispute->id, id))
        dispute = dispute->older;
    return dispute;
}

static void learn_opening(struct dispute_memory *memory, const struct journal_line *line,
                          struct memory_request *charge)
{
    struct memory_dispute *dispute = arena_alloc(memory->arena, sizeof *dispute);

    *dispute = (struct memory_dispute){
        .older = memory->newest,
        .id = arena_strdup(memory->arena, line->acted_on),
        .charge = charge,
        .amount_minor = line->call.amount_minor,
        .time_us = line->call.time_us,
        .status = GATEWAY_DISPUTE_NEEDS_RESPONSE,
        .is_inquiry = charge->token->behaviour == SANDBOX_DISPUTED_INQUIRY,
        .key = "",
        .evidence = "",
    };
    memory->newest = dispute;
    if (!dispute->is_inquiry)
        charge->disputed_minor += dispute->amount_minor;
    for (struct disputable **at = &memory->expected; *at != NULL;) {
        if ((*at)->charge == charge)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

/* False: the line leaves the dispute as it was. */
static bool status_of(const struct journal_line *line, enum gateway_dispute_status *status)
{
    static const struct {
        const char *outcome;
        enum gateway_dispute_status status;
    } known[] = {
        {"SUBMITTED", GATEWAY_DISPUTE_UNDER_REVIEW},
        {"WON", GATEWAY_DISPUTE_WON},
        {"LOST", GATEWAY_DISPUTE_LOST},
        {"CLOSED", GATEWAY_DISPUTE_CLOSED},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (text_equal(known[i].outcome, line->call.outcome)) {
            *status = known[i].status;
            return true;
        }
    }
    return false;
}

void dispute_memory_learn(struct dispute_memory *memory, const struct journal_line *line,
                          struct memory_request *charge)
{
    struct memory_dispute *dispute = dispute_memory_find(memory, line->acted_on);

    if (text_equal(line->call.outcome, "OPENED")) {
        if (dispute == NULL && charge != NULL && charge->token != NULL)
            learn_opening(memory, line, charge);
        return;
    }
    if (dispute == NULL || !status_of(line, &dispute->status))
        return;
    if (line->call.key[0] != '\0')
        dispute->key = arena_strdup(memory->arena, line->call.key);
    if (dispute->status == GATEWAY_DISPUTE_UNDER_REVIEW) {
        dispute->has_evidence = true;
        dispute->evidence = arena_strdup(memory->arena, line->error);
    }
    if (dispute->status == GATEWAY_DISPUTE_WON && !dispute->is_inquiry)
        dispute->charge->disputed_minor -= dispute->amount_minor;
}
