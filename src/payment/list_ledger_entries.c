/*
 * ListLedgerEntries of one customer, by falling position in its chain.
 */

#include "payment/payment_internal.h"

#include <inttypes.h>

#include "crypto/page_token.h"
#include "ledger/read.h"
#include "payment/payment_proto.h"

static Dues__Payment__V1__LedgerEntry *line_to_proto(struct arena *arena, struct uuid customer,
                                                     const struct ledger_line *line)
{
    Dues__Payment__V1__LedgerEntry *proto = arena_alloc(arena, sizeof *proto);

    dues__payment__v1__ledger_entry__init(proto);
    proto->name = arena_printf(arena, "customers/%s/ledgerEntries/%" PRId64,
                               uuid_text(arena, customer), line->position);
    proto->position = line->position;
    proto->group = arena_strdup(arena, uuid_text(arena, line->group));
    proto->kind = arena_strdup(arena, line->kind);
    proto->line_number = line->line;
    proto->account = arena_strdup(arena, line->account);
    proto->amount = money_to_proto(arena, line->amount);
    proto->create_time = time_to_proto(arena, line->create_time_us);
    proto->hash.data = arena_copy(arena, line->hash, SHA256_SIZE);
    proto->hash.len = SHA256_SIZE;
    return proto;
}

const struct error *list_ledger_entries(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListLedgerEntriesRequest *req = request;
    Dues__Payment__V1__ListLedgerEntriesResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct ledger_filter filter = {.account = req->account};
    struct ledger_line *lines;
    struct customer customer;
    struct uuid id;
    int64_t until_us;
    int64_t before;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &id, 1);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    check_text(&errors, "account", req->account, 0, 63);
    check_read_time(&errors, req->read_time, &until_us);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, id, "CUSTOMER_NOT_FOUND", req->parent));
    if (req->read_time != NULL)
        filter.until_us = &until_us;
    const char *arguments =
        arena_printf(call->arena, "%s|%s|%" PRId64, uuid_text(call->arena, id), req->account,
                     filter.until_us != NULL ? until_us : INT64_MAX);
    TRY(page_token_read_number(call, arguments, req->page_token, &before));
    TRY(customer_load(call, id, &customer));
    TRY(ledger_list(call, id, &filter, before, page_size + 1, &lines, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_number(call, arguments, lines[count - 1].position);
    }
    res->ledger_entries = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++)
        res->ledger_entries[i] = line_to_proto(call->arena, id, &lines[i]);
    res->n_ledger_entries = count;
    return NULL;
}
