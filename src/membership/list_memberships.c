/*
 * ListMemberships lists a customer's memberships, ended ones too, newest first.
 */
#include "crypto/page_token.h"
#include "membership/handlers.h"

const struct error *list_memberships(struct call *call, const void *request, void *reply)
{
    const ListMembershipsRequest *req = request;
    ListMembershipsResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct uuid parent = UUID_NIL;
    struct uuid before;
    struct membership *memberships;
    struct customer customer;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &parent, 1);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, parent, "CUSTOMER_NOT_FOUND", req->parent));
    const char *arguments = uuid_text(call->arena, parent);
    TRY(page_token_read_id(call, arguments, req->page_token, &before));
    TRY(customer_load(call, parent, &customer));
    TRY(membership_list(call, parent, before, page_size + 1, &memberships, &count));

    bool has_more = count > (size_t)page_size;
    res->n_memberships = has_more ? (size_t)page_size : count;
    res->memberships = arena_array(call->arena, res->n_memberships, sizeof(*res->memberships));
    for (size_t i = 0; i < res->n_memberships; i++) {
        res->memberships[i] = arena_alloc(call->arena, sizeof(*res->memberships[i]));
        dues__membership__v1__membership__init(res->memberships[i]);
        membership_to_proto(call->arena, &memberships[i], res->memberships[i]);
    }
    if (has_more)
        res->next_page_token =
            page_token_make_id(call, arguments, memberships[res->n_memberships - 1].id);
    return NULL;
}
