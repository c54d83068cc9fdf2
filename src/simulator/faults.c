/*
 * Orders, and the dice.
 */

#include "simulator/faults.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

/* Name, the value when none is given, and the range of the value when it is drawn. */
static const struct {
    const char *name;
    int64_t usual;
    int64_t least;
    int64_t most;
} known[FAULT_COUNT] = {
    [FAULT_LATE] = {"late", 1500, 100, 3000},
    [FAULT_TIMEOUT_BEFORE] = {"timeout_before", 60000, 60000, 60000},
    [FAULT_TIMEOUT_AFTER] = {"timeout_after", 60000, 60000, 60000},
    [FAULT_RESET_BEFORE] = {"reset_before", 0, 0, 0},
    [FAULT_RESET_AFTER] = {"reset_after", 0, 0, 2500},
    [FAULT_TRUNCATE] = {"truncate", 100, 1, 1000},
    [FAULT_DRIP] = {"drip", 10, 1, 2},
    [FAULT_OTHER_AMOUNT] = {"other_amount", 1, 1, 500},
    [FAULT_OTHER_CURRENCY] = {"other_currency", 0, 0, 0},
    [FAULT_OTHER_OBJECT] = {"other_object", 0, 0, 0},
    [FAULT_TOO_MANY] = {"too_many_requests", 1, 1, 2},
    [FAULT_ERROR_500] = {"error_500", 0, 0, 0},
    [FAULT_ERROR_500_AFTER] = {"error_500_after", 0, 0, 0},
    [FAULT_ERROR_503] = {"error_503", 1, 1, 2},
    [FAULT_WEBHOOK_DUPLICATE] = {"webhook_duplicate", 3, 2, 4},
    [FAULT_WEBHOOK_REORDER] = {"webhook_reorder", 0, 0, 0},
    [FAULT_WEBHOOK_EARLY] = {"webhook_early", 0, 0, 0},
    [FAULT_WEBHOOK_FORGED] = {"webhook_forged", 0, 0, 0},
    [FAULT_WEBHOOK_LOST] = {"webhook_lost", 0, 0, 0},
    [FAULT_WEBHOOK_LATE] = {"webhook_late", 3000, 500, 5000},
    [FAULT_WEBHOOK_SKEWED] = {"webhook_skewed", 600, 301, 900},
};

const char *fault_name(enum fault fault)
{
    return known[fault].name;
}

bool fault_from_name(const char *name, size_t length, enum fault *fault)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0) {
            *fault = (enum fault)i;
            return true;
        }
    }
    return false;
}

static void plan_add(struct fault_plan *plan, enum fault fault, int64_t value)
{
    plan->kinds |= 1U << fault;
    plan->values[fault] = value;
}

/* splitmix64: the same seed and number, the same draw. */
static uint64_t draw(uint64_t seed, uint64_t number)
{
    uint64_t z = seed + (number + 1) * 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void plan_random(const struct faults *faults, int64_t number, struct fault_plan *plan)
{
    uint64_t first = draw(faults->seed, 3 * (uint64_t)number);
    uint64_t which = draw(faults->seed, 3 * (uint64_t)number + 1);
    uint64_t value = draw(faults->seed, 3 * (uint64_t)number + 2);
    unsigned chosen = (unsigned)__builtin_popcount(faults->random_kinds);

    if (chosen == 0 || first % 100 >= (uint64_t)faults->percent)
        return;
    which %= chosen;
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if ((faults->random_kinds & (1U << i)) == 0 || which-- != 0)
            continue;
        uint64_t range = (uint64_t)(known[i].most - known[i].least + 1);
        plan_add(plan, (enum fault)i, known[i].least + (int64_t)(value % range));
        return;
    }
}

/* "name" or "name=N" with blanks around. */
static bool plan_word(const char *word, size_t length, struct fault_plan *plan)
{
    enum fault fault;
    char *end;

    while (length > 0 && word[0] == ' ') {
        word++;
        length--;
    }
    while (length > 0 && word[length - 1] == ' ')
        length--;
    const char *equals = memchr(word, '=', length);
    size_t name_length = equals == NULL ? length : (size_t)(equals - word);
    if (!fault_from_name(word, name_length, &fault))
        return false;
    int64_t value = known[fault].usual;
    if (equals != NULL) {
        value = strtoll(equals + 1, &end, 10);
        if (end == equals + 1 || end != word + length || value < 0)
            return false;
    }
    plan_add(plan, fault, value);
    return true;
}

static bool plan_header(const char *header, struct fault_plan *plan)
{
    for (const char *word = header; *word != '\0';) {
        size_t length = strcspn(word, ",");
        if (!plan_word(word, length, plan))
            return false;
        word += length + (word[length] == ',' ? 1 : 0);
    }
    return true;
}

static bool order_matches(const struct fault_order *order, const struct fault_subject *subject)
{
    return order->left > 0 &&
           (text_equal(order->method, subject->method) ||
            (order->method[0] == '\0' && !text_equal(subject->method, FAULT_TASK_METHOD))) &&
           strstr(subject->path, order->path) != NULL && strstr(subject->body, order->body) != NULL;
}

static void plan_ordered(struct faults *faults, const struct fault_subject *subject,
                         struct fault_plan *plan)
{
    for (size_t i = 0; i < FAULT_ORDERS_MAX; i++) {
        struct fault_order *order = &faults->orders[i];
        if (!order_matches(order, subject))
            continue;
        if (order->skip > 0) {
            order->skip--;
            continue;
        }
        order->left--;
        plan_add(plan, order->fault, order->value);
    }
}

void faults_choose_task(struct faults *faults, const char *kind, struct fault_plan *plan)
{
    const struct fault_subject subject = {.method = FAULT_TASK_METHOD, .path = kind, .body = ""};

    *plan = (struct fault_plan){0};
    plan_ordered(faults, &subject, plan);
}

bool faults_choose(struct faults *faults, const struct fault_subject *subject,
                   struct fault_plan *plan, char problem[128])
{
    *plan = (struct fault_plan){0};
    if (subject->header != NULL) {
        if (plan_header(subject->header, plan))
            return true;
        snprintf(problem, 128, "X-Simulator-Fault names no fault: %.64s", subject->header);
        return false;
    }
    plan_ordered(faults, subject, plan);
    if (plan->kinds == 0)
        plan_random(faults, subject->number, plan);
    return true;
}

static bool copy_text(const json_t *object, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value == NULL || (size_t)snprintf(text, size, "%s", value) < size;
}

static int64_t number_or(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool faults_order(struct faults *faults, const json_t *wish, char problem[128])
{
    const char *name = json_string_value(json_object_get(wish, "fault"));
    struct fault_order order = {0};
    size_t slot = 0;

    if (name == NULL || !fault_from_name(name, strlen(name), &order.fault)) {
        snprintf(problem, 128, "\"fault\" names no fault");
        return false;
    }
    order.value = number_or(wish, "value", known[order.fault].usual);
    order.skip = number_or(wish, "skip", 0);
    order.left = number_or(wish, "count", 1);
    if (order.value < 0 || order.skip < 0 || order.left < 1 ||
        !copy_text(wish, "method", order.method, sizeof order.method) ||
        !copy_text(wish, "path", order.path, sizeof order.path) ||
        !copy_text(wish, "body", order.body, sizeof order.body)) {
        snprintf(problem, 128, "a number is negative, the count is 0, or a text is too long");
        return false;
    }
    while (slot < FAULT_ORDERS_MAX && faults->orders[slot].left > 0)
        slot++;
    if (slot == FAULT_ORDERS_MAX) {
        snprintf(problem, 128, "%d faults are ordered already", FAULT_ORDERS_MAX);
        return false;
    }
    faults->orders[slot] = order;
    return true;
}

bool faults_set_random(struct faults *faults, const json_t *wish, char problem[128])
{
    const json_t *names = json_object_get(wish, "faults");
    int64_t percent = number_or(wish, "percent", 0);
    uint32_t kinds = names == NULL ? FAULT_ALL : 0;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        enum fault fault;
        if (name == NULL || !fault_from_name(name, strlen(name), &fault)) {
            snprintf(problem, 128, "\"faults\" has a name of no fault");
            return false;
        }
        kinds |= 1U << fault;
    }
    if (percent < 0 || percent > 100) {
        snprintf(problem, 128, "\"percent\" is 0 to 100");
        return false;
    }
    faults->percent = (int32_t)percent;
    faults->seed = (uint64_t)number_or(wish, "seed", 1);
    faults->random_kinds = kinds;
    return true;
}

json_t *faults_to_json(const struct faults *faults)
{
    json_t *orders = json_array();
    json_t *names = json_array();

    for (size_t i = 0; i < FAULT_ORDERS_MAX; i++) {
        const struct fault_order *order = &faults->orders[i];
        if (order->left == 0)
            continue;
        json_array_append_new(
            orders, json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:I}", "fault",
                              fault_name(order->fault), "value", (json_int_t)order->value, "method",
                              order->method, "path", order->path, "body", order->body, "skip",
                              (json_int_t)order->skip, "count", (json_int_t)order->left));
    }
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if ((faults->random_kinds & (1U << i)) != 0)
            json_array_append_new(names, json_string(known[i].name));
    }
    return json_pack("{s:o, s:{s:i, s:I, s:o}}", "orders", orders, "random", "percent",
                     (int)faults->percent, "seed", (json_int_t)faults->seed, "faults", names);
}

const char *fault_plan_text(struct arena *arena, const struct fault_plan *plan)
{
    const char *text = "";

    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (fault_is_planned(plan, (enum fault)i))
            text = arena_printf(arena, "%s%s%s=%" PRId64, text, text[0] == '\0' ? "" : ",",
                                known[i].name, plan->values[i]);
    }
    return text;
}
