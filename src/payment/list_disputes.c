/*
 * ListDisputes of a customer, newest first, filtered by state, time and payment.
 */

#include "payment/dispute_internal.h"

#include "crypto/page_token.h"

typedef Dues__Payment__V1__ListDisputesRequest Request;
typedef Dues__Payment__V1__ListDisputesResponse Reply;

struct question {
    struct uuid customer;
    struct uuid payment; /* UUID_NIL: all */
    int32_t page_size;
};

static const struct error *validate(struct call *call, const Request *req, struct question *asked)
{
    struct field_errors errors = {.call = call};
    struct uuid ids[2] = {UUID_NIL, UUID_NIL};

    *asked = (struct question){.payment = UUID_NIL};
    check_owned_name(&errors, "parent", req->parent, "customers/{}", &asked->customer, 1);
    asked->page_size = check_page_size(&errors, "page_size", req->page_size);
    if (req->payment[0] != '\0')
        check_owned_name(&errors, "payment", req->payment, PAYMENT_PATTERN, ids, 2);
    if (errors.count == 0 && req->payment[0] != '\0' && !uuid_equal(ids[0], asked->customer))
        field_error_add(&errors, "payment", "must be a payment of the customer in parent");
    asked->payment = ids[1];
    return field_errors_result(&errors);
}

static void to_proto(struct arena *arena, const struct dispute *disputes, size_t count, Reply *res)
{
    res->disputes = arena_array(arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->disputes[i] = arena_alloc(arena, sizeof **res->disputes);
        dues__payment__v1__dispute__init(res->disputes[i]);
        dispute_to_proto(arena, &disputes[i], res->disputes[i]);
    }
    res->n_disputes = count;
}

const struct error *list_disputes(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    Reply *res = reply;
    struct payment_filter filter;
    struct customer customer;
    struct dispute *disputes;
    struct question asked;
    struct payment payment;
    struct uuid before;
    size_t count;

    TRY(validate(call, req, &asked));
    TRY(owner_check(call, asked.customer, "CUSTOMER_NOT_FOUND", req->parent));
    TRY(dispute_filter_parse(call, req->filter, &filter));
    const char *arguments =
        arena_printf(call->arena, "%s|%s|%s", uuid_text(call->arena, asked.customer),
                     uuid_text(call->arena, asked.payment), req->filter);
    TRY(page_token_read_id(call, arguments, req->page_token, &before));
    TRY(customer_load(call, asked.customer, &customer));
    if (!uuid_is_nil(asked.payment))
        TRY(payment_load(call, asked.customer, asked.payment, &payment));
    TRY(dispute_list(call, asked.customer, asked.payment, &filter, before, asked.page_size + 1,
                     &disputes, &count));
    if (count > (size_t)asked.page_size) {
        count = (size_t)asked.page_size;
        res->next_page_token = page_token_make_id(call, arguments, disputes[count - 1].id);
    }
    to_proto(call->arena, disputes, count, res);
    return NULL;
}
