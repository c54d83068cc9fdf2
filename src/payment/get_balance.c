/*
 * GetBalance: what stands on each account of a customer, now or at any time before.
 */

#include "payment/payment_internal.h"

#include "ledger/read.h"
#include "payment/payment_proto.h"

#define BALANCE_PATTERN "customers/{}/balance"

static Dues__Payment__V1__AccountBalance *account_to_proto(struct arena *arena,
                                                           const struct account_balance *account)
{
    Dues__Payment__V1__AccountBalance *proto = arena_alloc(arena, sizeof *proto);

    dues__payment__v1__account_balance__init(proto);
    proto->account = arena_strdup(arena, account->account);
    proto->balance = money_to_proto(arena, account->balance);
    proto->debits = money_to_proto(arena, account->debits);
    proto->credits = money_to_proto(arena, account->credits);
    return proto;
}

const struct error *get_balance(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__GetBalanceRequest *req = request;
    Dues__Payment__V1__Balance *res = reply;
    struct field_errors errors = {.call = call};
    struct account_balance *accounts;
    struct customer customer;
    struct uuid id;
    int64_t until_us;
    size_t count;

    check_owned_name(&errors, "name", req->name, BALANCE_PATTERN, &id, 1);
    check_read_time(&errors, req->read_time, &until_us);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, id, "CUSTOMER_NOT_FOUND", req->name));
    TRY(customer_load(call, id, &customer));
    TRY(ledger_balance(call, id, req->read_time != NULL ? &until_us : NULL, &accounts, &count,
                       &res->position));

    res->name = name_make(call->arena, BALANCE_PATTERN, &id);
    res->n_accounts = count;
    res->accounts = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++)
        res->accounts[i] = account_to_proto(call->arena, &accounts[i]);
    if (req->read_time != NULL)
        res->read_time = arena_copy(call->arena, req->read_time, sizeof *req->read_time);
    return NULL;
}
