/*
 * What libcurl is told and what is believed of its answer.  libcurl follows, decodes, logs in and
 * repeats by itself when one lets it; here it may do nothing but one request over TLS and read one
 * answer of limited size.
 *
 * Whether a request left is known by CURLOPT_PREREQFUNCTION: libcurl calls it when a connection
 * stands, TLS included, right before it writes; also before it repeats a request.
 */

#include "http/exchange.h"

#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail_point.h"
#include "base/text.h"
#include "http/public_address.h"

#define URL_LENGTH_MAX    2048
#define HEADER_LENGTH_MAX 4096
#define FIRST_BODY_SIZE   ((size_t)8 * 1024)

/* Defaults are repeated where a wrong one would hurt. */
static const struct {
    CURLoption option;
    long value;
} numbers[] = {
    {CURLOPT_NOSIGNAL, 1L},
    {CURLOPT_FOLLOWLOCATION, 0L},
    {CURLOPT_MAXREDIRS, 0L},
    {CURLOPT_SSL_VERIFYPEER, 1L},
    {CURLOPT_SSL_VERIFYHOST, 2L},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_HTTP09_ALLOWED, 0L},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_HTTPAUTH, CURLAUTH_NONE},
    {CURLOPT_UNRESTRICTED_AUTH, 0L},
    {CURLOPT_HTTP_CONTENT_DECODING, 0L},
    {CURLOPT_TCP_KEEPALIVE, 1L},
    /* Or the thread would wait for the resolver's, when an exchange ends before it. */
    {CURLOPT_QUICK_EXIT, 1L},
};

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

static void release_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

static bool is_allowed(const char *text, bool plain)
{
    AUTO(release_url) CURLU *url = curl_url();
    char *host = NULL;

    if (url == NULL || strlen(text) > URL_LENGTH_MAX || has_control(text) ||
        !(text_starts_with(text, "https://") || (plain && text_starts_with(text, "http://"))))
        return false;
    bool right = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
                 curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    curl_free(host);
    return right;
}

void http_exchange_fail(struct http_exchange *exchange, enum http_result result,
                        const char *problem)
{
    *exchange->reply = (struct http_exchange_reply){
        .result = result,
        .body = "",
        .problem = problem,
    };
}

bool http_exchange_check(struct http_exchange *exchange)
{
    const struct http_exchange_request *request = exchange->request;

    if (!is_allowed(request->url, request->loopback_only)) {
        http_exchange_fail(exchange, HTTP_FORBIDDEN, "not an https:// address");
        return false;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        const char *header = request->headers[i];
        if (has_control(header) || strlen(header) > HEADER_LENGTH_MAX ||
            strchr(header, ':') == NULL) {
            http_exchange_fail(exchange, HTTP_FORBIDDEN, "a malformed header");
            return false;
        }
    }
    return true;
}

/* The last answer counts, not a 100 before it. */
static void begin_head(struct http_exchange *exchange)
{
    exchange->reply->header_count = 0;
    exchange->is_delimited = false;
}

static void keep_header(struct http_exchange *exchange, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    struct http_exchange_reply *reply = exchange->reply;

    if (colon == NULL || reply->header_count == HTTP_REPLY_HEADERS_MAX)
        return;
    size_t name_length = (size_t)(colon - line);
    const char *value = colon + 1;
    const char *end = line + length;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    struct http_field *header = &exchange->reply_headers[reply->header_count++];
    header->name = arena_strndup(exchange->arena, line, name_length);
    header->value = arena_strndup(exchange->arena, value, (size_t)(end - value));
    if (strcasecmp(header->name, "content-length") == 0 ||
        strcasecmp(header->name, "transfer-encoding") == 0)
        exchange->is_delimited = true;
}

/* Fewer bytes taken than given: libcurl gives up. */
static size_t take_header(char *line, size_t one, size_t size, void *argument)
{
    struct http_exchange *exchange = argument;
    size_t length = one * size;

    exchange->head_size += length;
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
        begin_head(exchange);
    else if (length > 2 && exchange->reply->header_count == HTTP_REPLY_HEADERS_MAX)
        exchange->too_large = true;
    if (exchange->head_size > HTTP_REPLY_HEAD_SIZE_MAX)
        exchange->too_large = true;
    if (exchange->too_large)
        return 0;
    keep_header(exchange, line, length);
    return length;
}

/* The answer's own word on its length spares copying; it is no more than a hint. */
static size_t wanted_capacity(const struct http_exchange *exchange, size_t needed)
{
    curl_off_t announced = -1;
    size_t capacity = exchange->body_capacity == 0 ? FIRST_BODY_SIZE : 2 * exchange->body_capacity;

    curl_easy_getinfo(exchange->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0 && (uint64_t)announced <= exchange->request->reply_size_max)
        capacity = (size_t)announced + 1;
    return capacity < needed ? needed : capacity;
}

static bool make_room(struct http_exchange *exchange, size_t needed)
{
    if (needed <= exchange->body_capacity)
        return true;
    size_t capacity = wanted_capacity(exchange, needed);
    char *larger = arena_try_alloc(exchange->arena, capacity);
    if (larger == NULL)
        return false;
    if (exchange->body_size > 0)
        memcpy(larger, exchange->body, exchange->body_size);
    exchange->body = larger;
    exchange->body_capacity = capacity;
    return true;
}

static size_t take_body(char *bytes, size_t one, size_t size, void *argument)
{
    struct http_exchange *exchange = argument;
    size_t count = one * size;

    if (count > exchange->request->reply_size_max ||
        exchange->body_size > exchange->request->reply_size_max - count) {
        exchange->too_large = true;
        return 0;
    }
    if (!make_room(exchange, exchange->body_size + count + 1)) {
        exchange->out_of_room = true;
        return 0;
    }
    memcpy(exchange->body + exchange->body_size, bytes, count);
    exchange->body_size += count;
    exchange->body[exchange->body_size] = '\0';
    return count;
}

static curl_socket_t open_permitted(void *argument, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct http_exchange *exchange = argument;

    (void)purpose;
    bool permitted = exchange->request->loopback_only ? loopback_address(&address->addr)
                                                      : public_address(&address->addr);
    if (!permitted) {
        exchange->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int before_request(void *argument, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct http_exchange *exchange = argument;

    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    /* A kept connection was opened for somebody who may have been allowed more. */
    if (exchange->request->public_only && !public_address_text(peer_ip)) {
        exchange->refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (exchange->requests > 0 && !exchange->request->is_idempotent_send)
        return CURL_PREREQFUNC_ABORT;
    if (FAIL_HIT("http.connected", exchange->request->method))
        return CURL_PREREQFUNC_ABORT;
    exchange->requests++;
    return CURL_PREREQFUNC_OK;
}

/* Only what libcurl says itself: neither heads nor bodies, so no keys. */
static int hear(CURL *curl, curl_infotype type, char *text, size_t size, void *argument)
{
    struct http_exchange *exchange = argument;
    size_t room = sizeof exchange->talk - 1 - exchange->talk_size;

    (void)curl;
    if (type != CURLINFO_TEXT)
        return 0;
    for (size_t i = 0; i < size && room > 0; i++, room--) {
        bool is_shown = text[i] >= ' ' && text[i] <= '~';
        char *place = &exchange->talk[exchange->talk_size++];
        *place = '?';
        if (text[i] == '\n')
            *place = '|';
        else if (is_shown)
            *place = text[i];
    }
    exchange->talk[exchange->talk_size] = '\0';
    return 0;
}

static bool set_numbers(CURL *curl)
{
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        if (curl_easy_setopt(curl, numbers[i].option, numbers[i].value) != CURLE_OK)
            return false;
    }
    return true;
}

static bool set_limits(CURL *curl, const struct http_exchange_request *request,
                       int64_t time_left_ms)
{
    int64_t connect_ms = request->connect_timeout_ms;
    long one_use = request->is_idempotent_send ? 0L : 1L;

    if (connect_ms > time_left_ms || connect_ms <= 0)
        connect_ms = time_left_ms;
    return curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)time_left_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->reply_size_max) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, one_use) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, one_use) == CURLE_OK;
}

static bool set_trust(CURL *curl, const struct http_exchange_request *request)
{
    if (request->ca_file == NULL || request->ca_file[0] == '\0')
        return true;
    /* Debian's libcurl also looks into a folder of the system's. */
    return curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
}

static bool set_callbacks(CURL *curl, struct http_exchange *exchange)
{
    bool worked = curl_easy_setopt(curl, CURLOPT_PRIVATE, exchange) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_PREREQDATA, exchange) == CURLE_OK;

    if (worked && (exchange->request->public_only || exchange->request->loopback_only))
        worked = curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_permitted) == CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, exchange) == CURLE_OK;
    if (worked && exchange->hears)
        worked = curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, hear) == CURLE_OK &&
                 curl_easy_setopt(curl, CURLOPT_DEBUGDATA, exchange) == CURLE_OK;
    return worked;
}

static bool set_method(CURL *curl, const struct http_exchange_request *request)
{
    bool has_body = request->body != NULL || text_equal(request->method, "POST");

    if (has_body && (curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                      (curl_off_t)request->body_size) != CURLE_OK ||
                     curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                                      request->body != NULL ? request->body : "") != CURLE_OK))
        return false;
    return curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

static bool add_header(struct http_exchange *exchange, const char *header)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, header);

    if (longer != NULL)
        exchange->headers = longer;
    return longer != NULL;
}

static bool set_headers(CURL *curl, struct http_exchange *exchange)
{
    const struct http_exchange_request *request = exchange->request;

    for (size_t i = 0; i < request->header_count; i++) {
        if (!add_header(exchange, request->headers[i]))
            return false;
    }
    /* Without it libcurl waits for a 100 before a long body, and sends anew after a 417. */
    return add_header(exchange, "Expect:") &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers) == CURLE_OK;
}

static bool set_address(CURL *curl, const struct http_exchange_request *request)
{
    const char *protocols = request->loopback_only ? "http,https" : "https";

    return curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
}

static void free_handle(struct http_exchange *exchange)
{
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    exchange->curl = NULL;
    exchange->headers = NULL;
}

bool http_exchange_begin(struct http_exchange *exchange, int64_t time_left_ms)
{
    const struct http_exchange_request *request = exchange->request;
    CURL *curl = curl_easy_init();

    http_exchange_fail(exchange, HTTP_NOT_SENT, "");
    exchange->curl = curl;
    exchange->reply_headers =
        arena_array(exchange->arena, HTTP_REPLY_HEADERS_MAX, sizeof *exchange->reply_headers);
    if (curl != NULL && set_numbers(curl) && set_address(curl, request) &&
        set_limits(curl, request, time_left_ms) && set_trust(curl, request) &&
        set_callbacks(curl, exchange) && set_method(curl, request) && set_headers(curl, exchange))
        return true;
    free_handle(exchange);
    http_exchange_fail(exchange, HTTP_NOT_SENT, "libcurl does not take its options");
    return false;
}

/* A body without a length of its own may have been cut, and nobody would know. */
static bool is_whole(const struct http_exchange *exchange)
{
    int32_t status = exchange->reply->status;

    return exchange->is_delimited || status == 204 || status == 304 ||
           exchange->request->status_only;
}

static enum http_result result_of(const struct http_exchange *exchange, CURLcode code)
{
    bool answered =
        code == CURLE_OK ||
        (exchange->request->status_only && exchange->reply->status >= 200 &&
         (exchange->too_large || code == CURLE_PARTIAL_FILE || code == CURLE_FILESIZE_EXCEEDED ||
          code == CURLE_RECV_ERROR || code == CURLE_OPERATION_TIMEDOUT));

    if (exchange->requests == 0)
        return exchange->refused || code == CURLE_UNSUPPORTED_PROTOCOL ||
                       code == CURLE_URL_MALFORMAT
                   ? HTTP_FORBIDDEN
                   : HTTP_NOT_SENT;
    return answered && is_whole(exchange) ? HTTP_ANSWERED : HTTP_UNKNOWN;
}

static const char *problem_of(const struct http_exchange *exchange, CURLcode code)
{
    if (exchange->reply->result == HTTP_ANSWERED)
        return "";
    if (exchange->refused)
        return exchange->request->loopback_only ? "the address is not this machine's"
                                                : "the address is not public";
    if (exchange->too_large || code == CURLE_FILESIZE_EXCEEDED)
        return "the answer is larger than allowed";
    if (exchange->out_of_room)
        return "no room for the answer";
    if (code == CURLE_OK)
        return "the answer does not tell its length";
    return arena_printf(exchange->arena, "libcurl %d: %s", (int)code, curl_easy_strerror(code));
}

void http_exchange_end(struct http_exchange *exchange, CURLcode code)
{
    struct http_exchange_reply *reply = exchange->reply;
    long status = 0;
    long request_size = 0;

    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(exchange->curl, CURLINFO_REQUEST_SIZE, &request_size);
    reply->status = (int32_t)status;
    reply->request_size = request_size;
    reply->result = result_of(exchange, code);
    reply->problem = problem_of(exchange, code);
    reply->headers = exchange->reply_headers;
    reply->body = exchange->body != NULL ? exchange->body : "";
    reply->body_size = exchange->body_size;
    free_handle(exchange);
    if (FAIL_HIT("http.answered", exchange->request->method))
        http_exchange_fail(exchange, HTTP_UNKNOWN, "the answer was lost");
}

const char *http_reply_header(const struct http_exchange_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name, name) == 0)
            return reply->headers[i].value;
    }
    return NULL;
}

const char *http_result_name(enum http_result result)
{
    switch (result) {
    case HTTP_ANSWERED:
        return "ANSWERED";
    case HTTP_NOT_SENT:
        return "NOT_SENT";
    case HTTP_UNKNOWN:
        return "UNKNOWN";
    case HTTP_FORBIDDEN:
        return "FORBIDDEN";
    }
    return "";
}
