/*
 * ListPlans lists the plans on offer, by name.
 */
#include "crypto/page_token.h"
#include "membership/handlers.h"

const struct error *list_plans(struct call *call, const void *request, void *reply)
{
    const ListPlansRequest *req = request;
    ListPlansResponse *res = reply;
    struct field_errors errors = {.call = call};
    char after[PAGE_POSITION_SIZE_MAX + 1] = "";
    struct plan *plans;
    size_t count;
    size_t size;

    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(page_token_read(call, "plans", req->page_token, after, &size));
    after[size] = '\0';
    TRY(plan_list(call, after, page_size + 1, &plans, &count));

    bool has_more = count > (size_t)page_size;
    res->n_plans = has_more ? (size_t)page_size : count;
    res->plans = arena_array(call->arena, res->n_plans, sizeof(*res->plans));
    for (size_t i = 0; i < res->n_plans; i++) {
        res->plans[i] = arena_alloc(call->arena, sizeof(*res->plans[i]));
        dues__membership__v1__plan__init(res->plans[i]);
        plan_to_proto(call->arena, &plans[i], res->plans[i]);
    }
    if (has_more) {
        const char *last = plans[res->n_plans - 1].id;
        res->next_page_token = page_token_make(call, "plans", last, strlen(last));
    }
    return NULL;
}
