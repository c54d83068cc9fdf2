/*
 * One letter: whose it is by its path, whether its sender sends too many, whether it is genuine,
 * whether there is room for it, and then one commit.  The connection's thread waits for the fiber
 * that does it.
 */

#include "base/fiber.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "base/trace.h"
#include "inbox/internal.h"
#include "jobs/jobs.h"

#define PATH_PREFIX "/v1/gateways/"
#define PATH_SUFFIX "/news"

/* Gateways want an answer within some seconds (Stripe within twenty, PAY-10 within two). */
#define STORE_LIMIT_US (5 * US_PER_SECOND)
/* A flood of forgeries is in the metrics; the log has one of them a minute. */
#define TELL_EVERY_US US_PER_MINUTE

enum {
    STATUS_TAKEN = 200,
    STATUS_REFUSED = 400,
    STATUS_PATH = 404,
    STATUS_METHOD = 405,
    STATUS_RATE = 429,
    STATUS_AGAIN = 503
};

struct visit {
    struct inbox *inbox;
    struct inbox_counts *counts;
    const struct gateway *gateway;
    const struct http_service_request *request;
    enum gateway_letter_verdict verdict;
    struct gateway_news news;
    enum news_state state;
    bool has_room;
    bool is_stored;
};

static void add_one(atomic_uint_least64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_system());
}

static void answer_with(struct http_service_reply *reply, int32_t status, const char *line)
{
    reply->status = status;
    reply->content_type = "text/plain";
    reply->body = line;
    reply->size = strlen(line);
}

/* The name between the two ends of the path; NULL: another path. */
static const struct gateway *find(const struct inbox *inbox, const char *path, size_t *place)
{
    const struct gateways *gateways = inbox->house->gateways;

    if (!text_starts_with(path, PATH_PREFIX))
        return NULL;
    path += strlen(PATH_PREFIX);
    for (int32_t i = 0; i < gateways->count; i++) {
        const char *name = gateways->list[i]->name;
        if (gateways->list[i]->read_news != NULL && text_starts_with(path, name) &&
            text_equal(path + strlen(name), PATH_SUFFIX)) {
            *place = (size_t)i;
            return gateways->list[i];
        }
    }
    return NULL;
}

static bool has_room(struct inbox *inbox, struct bucket *bucket)
{
    pthread_mutex_lock(&inbox->lock);
    bool taken = bucket_take(bucket, inbox->rate, 1, now_us());
    pthread_mutex_unlock(&inbox->lock);
    return taken;
}

static const char *header(const void *owner, const char *name)
{
    return http_service_header(owner, name);
}

static const char *verdict_text(enum gateway_letter_verdict verdict)
{
    switch (verdict) {
    case GATEWAY_LETTER_UNSIGNED:
        return "no signature\n";
    case GATEWAY_LETTER_FORGED:
        return "the signature does not fit\n";
    case GATEWAY_LETTER_STALE:
        return "signed too long ago\n";
    case GATEWAY_LETTER_UNREADABLE:
        return "not an event\n";
    case GATEWAY_LETTER_GENUINE:
    case GATEWAY_LETTER_VERDICT_COUNT:
        break;
    }
    return "";
}

/* In a fiber. */
static void receive(void *arg)
{
    struct visit *visit = arg;
    const struct http_service_request *request = visit->request;
    struct log *log = visit->inbox->house->log;
    const struct gateway_letter letter = {
        .header = header,
        .owner = request,
        .body = request->body,
        .body_size = request->body_size,
    };
    struct call call = call_of_house(visit->inbox->house, request->arena, "system/inbox",
                                     "inbox/receive", STORE_LIMIT_US);

    trace_begin(&call);
    visit->verdict = visit->gateway->read_news(visit->gateway, &call, &letter, &visit->news);
    if (visit->verdict != GATEWAY_LETTER_GENUINE)
        return;
    visit->has_room = has_room(visit->inbox, &visit->inbox->genuine);
    if (!visit->has_room)
        return;
    const struct error *error =
        news_store(&call, visit->gateway, &visit->news,
                   (struct bytes){request->body, request->body_size}, &visit->state);
    visit->is_stored = error == NULL;
    if (error != NULL) {
        log_write(log, LOG_WARNING, "news.not_stored",
                  LOG_FIELDS(LOG_TEXT("gateway", visit->gateway->name),
                             LOG_TEXT("id", visit->news.event), LOG_TEXT("reason", error->reason),
                             LOG_TEXT("message", error->message), LOG_TEXT("cause", error->cause)));
        return;
    }
    log_write(log, LOG_INFO, "news",
              LOG_FIELDS(LOG_TEXT("gateway", visit->gateway->name),
                         LOG_TEXT("id", visit->news.event), LOG_TEXT("type", visit->news.type),
                         LOG_TEXT("object", visit->news.object),
                         LOG_TEXT("state", news_state_name(visit->state))));
}

/* Neither the signature nor a byte of the body is told. */
static void tell_refusal(struct inbox *inbox, const struct visit *visit)
{
    int64_t now = now_us();

    pthread_mutex_lock(&inbox->lock);
    bool tells = inbox->told_us == 0 || now - inbox->told_us >= TELL_EVERY_US;
    if (tells)
        inbox->told_us = now;
    pthread_mutex_unlock(&inbox->lock);
    if (tells)
        log_write(
            inbox->house->log, LOG_WARNING, "news.refused",
            LOG_FIELDS(
                LOG_TEXT("gateway", visit->gateway->name),
                LOG_TEXT("why", arena_strndup(visit->request->arena, verdict_text(visit->verdict),
                                              strlen(verdict_text(visit->verdict)) - 1)),
                LOG_NUMBER("bytes", (int64_t)visit->request->body_size)));
}

static void refuse_for_now(struct visit *visit, struct http_service_reply *reply)
{
    add_one(&visit->counts->refused[INBOX_RATE]);
    answer_with(reply, STATUS_RATE, "too many\n");
    http_service_add_header(reply, "Retry-After", "1");
}

static void take(struct visit *visit, struct http_service_reply *reply)
{
    struct inbox *inbox = visit->inbox;
    int64_t begin_us = now_us();

    fiber_run(inbox->house->fibers, receive, visit);
    if (visit->verdict != GATEWAY_LETTER_GENUINE) {
        add_one(&visit->counts->refused[visit->verdict]);
        tell_refusal(inbox, visit);
        answer_with(reply, STATUS_REFUSED, verdict_text(visit->verdict));
        return;
    }
    if (!visit->has_room) {
        refuse_for_now(visit, reply);
        return;
    }
    if (!visit->is_stored) {
        add_one(&visit->counts->refused[INBOX_DATABASE]);
        answer_with(reply, STATUS_AGAIN, "could not be stored\n");
        return;
    }
    add_one(&visit->counts->taken[visit->news.kind][visit->state]);
    histogram_add(&visit->counts->durations, now_us() - begin_us);
    if (visit->state == NEWS_OWED)
        jobs_wake(inbox->house->jobs);
    answer_with(reply, STATUS_TAKEN, "");
}

void inbox_answer(void *owner, const struct http_service_request *request,
                  struct http_service_reply *reply)
{
    struct visit visit = {.inbox = owner, .request = request};
    struct inbox *inbox = visit.inbox;
    size_t place = 0;

    visit.gateway = find(inbox, request->path, &place);
    if (visit.gateway == NULL) {
        add_one(&inbox->unknown.refused[INBOX_PATH]);
        answer_with(reply, STATUS_PATH, "nobody listens here\n");
        return;
    }
    visit.counts = &inbox->counts[place];
    if (!text_equal(request->method, "POST")) {
        add_one(&visit.counts->refused[INBOX_METHOD]);
        answer_with(reply, STATUS_METHOD, "only POST\n");
        http_service_add_header(reply, "Allow", "POST");
        return;
    }
    /* Strangers use up what is theirs; what all share is for those who can sign. */
    if (!has_room(inbox, &inbox->of_source[request->source % HTTP_SERVICE_SOURCES])) {
        refuse_for_now(&visit, reply);
        return;
    }
    take(&visit, reply);
}
