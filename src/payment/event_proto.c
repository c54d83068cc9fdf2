/*
 * From the rows of events to messages.
 */
#include "payment/event_proto.h"

#include "base/text.h"
#include "contract/message.h"
#include "dues/payment/v1/payment.pb-c.h"
#include "payment/payment_internal.h"
#include "payment/payment_proto.h"

typedef Dues__Payment__V1__Event Event;
typedef Dues__Payment__V1__Event__DataEntry DataEntry;
typedef Dues__Payment__V1__PaymentChange PaymentChange;

static char *subject_of(struct arena *arena, struct uuid customer, const struct event *event)
{
    struct uuid payment = UUID_NIL;

    (void)uuid_parse(event_datum(event, "payment"), &payment);
    return event_subject_name(arena, event->type, customer, event->subject, payment);
}

static void data_to_proto(struct arena *arena, const struct event *event, Event *proto)
{
    proto->data = arena_array(arena, event->data_count + 1, sizeof *proto->data);
    for (size_t i = 0; i < event->data_count; i++) {
        DataEntry *entry = arena_alloc(arena, sizeof *entry);
        dues__payment__v1__event__data_entry__init(entry);
        entry->key = arena_strdup(arena, event->data[i].key);
        entry->value = arena_strdup(arena, event->data[i].value);
        proto->data[proto->n_data++] = entry;
    }
}

static char *cursor_of(struct arena *arena, struct uuid customer, const struct event *event)
{
    return arena_strdup(arena, event_cursor_make(arena, customer, event->sequence));
}

void event_to_proto(struct arena *arena, struct uuid customer, const struct event *event,
                    Event *proto)
{
    proto->name = arena_printf(arena, "%s/events/%lld", name_make(arena, "customers/{}", &customer),
                               (long long)event->sequence);
    proto->sequence = event->sequence;
    proto->type = arena_strdup(arena, event->type);
    proto->subject = subject_of(arena, customer, event);
    data_to_proto(arena, event, proto);
    proto->create_time = time_to_proto(arena, event->create_time_us);
    proto->cursor = cursor_of(arena, customer, event);
}

Event **events_to_proto(struct arena *arena, struct uuid customer, const struct event *events,
                        size_t count)
{
    Event **protos = arena_array(arena, count + 1, sizeof *protos);

    for (size_t i = 0; i < count; i++) {
        protos[i] = arena_alloc(arena, sizeof **protos);
        dues__payment__v1__event__init(protos[i]);
        event_to_proto(arena, customer, &events[i], protos[i]);
    }
    return protos;
}

#define STATE_LENGTH_MAX 63

/* "payment.succeeded" is STATE_SUCCEEDED.  Other things that happen to a payment have no state. */
static bool find_state(const char *type, Dues__Payment__V1__Payment__State *state)
{
    char name[STATE_LENGTH_MAX + 1] = "STATE_";
    size_t used = strlen(name);

    if (!event_is_about(type, "payment"))
        return false;
    for (const char *at = strchr(type, '.') + 1; *at != '\0' && used < STATE_LENGTH_MAX; at++)
        name[used++] = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    name[used] = '\0';
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(
        &dues__payment__v1__payment__state__descriptor, name);
    if (value == NULL)
        return false;
    *state = (Dues__Payment__V1__Payment__State)value->value;
    return true;
}

static Dues__Type__V1__Money *amount_of(struct arena *arena, const struct event *event)
{
    const char *currency = event_datum(event, "currency");

    if (currency[0] == '\0')
        return NULL;
    return money_to_proto(arena,
                          money_make(currency, strtoll(event_datum(event, "amount"), NULL, 10)));
}

bool payment_change_to_proto(struct arena *arena, struct uuid customer, const struct event *event,
                             PaymentChange *proto)
{
    if (!find_state(event->type, &proto->state))
        return false;
    proto->payment = subject_of(arena, customer, event);
    proto->amount = amount_of(arena, event);
    proto->decline =
        decline_to_proto(arena, event_datum(event, "decline_code"),
                         event_datum(event, "network_decline_code"), event_datum(event, "advice"));
    proto->change_time = time_to_proto(arena, event->create_time_us);
    proto->cursor = cursor_of(arena, customer, event);
    return true;
}
