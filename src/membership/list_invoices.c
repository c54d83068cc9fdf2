/*
 * ListInvoices lists a customer's invoices with their lines, newest first.
 */
#include "crypto/page_token.h"
#include "membership/handlers.h"

const struct error *list_invoices(struct call *call, const void *request, void *reply)
{
    const ListInvoicesRequest *req = request;
    ListInvoicesResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct uuid parent = UUID_NIL;
    struct invoice_with_lines *invoices;
    struct customer customer;
    int64_t before;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &parent, 1);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, parent, "CUSTOMER_NOT_FOUND", req->parent));
    const char *arguments = uuid_text(call->arena, parent);
    TRY(page_token_read_number(call, arguments, req->page_token, &before));
    TRY(customer_load(call, parent, &customer));
    TRY(invoice_list(call, parent, before, page_size + 1, &invoices, &count));

    bool has_more = count > (size_t)page_size;
    res->n_invoices = has_more ? (size_t)page_size : count;
    res->invoices = arena_array(call->arena, res->n_invoices, sizeof(*res->invoices));
    for (size_t i = 0; i < res->n_invoices; i++) {
        res->invoices[i] = arena_alloc(call->arena, sizeof(*res->invoices[i]));
        dues__membership__v1__invoice__init(res->invoices[i]);
        invoice_to_proto(call->arena, &invoices[i], res->invoices[i]);
    }
    if (has_more)
        res->next_page_token =
            page_token_make_number(call, arguments, invoices[res->n_invoices - 1].invoice.number);
    return NULL;
}
