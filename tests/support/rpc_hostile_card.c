/*
 * What nobody should send to change a card: months and years that no card has.
 */
#include "support/rpc_hostile.h"

static void add_number(struct hostile_list *list, int64_t number)
{
    list->values[list->count++] =
        (struct hostile_value){.label = "a number", .number = number, .verdict = VERDICT_FIELD};
}

bool hostile_card_values(enum field_kind kind, struct hostile_list *list)
{
    static const int64_t months[] = {-1, 0, 13, INT32_MAX, INT32_MIN};
    static const int64_t years[] = {-1, 0, 26, 1999, 2200, INT32_MAX, INT32_MIN};

    if (kind == FIELD_CARD_MONTH) {
        for (size_t i = 0; i < sizeof(months) / sizeof(months[0]); i++)
            add_number(list, months[i]);
    } else if (kind == FIELD_CARD_YEAR) {
        for (size_t i = 0; i < sizeof(years) / sizeof(years[0]); i++)
            add_number(list, years[i]);
    } else {
        return false;
    }
    return true;
}
