/*
 * Streams as the tests of WatchEvents and WatchPayments read them.
 */
#include "support/rpc_events.h"

#include <inttypes.h>

#include "base/text.h"

#define SERVICE dues__payment__v1__payment_service__descriptor

struct dues_stream *watch(struct rpc_fixture *f, const struct watch_wish *wish)
{
    struct dues_client *client =
        wish->as.client != NULL ? wish->as.client : f->clients[wish->as.identity];
    const struct dues_call_options options = {
        .token = wish->as.token,
        .deadline_ms = wish->as.deadline_ms,
        .attempts_max = wish->once ? 1 : 0,
        .wait_for_ready = true,
    };
    char *parent = member_text(f, wish->parent);
    char *cursor = member_text(f, wish->cursor == NULL ? "" : wish->cursor);

    if (text_equal(wish->method, "WatchPayments")) {
        Dues__Payment__V1__WatchPaymentsRequest request =
            DUES__PAYMENT__V1__WATCH_PAYMENTS_REQUEST__INIT;
        request.parent = parent;
        request.cursor = cursor;
        request.from_now = wish->from_now;
        return dues_stream_open(client, &SERVICE, wish->method, &request.base, &options);
    }
    Dues__Payment__V1__WatchEventsRequest request = DUES__PAYMENT__V1__WATCH_EVENTS_REQUEST__INIT;
    request.parent = parent;
    request.cursor = cursor;
    request.from_now = wish->from_now;
    return dues_stream_open(client, &SERVICE, wish->method, &request.base, &options);
}

struct dues_stream *watch_events_of(struct rpc_fixture *f, const char *customer, const char *cursor)
{
    const struct watch_wish wish = {.as = AS(SERVICE_BILLING),
                                    .method = "WatchEvents",
                                    .parent = customer,
                                    .cursor = cursor,
                                    .once = true};

    return watch(f, &wish);
}

void reading_take(struct reading *reading, const EventsTold *told)
{
    for (size_t i = 0; i < told->n_events; i++) {
        const Event *event = told->events[i];
        reading->has_gap = reading->has_gap || event->sequence != reading->last + 1;
        reading->last = event->sequence;
        snprintf(reading->cursor, sizeof(reading->cursor), "%s", event->cursor);
    }
}

bool read_until(struct dues_stream *stream, struct reading *reading, int64_t until)
{
    while (reading->last < until) {
        const ProtobufCMessage *message = dues_stream_next(stream, EVENT_PATIENCE_MS);
        if (message == NULL)
            return false;
        reading_take(reading, (const void *)message);
    }
    return true;
}

const struct dues_answer *await_end(struct dues_stream *stream)
{
    while (dues_stream_next(stream, EVENT_PATIENCE_MS) != NULL)
        continue;
    return dues_stream_end(stream);
}

const char *metadata_of(const struct dues_answer *answer, const char *key)
{
    for (size_t i = 0; i < answer->metadata_count; i++) {
        if (text_equal(answer->metadata[i].key, key))
            return answer->metadata[i].value;
    }
    return "";
}

void given_events(struct rpc_fixture *f, const char *customer, int count)
{
    const char *id = customer_id_of(f, customer);

    db_execute(f->db,
               db_printf(f->db,
                         "WITH c AS (UPDATE dues.customer SET event_count = event_count + %d"
                         "            WHERE customer_id = '%s' RETURNING event_count)"
                         "INSERT INTO dues.event (customer_id, sequence, type, subject_id, data,"
                         "                        create_time)"
                         "SELECT '%s', c.event_count - %d + g, 'membership.renewed',"
                         "       gen_random_uuid(), '{\"state\": \"ACTIVE\"}', now()"
                         "  FROM c, generate_series(1, %d) g",
                         count, id, id, count, count));
}

int64_t last_event_of(struct rpc_fixture *f, const char *customer)
{
    return db_number(f->db, db_printf(f->db,
                                      "SELECT event_count FROM dues.customer"
                                      " WHERE customer_id = '%s'",
                                      customer_id_of(f, customer)));
}

const struct dues_answer *ask_events(struct rpc_fixture *f, struct rpc_as as, const char *parent,
                                     int32_t page_size, const char *page_token, const char *cursor)
{
    Dues__Payment__V1__ListEventsRequest request = DUES__PAYMENT__V1__LIST_EVENTS_REQUEST__INIT;

    request.parent = member_text(f, parent);
    request.page_size = page_size;
    request.page_token = member_text(f, page_token);
    request.cursor = member_text(f, cursor);
    return rpc_ask(f, as, &SERVICE, "ListEvents", &request.base);
}
