/*
 * What all gateways share: the names of operations and outcomes, an answer that says little,
 * and which gateway is meant.
 */

#include "gateway/gateway.h"

#include "base/text.h"

static const char *const operation_names[GATEWAY_OPERATION_COUNT] = {
    [GATEWAY_CHARGE] = "CHARGE", [GATEWAY_AUTHORIZE] = "AUTHORIZE", [GATEWAY_CAPTURE] = "CAPTURE",
    [GATEWAY_VOID] = "VOID",     [GATEWAY_REFUND] = "REFUND",
};

const char *gateway_operation_name(enum gateway_operation operation)
{
    return operation_names[operation];
}

bool gateway_operation_parse(const char *name, enum gateway_operation *operation)
{
    for (int i = 0; i < GATEWAY_OPERATION_COUNT; i++) {
        if (text_equal(operation_names[i], name)) {
            *operation = (enum gateway_operation)i;
            return true;
        }
    }
    return false;
}

struct gateway_answer gateway_answer_plain(enum gateway_outcome outcome, const char *evidence)
{
    return (struct gateway_answer){
        .outcome = outcome,
        .transaction = "",
        .decline_code = "",
        .network_decline_code = "",
        .advice = "",
        .evidence = evidence,
        .action = {.redirect_url = "", .client_secret = ""},
    };
}

const char *gateway_outcome_name(enum gateway_outcome outcome)
{
    switch (outcome) {
    case GATEWAY_SUCCEEDED:
        return "SUCCEEDED";
    case GATEWAY_DECLINED:
        return "DECLINED";
    case GATEWAY_REQUIRES_ACTION:
        return "REQUIRES_ACTION";
    case GATEWAY_FAILED:
        return "FAILED";
    case GATEWAY_NOT_SENT:
        return "NOT_SENT";
    case GATEWAY_IN_FLIGHT:
        return "IN_FLIGHT";
    case GATEWAY_UNKNOWN:
        return "UNKNOWN";
    }
    return "UNKNOWN";
}

const char *gateway_news_kind_name(enum gateway_news_kind kind)
{
    static const char *const names[GATEWAY_NEWS_KIND_COUNT] = {
        [GATEWAY_NEWS_PAYMENT] = "PAYMENT", [GATEWAY_NEWS_REFUND] = "REFUND",
        [GATEWAY_NEWS_DISPUTE] = "DISPUTE", [GATEWAY_NEWS_PAYMENT_METHOD] = "PAYMENT_METHOD",
        [GATEWAY_NEWS_OTHER] = "OTHER",
    };

    return names[kind];
}

const struct gateway *gateway_find(const struct gateways *gateways, const char *name)
{
    for (int32_t i = 0; i < gateways->count; i++) {
        if (text_equal(gateways->list[i]->name, name))
            return gateways->list[i];
    }
    return NULL;
}

const char *gateway_line_kind_name(enum gateway_line_kind kind)
{
    static const char *const names[GATEWAY_LINE_KIND_COUNT] = {
        [GATEWAY_LINE_CHARGE] = "CHARGE",   [GATEWAY_LINE_REFUND] = "REFUND",
        [GATEWAY_LINE_DISPUTE] = "DISPUTE", [GATEWAY_LINE_FEE] = "FEE",
        [GATEWAY_LINE_PAYOUT] = "PAYOUT",
    };

    return names[kind];
}
