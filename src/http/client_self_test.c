/*
 * libcurl has no way to ask for an option's value, so each promise is tried: the very handle that
 * exchanges use talks to a socket of ours on the loopback, whose whole answer is said as soon as it
 * is connected, and which keeps what was written.  In clear text, which needs the one option that
 * is changed here; that HTTPS begins with a TLS 1.2 or 1.3 handshake is seen in its first bytes.
 */

#include "http/client_self_test.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/text.h"
#include "http/exchange.h"

#define PROBE_LIMIT_MS   5000
#define POLL_MS          100
#define PROBE_REPLY_MAX  512
#define PROBE_ARENA_SIZE (256 * 1024)
#define ANSWER_SIZE      ((size_t)48 * 1024)

struct probe {
    struct arena *arena;
    struct http_exchange_request request;
    struct http_exchange_reply reply;
    struct http_exchange exchange;
    CURLM *multi;
    int listener;
    int peer; /* -1: nobody has connected */
    int32_t opened;
    char sent[4096]; /* what libcurl wrote */
    size_t sent_size;
};

static void close_probe(struct probe *probe)
{
    if (probe->peer >= 0)
        close(probe->peer);
    if (probe->listener >= 0)
        close(probe->listener);
    curl_multi_cleanup(probe->multi);
    arena_free(probe->arena);
}

static int listen_on_loopback(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listener >= 0 &&
        (bind(listener, (const struct sockaddr *)(const void *)&address, sizeof address) != 0 ||
         listen(listener, 4) != 0)) {
        close(listener);
        return -1;
    }
    return listener;
}

static bool open_probe(struct probe *probe, const char *scheme)
{
    memset(probe, 0, sizeof *probe);
    probe->peer = -1;
    probe->listener = listen_on_loopback();
    probe->multi = curl_multi_init();
    probe->arena = arena_new(PROBE_ARENA_SIZE);
    probe->request = (struct http_exchange_request){
        .method = "POST",
        .url = arena_printf(probe->arena, "%s://127.0.0.1:%d/probe", scheme,
                            address_bound_port(probe->listener)),
        .body = "probe=1",
        .body_size = strlen("probe=1"),
        .connect_timeout_ms = PROBE_LIMIT_MS,
        .reply_size_max = PROBE_REPLY_MAX,
    };
    probe->exchange = (struct http_exchange){
        .request = &probe->request, .reply = &probe->reply, .arena = probe->arena};
    return probe->listener >= 0 && probe->multi != NULL &&
           http_exchange_begin(&probe->exchange, PROBE_LIMIT_MS);
}

/* The peer says everything that it will ever say as soon as somebody is there. */
static void serve(struct probe *probe, const char *answer, size_t size)
{
    int peer = accept4(probe->listener, NULL, NULL, SOCK_CLOEXEC);

    if (peer < 0)
        return;
    if (probe->opened++ > 0) {
        close(peer);
        return;
    }
    probe->peer = peer;
    if (send(peer, answer, size, MSG_NOSIGNAL) == (ssize_t)size)
        shutdown(peer, SHUT_WR);
}

static void keep_sent(struct probe *probe)
{
    size_t room = sizeof probe->sent - 1 - probe->sent_size;
    ssize_t got;

    while (probe->peer >= 0 && room > 0 &&
           (got = recv(probe->peer, probe->sent + probe->sent_size, room, MSG_DONTWAIT)) > 0) {
        probe->sent_size += (size_t)got;
        room -= (size_t)got;
    }
}

/* The exchange has a limit of its own, so this ends. */
static void converse(struct probe *probe, const char *answer, size_t size)
{
    CURLcode code = CURLE_FAILED_INIT;
    int running = curl_multi_add_handle(probe->multi, probe->exchange.curl) == CURLM_OK ? 1 : 0;
    int left;

    while (running > 0 && curl_multi_perform(probe->multi, &running) == CURLM_OK && running > 0) {
        struct curl_waitfd listener = {.fd = probe->listener, .events = CURL_WAIT_POLLIN};
        curl_multi_poll(probe->multi, &listener, 1, POLL_MS, NULL);
        serve(probe, answer, size);
    }
    const CURLMsg *message = curl_multi_info_read(probe->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        code = message->data.result;
    keep_sent(probe);
    curl_multi_remove_handle(probe->multi, probe->exchange.curl);
    http_exchange_end(&probe->exchange, code);
}

/* In clear text. */
static bool ask(struct probe *probe, const char *answer, size_t size)
{
    if (!open_probe(probe, "http") ||
        curl_easy_setopt(probe->exchange.curl, CURLOPT_PROTOCOLS_STR, "http") != CURLE_OK)
        return false;
    converse(probe, answer, size);
    return true;
}

static bool holds(const struct probe *probe, const char *text)
{
    return strcasestr(probe->sent, text) != NULL;
}

/* One request, with nothing that was not asked for. */
static const char *check_redirect(struct probe *probe)
{
    static const char answer[] = "HTTP/1.1 302 Found\r\nLocation: /other\r\n"
                                 "Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";

    if (!ask(probe, answer, sizeof answer - 1))
        return "does not take its options";
    if (probe->opened != 1 || holds(probe, "/other"))
        return "follows redirects";
    if (probe->reply.result != HTTP_ANSWERED || probe->reply.status != 302 ||
        probe->reply.request_size != (int64_t)probe->sent_size)
        return "does not tell what was answered";
    if (holds(probe, "cookie:") || holds(probe, "accept-encoding:") ||
        holds(probe, "authorization:") || holds(probe, "expect:") || holds(probe, "upgrade:"))
        return "asks for more than it was told to";
    return text_starts_with(probe->sent, "POST /probe HTTP/1.1\r\n") ? NULL : "speaks other HTTP";
}

static const char *check_body(struct probe *probe)
{
    char answer[ANSWER_SIZE];
    int head = snprintf(answer, sizeof answer,
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "1000\r\n");

    memset(answer + head, 'x', 0x1000);
    if (!ask(probe, answer, (size_t)head + 0x1000))
        return "does not take its options";
    return probe->reply.result == HTTP_UNKNOWN && probe->exchange.too_large ? NULL
                                                                            : "takes any body";
}

static const char *check_head(struct probe *probe)
{
    char answer[ANSWER_SIZE];
    int used = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");

    for (int i = 0; i < HTTP_REPLY_HEADERS_MAX; i++)
        used += snprintf(answer + used, sizeof answer - (size_t)used, "X-%d: y\r\n", i);
    used += snprintf(answer + used, sizeof answer - (size_t)used, "\r\n");
    if (!ask(probe, answer, (size_t)used))
        return "does not take its options";
    return probe->reply.result == HTTP_UNKNOWN ? NULL : "takes any number of headers";
}

static const char *check_endless(struct probe *probe)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\ncut?";

    if (!ask(probe, answer, sizeof answer - 1))
        return "does not take its options";
    return probe->reply.result == HTTP_UNKNOWN ? NULL : "takes a body without a length";
}

static const char *check_clear(struct probe *probe)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    if (!open_probe(probe, "http"))
        return "does not take its options";
    converse(probe, answer, sizeof answer - 1);
    return probe->opened == 0 && probe->reply.result == HTTP_FORBIDDEN ? NULL : "speaks clear text";
}

/* The list of versions in a ClientHello (RFC 8446 §4.2.1): two bytes each, none below 3.3. */
static bool versions_are_new(const uint8_t *list, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        if (list[i] != 3 || list[i + 1] < 3)
            return false;
    }
    return size >= 2;
}

/* Looks for the extension: type 0x002b, its size, the list's size, the list. */
static bool hello_is_new(const uint8_t *hello, size_t size)
{
    for (size_t i = 0; i + 5 <= size; i++) {
        size_t list = hello[i + 4];
        if (hello[i] == 0 && hello[i + 1] == 0x2b && hello[i + 2] == 0 &&
            hello[i + 3] == list + 1 && i + 5 + list <= size)
            return versions_are_new(hello + i + 5, list);
    }
    return false;
}

static const char *check_tls(struct probe *probe)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    if (!open_probe(probe, "https"))
        return "does not take its options";
    converse(probe, answer, sizeof answer - 1);
    if (probe->reply.result != HTTP_NOT_SENT || holds(probe, "probe"))
        return "goes on without TLS";
    bool is_handshake = probe->sent_size > 5 && probe->sent[0] == 0x16;
    return is_handshake && hello_is_new((const uint8_t *)probe->sent, probe->sent_size)
               ? NULL
               : "offers TLS below 1.2";
}

bool http_client_self_test(char problem[HTTP_CLIENT_PROBLEM_SIZE])
{
    static const char *(*const checks[])(struct probe *) = {
        check_redirect, check_body, check_head, check_endless, check_clear, check_tls,
    };
    struct probe probe;

    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        const char *wrong = checks[i](&probe);
        close_probe(&probe);
        if (wrong != NULL) {
            snprintf(problem, HTTP_CLIENT_PROBLEM_SIZE, "the HTTP client's self-test: libcurl %s",
                     wrong);
            return false;
        }
    }
    return true;
}
