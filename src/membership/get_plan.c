/*
 * GetPlan reads one plan of the catalogue.
 */
#include "membership/handlers.h"

const struct error *get_plan(struct call *call, const void *request, void *reply)
{
    const GetPlanRequest *req = request;
    struct field_errors errors = {.call = call};
    struct plan plan;
    const char *id;

    check_catalogue_name(&errors, "name", req->name, "plans", &id);
    TRY(field_errors_result(&errors));
    TRY(plan_load(call, id, &plan));
    plan_to_proto(call->arena, &plan, reply);
    return NULL;
}
