/*
 * GetTier reads one tier of the catalogue.
 */
#include "membership/handlers.h"

const struct error *get_tier(struct call *call, const void *request, void *reply)
{
    const GetTierRequest *req = request;
    struct field_errors errors = {.call = call};
    struct tier tier;
    const char *id;

    check_catalogue_name(&errors, "name", req->name, "tiers", &id);
    TRY(field_errors_result(&errors));
    TRY(tier_load(call, id, &tier));
    tier_to_proto(call->arena, &tier, reply);
    return NULL;
}
