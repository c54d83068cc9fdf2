/*
 * ListIncidents: what does not add up, of one customer or of all, newest first.
 */

#include "base/text.h"
#include "crypto/page_token.h"
#include "payment/incident_proto.h"
#include "payment/payment_internal.h"

typedef Dues__Payment__V1__ListIncidentsRequest Request;
typedef Dues__Payment__V1__ListIncidentsResponse Reply;

#define OF_ALL "customers/-"

static const struct error *validate(struct call *call, const Request *req,
                                    struct incident_filter *filter, int32_t *page_size)
{
    struct field_errors errors = {.call = call};

    *filter = (struct incident_filter){
        .is_of_all = text_equal(req->parent, OF_ALL),
        .state = incident_state_asked(req->state),
        .kind = incident_kind_asked(req->kind),
    };
    if (!filter->is_of_all)
        check_owned_name(&errors, "parent", req->parent, "customers/{}", &filter->customer, 1);
    *page_size = check_page_size(&errors, "page_size", req->page_size);
    return field_errors_result(&errors);
}

const struct error *list_incidents(struct call *call, const void *request, void *reply)
{
    const Request *req = request;
    Reply *res = reply;
    struct incident_position behind = {0};
    struct incident_filter filter;
    struct incident *incidents;
    struct customer customer;
    size_t position_size = sizeof behind;
    int32_t page_size;
    bool has_more;
    size_t count;

    TRY(validate(call, req, &filter, &page_size));
    if (!filter.is_of_all)
        TRY(owner_check(call, filter.customer, "CUSTOMER_NOT_FOUND", req->parent));
    const char *arguments =
        arena_printf(call->arena, "%s|%d|%d", req->parent, (int)req->state, (int)req->kind);
    TRY(page_token_read(call, arguments, req->page_token, &behind, &position_size));
    /* The house's own needs no row of a customer before it has something. */
    if (!filter.is_of_all && !uuid_equal(filter.customer, HOUSE_CUSTOMER))
        TRY(customer_load(call, filter.customer, &customer));
    TRY(incident_list(call, &filter, &behind, page_size, &incidents, &count, &has_more));

    if (has_more) {
        const struct incident_position last = {incidents[count - 1].create_time_us,
                                               incidents[count - 1].id};
        res->next_page_token = page_token_make(call, arguments, &last, sizeof last);
    }
    res->incidents = arena_array(call->arena, count + 1, sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        res->incidents[i] = arena_alloc(call->arena, sizeof **res->incidents);
        dues__payment__v1__incident__init(res->incidents[i]);
        incident_to_proto(call->arena, &incidents[i], res->incidents[i]);
    }
    res->n_incidents = count;
    return NULL;
}
