/*
 * What all gateways share: the names of outcomes, and which gateway is meant.
 */

#include "gateway/gateway.h"

#include "base/text.h"

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

const struct gateway *gateway_find(const struct gateways *gateways, const char *name)
{
    for (int32_t i = 0; i < gateways->count; i++) {
        if (text_equal(gateways->list[i]->name, name))
            return gateways->list[i];
    }
    return NULL;
}
