/*
 * ListTiers lists the tiers, lowest rank first.  A page goes on after (rank, id).
 */
#include "crypto/page_token.h"
#include "membership/handlers.h"

struct position {
    int32_t rank;
    char id[PAGE_POSITION_SIZE_MAX - sizeof(int32_t)];
};

static const struct error *read_position(struct call *call, const char *token,
                                         struct position *position)
{
    uint8_t bytes[PAGE_POSITION_SIZE_MAX];
    size_t size;

    *position = (struct position){.rank = -1};
    TRY(page_token_read(call, "tiers", token, bytes, &size));
    if (size <= sizeof(position->rank))
        return NULL;
    memcpy(&position->rank, bytes, sizeof(position->rank));
    memcpy(position->id, bytes + sizeof(position->rank), size - sizeof(position->rank));
    return NULL;
}

static char *make_token(struct call *call, const struct tier *last)
{
    uint8_t bytes[PAGE_POSITION_SIZE_MAX];
    size_t length = strlen(last->id);

    if (length > sizeof(bytes) - sizeof(last->rank) - 1)
        length = sizeof(bytes) - sizeof(last->rank) - 1;
    memcpy(bytes, &last->rank, sizeof(last->rank));
    memcpy(bytes + sizeof(last->rank), last->id, length);
    return page_token_make(call, "tiers", bytes, sizeof(last->rank) + length);
}

const struct error *list_tiers(struct call *call, const void *request, void *reply)
{
    const ListTiersRequest *req = request;
    ListTiersResponse *res = reply;
    struct field_errors errors = {.call = call};
    struct position position;
    struct tier *tiers;
    size_t count;

    int32_t page_size = check_page_size(&errors, "page_size", req->page_size);
    TRY(field_errors_result(&errors));
    TRY(read_position(call, req->page_token, &position));
    TRY(tier_list(call, position.rank, position.id, page_size + 1, &tiers, &count));

    bool has_more = count > (size_t)page_size;
    res->n_tiers = has_more ? (size_t)page_size : count;
    res->tiers = arena_array(call->arena, res->n_tiers, sizeof(*res->tiers));
    for (size_t i = 0; i < res->n_tiers; i++) {
        res->tiers[i] = arena_alloc(call->arena, sizeof(*res->tiers[i]));
        dues__membership__v1__tier__init(res->tiers[i]);
        tier_to_proto(call->arena, &tiers[i], res->tiers[i]);
    }
    if (has_more)
        res->next_page_token = make_token(call, &tiers[res->n_tiers - 1]);
    return NULL;
}
