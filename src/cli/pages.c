/*
 * Goes through lists by the descriptors of request and answer, so that no command has the loop for
 * itself.
 */
#include "cli/pages.h"

#include "cli/ask.h"
#include "cli/print.h"

#define LIMIT_DEFAULT 50
#define PAGE_SIZE_MAX 100

/* A field that the contract gives every list; a programming error where it is absent. */
static void *field_of(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);

    if (field == NULL)
        abort();
    return (char *)(uintptr_t)message + field->offset;
}

/* The list of the answer, and how many are in it. */
static const ProtobufCMessage *const *items_of(const ProtobufCMessage *reply, size_t *count)
{
    for (unsigned i = 0; i < reply->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &reply->descriptor->fields[i];
        if (field->label != PROTOBUF_C_LABEL_REPEATED)
            continue;
        const char *base = (const char *)reply;
        *count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        return *(const ProtobufCMessage *const *const *)(const void *)(base + field->offset);
    }
    abort();
}

static bool take(const struct wish *wish, const struct pages *pages, const ProtobufCMessage *item)
{
    if (pages->print_row == NULL)
        return pages->each(pages->context, item);
    print_message(wish, item, pages->print_row);
    return true;
}

int pages_ask(const struct wish *wish, const struct pages *pages)
{
    int32_t *page_size = field_of(pages->request, "page_size");
    char **page_token = field_of(pages->request, "page_token");
    int64_t left = pages->limit;
    int exit_status = EXIT_SUCCESS;
    bool goes_on = true;
    bool is_first = true;

    do {
        *page_size = pages->limit == 0 || left > PAGE_SIZE_MAX ? PAGE_SIZE_MAX : (int32_t)left;
        struct dues_answer *answer =
            ask_payments(wish->client, pages->method, pages->request, &exit_status);
        if (answer == NULL)
            return exit_status;
        if (is_first && !wish->as_json && pages->print_head != NULL)
            pages->print_head(stdout);
        is_first = false;
        size_t count;
        const ProtobufCMessage *const *items = items_of(answer->reply, &count);
        for (size_t i = 0; i < count && goes_on; i++)
            goes_on = take(wish, pages, items[i]);
        left -= (int64_t)count;
        char *const *next = field_of(answer->reply, "next_page_token");
        *page_token = arena_strdup(wish->arena, *next);
        dues_answer_free(answer);
    } while (goes_on && (*page_token)[0] != '\0' && (pages->limit == 0 || left > 0));
    return EXIT_SUCCESS;
}

int pages_ask_some(const struct list_wish *list, struct pages *pages)
{
    char **page_token = field_of(pages->request, "page_token");
    char **filter = field_of(pages->request, "filter");

    *page_token = request_text(list->page == NULL ? "" : list->page);
    *filter = request_text(list->filter == NULL ? "" : list->filter);
    pages->limit = list->limit > 0 ? list->limit : LIMIT_DEFAULT;
    if (list->all)
        pages->limit = 0;
    int exit_status = pages_ask(&list->wish, pages);
    if (exit_status == EXIT_SUCCESS && (*page_token)[0] != '\0')
        fprintf(stderr, "dues: there are more: --page %s goes on, --all shows all\n", *page_token);
    return exit_status;
}

const char *list_wish_check(const struct list_wish *list)
{
    return list->all && list->limit > 0 ? "--all and --limit exclude each other" : NULL;
}
