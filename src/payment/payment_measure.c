/*
 * Counts of payments, refunds and gateway answers.  Labels are closed sets: the outcomes of a
 * gateway, and the codes of decline.c; a code without a row there counts as generic_decline, as it
 * does everywhere else.
 */

#include "payment/payment_measure.h"

#include "base/attributes.h"
#include "base/bug.h"
#include "gateway/decline.h"

#define DECLINES_MAX 128
#define OUTCOMES     (GATEWAY_UNKNOWN + 1)

/* By operation, and one row more for questions about what became of one. */
#define ASK_QUERY GATEWAY_OPERATION_COUNT
#define QUESTIONS (GATEWAY_OPERATION_COUNT + 1)

struct payment_counts {
    atomic_uint_least64_t payments[OUTCOMES];
    atomic_uint_least64_t declines[DECLINES_MAX]; /* by row of decline_table */
    atomic_uint_least64_t refunds[OUTCOMES];
    struct histogram answers[QUESTIONS][OUTCOMES];
};

static const struct measure payments = {"dues_payments_total",
                                        "Payments whose result this server recorded, by outcome; "
                                        "decline_code is empty unless declined.",
                                        MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure refunds = {"dues_refunds_total",
                                       "Refunds whose result this server recorded, by outcome.",
                                       MEASURE_COUNTER, MEASURE_PLAIN};
static const struct measure answers = {
    "dues_gateway_answer_duration_seconds",
    "How long gateways took to answer, by what was asked and how the answer was classified.",
    MEASURE_HISTOGRAM, MEASURE_SECONDS};

static const char *outcome_label(size_t outcome)
{
    static const char *const labels[OUTCOMES] = {
        [GATEWAY_SUCCEEDED] = "succeeded",
        [GATEWAY_DECLINED] = "declined",
        [GATEWAY_REQUIRES_ACTION] = "requires_action",
        [GATEWAY_FAILED] = "failed",
        [GATEWAY_NOT_SENT] = "not_sent",
        [GATEWAY_IN_FLIGHT] = "in_flight",
        [GATEWAY_UNKNOWN] = "unknown",
    };

    return labels[outcome];
}

static const char *const question_labels[QUESTIONS] = {
    [GATEWAY_CHARGE] = "charge", [GATEWAY_AUTHORIZE] = "authorize", [GATEWAY_CAPTURE] = "capture",
    [GATEWAY_VOID] = "void",     [GATEWAY_REFUND] = "refund",       [ASK_QUERY] = "query",
};

/* What is recorded as a result; the others are asked about again. */
static const enum gateway_outcome results[] = {GATEWAY_SUCCEEDED, GATEWAY_DECLINED, GATEWAY_FAILED,
                                               GATEWAY_REQUIRES_ACTION};

struct payment_counts *payment_counts_open(void)
{
    struct payment_counts *counts = calloc(1, sizeof(*counts));

    if (counts == NULL || decline_count > DECLINES_MAX)
        bug("no room to count payments");
    return counts;
}

void payment_counts_close(struct payment_counts *counts)
{
    free(counts);
}

static void add_one(atomic_uint_least64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static int64_t value_of(const atomic_uint_least64_t *count)
{
    return (int64_t)atomic_load_explicit(count, memory_order_relaxed);
}

void payment_count_settled(const struct call *call, const struct gateway_answer *answer)
{
    struct payment_counts *counts = call->house->payment_counts;

    if (counts == NULL)
        return;
    if (answer->outcome == GATEWAY_DECLINED)
        add_one(&counts->declines[decline_find(answer->decline_code) - decline_table]);
    else
        add_one(&counts->payments[answer->outcome]);
}

void refund_count_settled(const struct call *call, const struct gateway_answer *answer)
{
    struct payment_counts *counts = call->house->payment_counts;

    if (counts != NULL)
        add_one(&counts->refunds[answer->outcome]);
}

void gateway_count_answer(const struct call *call, enum gateway_operation operation, bool query,
                          enum gateway_outcome outcome, int64_t duration_us)
{
    struct payment_counts *counts = call->house->payment_counts;

    if (counts != NULL)
        histogram_add(&counts->answers[query ? ASK_QUERY : operation][outcome], duration_us);
}

/* Every series is there from the start: a rate cannot be taken of one that begins with its first
 * event. */
void payment_measure(const struct payment_counts *counts, struct measures *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (results[i] != GATEWAY_DECLINED)
            measure_number(
                out, &payments,
                MEASURE_LABELS({"outcome", outcome_label(results[i])}, {"decline_code", ""}),
                value_of(&counts->payments[results[i]]));
    }
    for (size_t i = 0; i < decline_count; i++)
        measure_number(out, &payments,
                       MEASURE_LABELS({"outcome", outcome_label(GATEWAY_DECLINED)},
                                      {"decline_code", decline_table[i].code}),
                       value_of(&counts->declines[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (results[i] != GATEWAY_REQUIRES_ACTION) /* means nothing for a refund */
            measure_number(out, &refunds, MEASURE_LABELS({"outcome", outcome_label(results[i])}),
                           value_of(&counts->refunds[results[i]]));
    }
    for (size_t i = 0; i < QUESTIONS; i++) {
        for (size_t j = 0; j < OUTCOMES; j++) {
            if (j == GATEWAY_SUCCEEDED || !histogram_is_empty(&counts->answers[i][j]))
                measure_histogram(out, &answers,
                                  MEASURE_LABELS({"operation", question_labels[i]},
                                                 {"outcome", outcome_label(j)}),
                                  &counts->answers[i][j]);
        }
    }
}
