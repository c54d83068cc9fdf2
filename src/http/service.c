/*
 * The service over libmicrohttpd: a thread for each connection, and one of ours that cuts those
 * that are too slow.  The library itself knows only how long a connection was idle: a byte now and
 * then would keep it for ever.
 */

#include "http/service.h"

#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/bucket.h"
#include "base/bug.h"
#include "base/random.h"
#include "base/text.h"
#include "base/time.h"
#include "http/service_identity.h"
#include "http/service_internal.h"
#include "http/socket.h"

/* How late an overdue connection may be noticed. */
#define LOOK_MS 100

/* Beyond the body: the request's line, and what the handler makes. */
#define ARENA_SIZE        ((size_t)32 * 1024 * 1024)
#define FIRST_BODY_SIZE   4096
#define TLS_PRIORITIES    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define THREAD_STACK_SIZE ((size_t)2 * 1024 * 1024) /* with the thread-locals of all libraries */

struct http_service {
    struct http_service_options options;
    struct http_socket socket;
    struct MHD_Daemon *daemon;
    int stop_event; /* readable once the service ends */
    pthread_t watcher;
    bool watches;
    pthread_mutex_t lock; /* of the slots */
    struct service_slot *slots;
    struct service_identity *identity; /* NULL: without TLS */
    uint64_t source_seed;
    struct bucket_rate rate;
    struct bucket arrivals[HTTP_SERVICE_SOURCES]; /* of the library's thread alone */
    struct http_service_counts counts;            /* under the lock */
};

static int64_t now_us(void)
{
    return clock_monotonic_us(clock_system());
}

static void slot_allow(struct service_slot *slot, int64_t limit_ms)
{
    if (slot == NULL)
        return;
    pthread_mutex_lock(&slot->service->lock);
    slot->until_us = limit_ms == INT64_MAX ? INT64_MAX : now_us() + limit_ms * US_PER_MS;
    pthread_mutex_unlock(&slot->service->lock);
}

int service_descriptor(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/*
 * An IPv4 address, or the /64 of an IPv6 one, which a subscriber has as a whole; mixed so that
 * nobody outside can choose whose rate it shares (the finaliser of SplitMix64).
 */
static uint64_t source_of(const struct http_service *service, const struct sockaddr *address)
{
    struct address_place place;
    uint64_t key = 0;

    if (address == NULL || !address_place_of(address, &place))
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&place.ip))
        memcpy(&key, place.ip.s6_addr + 12, 4);
    else
        memcpy(&key, place.ip.s6_addr, sizeof key);
    key += service->source_seed;
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9U;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebU;
    return key ^ (key >> 31);
}

static uint64_t source_of_connection(const struct http_service *service,
                                     struct MHD_Connection *connection)
{
    return source_of(
        service,
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
}

/* The library says when a connection begins and, before it closes the socket, ends. */
static void note_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                            enum MHD_ConnectionNotificationCode what)
{
    struct http_service *service = arg;
    struct service_slot *slot = *socket_context;

    pthread_mutex_lock(&service->lock);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (slot != NULL) {
            slot->descriptor = -1;
            service->counts.connections--;
        }
        pthread_mutex_unlock(&service->lock);
        return;
    }
    for (int32_t i = 0; i < service->options.connections_max && slot == NULL; i++) {
        if (service->slots[i].descriptor < 0)
            slot = &service->slots[i];
    }
    if (slot != NULL) {
        slot->descriptor = service_descriptor(connection);
        slot->source = source_of_connection(service, connection);
        slot->until_us = now_us() + service->options.time_limit_ms * US_PER_MS;
        service->counts.connections++;
    }
    *socket_context = slot;
    pthread_mutex_unlock(&service->lock);
}

static void *watch(void *arg)
{
    struct http_service *service = arg;
    struct pollfd stop = {.fd = service->stop_event, .events = POLLIN};

    while (poll(&stop, 1, LOOK_MS) <= 0) {
        int64_t now = now_us();
        pthread_mutex_lock(&service->lock);
        for (int32_t i = 0; i < service->options.connections_max; i++) {
            struct service_slot *slot = &service->slots[i];
            if (slot->descriptor < 0 || now < slot->until_us)
                continue;
            /* The connection's thread finds it at its end, and closes it. */
            shutdown(slot->descriptor, SHUT_RDWR);
            slot->until_us = INT64_MAX;
            service->counts.cut++;
        }
        pthread_mutex_unlock(&service->lock);
    }
    return NULL;
}

/* The first that is known of a request. */
static void *begin_request(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http_service *service = arg;
    struct arena *arena = arena_new(ARENA_SIZE + 2 * service->options.body_size_max);
    struct service_exchange *exchange = arena_alloc(arena, sizeof *exchange);

    *exchange = (struct service_exchange){
        .arena = arena,
        .target = arena_strdup(arena, target),
        .body = arena_alloc(arena, 1),
        .connection = connection,
        .service = service,
        .slot =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context,
    };
    slot_allow(exchange->slot, service->options.time_limit_ms);
    return exchange;
}

static void end_request(void *arg, struct MHD_Connection *connection, void **request_context,
                        enum MHD_RequestTerminationCode code)
{
    const struct http_service *service = arg;
    struct service_exchange *exchange = *request_context;

    (void)connection;
    (void)code;
    if (exchange == NULL)
        return;
    *request_context = NULL;
    slot_allow(exchange->slot, service->options.idle_limit_ms);
    arena_free(exchange->arena);
}

/* False: more than may be. */
static bool take_body(struct service_exchange *exchange, const char *data, size_t size)
{
    size_t needed = exchange->body_size + size;

    if (needed > exchange->service->options.body_size_max)
        return false;
    if (needed > exchange->body_capacity) {
        size_t capacity = needed > FIRST_BODY_SIZE ? 2 * needed : FIRST_BODY_SIZE;
        if (capacity > exchange->service->options.body_size_max)
            capacity = exchange->service->options.body_size_max;
        char *larger = arena_alloc(exchange->arena, capacity + 1);
        memcpy(larger, exchange->body, exchange->body_size);
        exchange->body = larger;
        exchange->body_capacity = capacity;
    }
    memcpy(exchange->body + exchange->body_size, data, size);
    exchange->body_size = needed;
    return true;
}

static void count_large(struct http_service *service)
{
    pthread_mutex_lock(&service->lock);
    service->counts.too_large++;
    pthread_mutex_unlock(&service->lock);
}

static enum MHD_Result refuse_large(struct service_exchange *exchange)
{
    static const char line[] = "the body is too large\n";
    const struct http_service_reply reply = {.status = MHD_HTTP_CONTENT_TOO_LARGE,
                                             .content_type = "text/plain",
                                             .body = line,
                                             .size = sizeof line - 1};

    count_large(exchange->service);
    return service_reply_send(exchange, &reply);
}

/* Refused before it is read; what has no length is counted while it comes. */
static bool is_announced_too_large(const struct service_exchange *exchange)
{
    const char *length =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
    char *end;

    if (length == NULL)
        return false;
    unsigned long long size = strtoull(length, &end, 10);
    return *end != '\0' || size > exchange->service->options.body_size_max;
}

static enum MHD_Result handle(struct service_exchange *exchange, const char *path,
                              const char *method)
{
    const struct http_service_options *options = &exchange->service->options;
    struct http_service_reply reply = {.status = MHD_HTTP_NOT_FOUND};
    const char *query = strchr(exchange->target, '?');
    const struct http_service_request request = {
        .method = method,
        .path = path,
        .query = query == NULL ? "" : query + 1,
        .body = exchange->body,
        .body_size = exchange->body_size,
        .source = source_of_connection(exchange->service, exchange->connection),
        .arena = exchange->arena,
        .connection = exchange,
    };

    slot_allow(exchange->slot, INT64_MAX);
    options->handle(options->owner, &request, &reply);
    slot_allow(exchange->slot, options->time_limit_ms);
    return service_reply_send(exchange, &reply);
}

/* Called once the head is there, then for each piece of the body, then once more. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **request_context)
{
    struct service_exchange *exchange = *request_context;

    (void)arg;
    (void)connection;
    (void)version;
    if (exchange == NULL)
        return MHD_NO;
    if (!exchange->has_begun) {
        exchange->has_begun = true;
        if (is_announced_too_large(exchange))
            return refuse_large(exchange);
        return MHD_YES;
    }
    if (*data_size > 0) {
        if (!take_body(exchange, data, *data_size)) {
            count_large(exchange->service);
            return MHD_NO;
        }
        *data_size = 0;
        return MHD_YES;
    }
    return handle(exchange, path, method);
}

/* The lock is held. */
static bool is_crowded(const struct http_service *service, uint64_t source)
{
    int32_t count_max = service->options.connections_per_source_max;
    int32_t count = 0;

    if (count_max == 0 || source == 0)
        return false;
    for (int32_t i = 0; i < service->options.connections_max; i++)
        count += service->slots[i].descriptor >= 0 && service->slots[i].source == source;
    return count >= count_max;
}

/* Of the library's thread: may this one come in?  What one source does is no other's matter. */
static enum MHD_Result admit(void *arg, const struct sockaddr *address, socklen_t size)
{
    struct http_service *service = arg;
    uint64_t source = source_of(service, address);
    struct bucket *arrivals = &service->arrivals[source % HTTP_SERVICE_SOURCES];
    bool is_in_time = bucket_take(arrivals, service->rate, 1, now_us());

    (void)size;
    pthread_mutex_lock(&service->lock);
    bool has_room = !is_crowded(service, source);
    if (!is_in_time)
        service->counts.shed++;
    else if (!has_room)
        service->counts.crowded++;
    pthread_mutex_unlock(&service->lock);
    return is_in_time && has_room ? MHD_YES : MHD_NO;
}

/* The library has put its connection into the session; the slot knows the service. */
static int lend_identity(gnutls_session_t session, const gnutls_datum_t *authorities,
                         int authority_count, const gnutls_pk_algorithm_t *algorithms,
                         int algorithm_count, gnutls_pcert_st **chain, unsigned *length,
                         gnutls_privkey_t *key)
{
    struct MHD_Connection *connection = gnutls_session_get_ptr(session);
    const struct service_slot *slot =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (slot == NULL || !service_identity_lend(slot->service->identity, chain, length, key))
        return -1;
    return 0;
}

static struct MHD_Daemon *start_daemon(struct http_service *service)
{
    const struct http_service_options *options = &service->options;
    unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                         MHD_USE_POLL | MHD_USE_ITC;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)lend_identity},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };

    if (service->identity == NULL)
        tls[0].option = MHD_OPTION_END;
    else
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(
        flags, 0, admit, service, answer, service, MHD_OPTION_LISTEN_SOCKET,
        service->socket.descriptor, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)options->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        options->head_size_max, MHD_OPTION_NOTIFY_CONNECTION, note_connection, service,
        MHD_OPTION_NOTIFY_COMPLETED, end_request, service, MHD_OPTION_URI_LOG_CALLBACK,
        begin_request, service, MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK_SIZE,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

struct http_service *http_service_open(const struct http_service_options *options,
                                       char problem[HTTP_PROBLEM_SIZE])
{
    struct http_service *service = calloc(1, sizeof *service);

    if (options->connections_max < 1 || options->connections_max > HTTP_SERVICE_CONNECTIONS_MAX)
        bug("a service of %d connections", (int)options->connections_max);
    if (service == NULL)
        bug("no memory for a service");
    service->options = *options;
    random_fill(random_system(), &service->source_seed, sizeof service->source_seed);
    service->rate =
        bucket_rate_make(options->connections_per_second,
                         options->connections_per_second > 0 ? options->connections_per_second : 1);
    service->slots = calloc((size_t)options->connections_max, sizeof *service->slots);
    service->stop_event = eventfd(0, EFD_CLOEXEC);
    if (service->slots == NULL || service->stop_event < 0)
        bug("no memory for the connections of a service");
    pthread_mutex_init(&service->lock, NULL);
    for (int32_t i = 0; i < options->connections_max; i++)
        service->slots[i] = (struct service_slot){.service = service, .descriptor = -1};
    if (http_socket_open(options->listen, &service->socket, problem))
        return service;
    http_service_close(service);
    return NULL;
}

/* False and one line in `problem`; true without TLS as well. */
static bool take_identity(struct http_service *service, char problem[HTTP_PROBLEM_SIZE])
{
    const struct http_service_options *options = &service->options;

    if (options->certificate_pem == NULL && options->certificate_file == NULL)
        return true;
    /* The watcher may see the end of a handshake a little late. */
    service->identity = service_identity_open(2 * options->time_limit_ms * US_PER_MS);
    if (options->certificate_pem == NULL)
        return http_service_reload(service, problem);
    return service_identity_take(service->identity, options->certificate_pem, options->key_pem,
                                 problem);
}

bool http_service_reload(struct http_service *service, char problem[HTTP_PROBLEM_SIZE])
{
    return service_identity_load(service->identity, service->options.certificate_file,
                                 service->options.key_file, problem);
}

int64_t http_service_certificate_end_us(struct http_service *service)
{
    return service->identity == NULL ? 0 : service_identity_end_us(service->identity);
}

struct http_service_counts http_service_count(struct http_service *service)
{
    pthread_mutex_lock(&service->lock);
    struct http_service_counts counts = service->counts;
    pthread_mutex_unlock(&service->lock);
    return counts;
}

bool http_service_start(struct http_service *service, char problem[HTTP_PROBLEM_SIZE])
{
    if (!take_identity(service, problem))
        return false;
    service->watches = pthread_create(&service->watcher, NULL, watch, service) == 0;
    service->daemon = start_daemon(service);
    if (service->watches && service->daemon != NULL)
        return true;
    snprintf(problem, HTTP_PROBLEM_SIZE, "could not serve: no thread can be had");
    return false;
}

int http_service_port(const struct http_service *service)
{
    return service->socket.port;
}

void http_service_close(struct http_service *service)
{
    if (service == NULL)
        return;
    if (eventfd_write(service->stop_event, 1) != 0)
        bug("an event cannot be written");
    if (service->watches)
        pthread_join(service->watcher, NULL);
    if (service->daemon != NULL) {
        MHD_stop_daemon(service->daemon);
        service->socket.descriptor = -1; /* the library has closed it */
    }
    service_identity_close(service->identity);
    http_socket_close(&service->socket);
    close(service->stop_event);
    pthread_mutex_destroy(&service->lock);
    free(service->slots);
    free(service);
}

const char *http_service_header(const struct http_service_request *request, const char *name)
{
    const struct service_exchange *exchange = request->connection;

    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

bool http_service_wait(const struct http_service_request *request, int64_t wait_ms)
{
    const struct service_exchange *exchange = request->connection;
    struct pollfd events[] = {
        {.fd = exchange->service->stop_event, .events = POLLIN},
        {.fd = service_descriptor(exchange->connection), .events = POLLRDHUP},
    };
    int64_t until_us = now_us() + wait_ms * US_PER_MS;

    for (;;) {
        int64_t left_ms = (until_us - now_us() + US_PER_MS - 1) / US_PER_MS;
        if (left_ms <= 0)
            return true;
        if (poll(events, ARRAY_LENGTH(events), (int)left_ms) > 0)
            return false;
    }
}

void http_service_add_header(struct http_service_reply *reply, const char *name, const char *value)
{
    if (reply->header_count == HTTP_SERVICE_HEADERS_MAX)
        bug("too many headers: %s", name);
    reply->headers[reply->header_count++] = (struct http_header){name, value};
}
