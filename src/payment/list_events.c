/*
 * ListEvents, oldest first: what a client asks that wants to know and not to wait.
 */

#include "payment/payment_internal.h"

#include "crypto/page_token.h"
#include "customer/event.h"
#include "dues/payment/v1/payment_service.pb-c.h"
#include "payment/event_proto.h"

const struct error *list_events(struct call *call, const void *request, void *reply)
{
    const Dues__Payment__V1__ListEventsRequest *req = request;
    Dues__Payment__V1__ListEventsResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct uuid customer;
    struct event *events;
    int64_t after = 0;
    int64_t page_after;
    int64_t head;
    size_t count;

    check_owned_name(&errors, "parent", req->parent, "customers/{}", &customer, 1);
    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(owner_check(call, customer, "CUSTOMER_NOT_FOUND", req->parent));
    TRY(event_head(call, customer, &head));
    if (req->cursor[0] != '\0')
        TRY(event_cursor_read(call, customer, req->cursor, head, &after));
    const char *arguments =
        arena_printf(call->arena, "%s|%s", uuid_text(call->arena, customer), req->cursor);
    TRY(page_token_read_number(call, arguments, req->page_token, &page_after));
    if (page_after > after)
        after = page_after;
    TRY(event_list(call, customer, after, page_size + 1, &events, &count));

    if (count > (size_t)page_size) {
        count = (size_t)page_size;
        res->next_page_token = page_token_make_number(call, arguments, events[count - 1].sequence);
    }
    res->events = events_to_proto(call->arena, customer, events, count);
    res->n_events = count;
    return NULL;
}
