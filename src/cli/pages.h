/*
 * Lists of the server, page after page: any method whose request has `page_size` and `page_token`,
 * and whose answer has one list and `next_page_token`.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "cli/command.h"

struct pages {
    const char *method; /* of PaymentService */
    ProtobufCMessage *request;
    int64_t limit; /* how many at most; 0: all there are */
    /* Prints what stands above the rows, as soon as the server has answered; not above JSON.  May
     * be NULL. */
    void (*print_head)(FILE *out);
    /* Prints one of the list for people, unless it is wanted as JSON; NULL: there is `each`. */
    void (*print_row)(struct arena *arena, const ProtobufCMessage *item);
    /* Takes one of the list; false when there were enough. */
    bool (*each)(void *context, const ProtobufCMessage *item);
    void *context;
};

/* What a list is asked for: the options of one that goes on where another ended. */
struct list_wish {
    struct wish wish;
    const char *filter;
    const char *page;
    int64_t limit; /* 0: not given */
    bool all;
};

/* Its options, for tables; `--all` is separate, because words that list nothing may know it. */
#define LIST_OPTIONS                                                                               \
    {"filter", VALUE_TEXT, offsetof(struct list_wish, filter), .words = {"list"}},                 \
        {"limit", VALUE_COUNT, offsetof(struct list_wish, limit), .words = {"list"}},              \
    {                                                                                              \
        "page", VALUE_TEXT, offsetof(struct list_wish, page), .words = { "list" }                  \
    }

/*
 * EXIT_SUCCESS, or the exit status after a complaint.  `page_token` of the request is then what
 * gets the next page, "" when there is none.
 */
int pages_ask(const struct wish *wish, const struct pages *pages);

/* The same, for as many as the wish has; says how to go on when there are more. */
int pages_ask_some(const struct list_wish *list, struct pages *pages);

/* NULL, or what is wrong with it on the command line. */
const char *list_wish_check(const struct list_wish *list);
