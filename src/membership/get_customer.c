/*
 * GetCustomer reads who pays.
 */
#include "membership/handlers.h"

const struct error *get_customer(struct call *call, const void *request, void *reply)
{
    const GetCustomerRequest *req = request;
    struct field_errors errors = {.call = call};
    struct customer customer;
    struct uuid id;

    check_owned_name(&errors, "name", req->name, "customers/{}", &id, 1);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, id, "CUSTOMER_NOT_FOUND", req->name));
    TRY(customer_load(call, id, &customer));
    customer_to_proto(call->arena, &customer, reply);
    return NULL;
}
