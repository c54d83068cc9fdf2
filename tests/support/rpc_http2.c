/*
 * OpenSSL over a blocking socket.  The header block is literal fields without indexing, so that the
 * same bytes mean the same at any time.
 */
#include "support/rpc_http2.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"

#define WAIT_MS    10000
#define FRAME_MAX  (1 << 20)
#define HEADER     9
#define TEXT_MAX   126
#define FIELDS_MAX 7

struct http2 {
    int descriptor;
    SSL_CTX *context;
    SSL *ssl;
    uint8_t frame[HEADER + FRAME_MAX];
};

int tcp_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

bool tcp_connect(int descriptor, const char *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strrchr(target, ':');
    char host[64];
    const int on = 1;

    snprintf(host, sizeof host, "%.*s", (int)(colon - target), target);
    address.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return inet_pton(AF_INET, host, &address.sin_addr) == 1 &&
           connect(descriptor, (const struct sockaddr *)&address, sizeof address) == 0;
}

int tcp_open(const char *target)
{
    int descriptor = tcp_socket();

    if (descriptor >= 0 && !tcp_connect(descriptor, target)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

bool tcp_is_closed(int descriptor)
{
    struct pollfd watched = {.fd = descriptor, .events = POLLIN};
    char bytes[256];

    while (poll(&watched, 1, WAIT_MS) == 1) {
        if (recv(descriptor, bytes, sizeof bytes, 0) <= 0)
            return true;
    }
    return false;
}

static SSL_CTX *context_of(struct test_pair pair)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    BIO *certificate_bio = BIO_new_mem_buf(pair.certificate_pem, -1);
    BIO *key_bio = BIO_new_mem_buf(pair.key_pem, -1);
    X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

    if (SSL_CTX_use_certificate(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, key) != 1 ||
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3) != 0)
        bug("raw client: no context");
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    return context;
}

static bool read_all(struct http2 *http2, uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        int got = SSL_read(http2->ssl, bytes + at, (int)(size - at));
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

struct http2 *http2_open(const char *target, struct test_pair pair)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    struct http2 *http2 = calloc(1, sizeof *http2);
    uint8_t greeting[HEADER];

    if (http2 == NULL)
        bug("raw client: out of memory");
    signal(SIGPIPE, SIG_IGN);
    http2->descriptor = tcp_open(target);
    http2->context = context_of(pair);
    http2->ssl = SSL_new(http2->context);
    (void)setsockopt(http2->descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(http2->descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (SSL_set_fd(http2->ssl, http2->descriptor) != 1 || SSL_connect(http2->ssl) != 1 ||
        SSL_write(http2->ssl, preface, sizeof preface - 1) <= 0 ||
        !http2_send(http2, HTTP2_SETTINGS, 0, 0, NULL, 0) ||
        !read_all(http2, greeting, sizeof greeting) || !read_all(http2, http2->frame, greeting[2]))
        bug("raw client: %s does not greet", target);
    return http2;
}

void http2_close(struct http2 *http2)
{
    SSL_free(http2->ssl);
    SSL_CTX_free(http2->context);
    close(http2->descriptor);
    free(http2);
}

bool http2_send(struct http2 *http2, enum http2_type type, int flags, uint32_t stream,
                const void *payload, size_t size)
{
    uint8_t *frame = http2->frame;
    uint32_t id = htonl(stream);

    if (size > FRAME_MAX)
        bug("raw client: %zu bytes in a frame", size);
    frame[0] = (uint8_t)(size >> 16);
    frame[1] = (uint8_t)(size >> 8);
    frame[2] = (uint8_t)size;
    frame[3] = (uint8_t)type;
    frame[4] = (uint8_t)flags;
    memcpy(frame + 5, &id, sizeof id);
    if (size > 0)
        memcpy(frame + HEADER, payload, size);
    return SSL_write(http2->ssl, frame, (int)(HEADER + size)) > 0;
}

static size_t add_text(uint8_t *block, const char *text)
{
    size_t length = strlen(text);

    if (length > TEXT_MAX)
        bug("raw client: '%s' is too long", text);
    block[0] = (uint8_t)length;
    memcpy(block + 1, text, length);
    return 1 + length;
}

bool http2_call(struct http2 *http2, uint32_t stream, const char *path)
{
    const char *const fields[FIELDS_MAX][2] = {
        {":method", "POST"},         {":scheme", "https"}, {":path", path},
        {":authority", "localhost"}, {"te", "trailers"},   {"content-type", "application/grpc"},
        {"user-agent", "raw"},
    };
    uint8_t block[FIELDS_MAX * 2 * (TEXT_MAX + 2)];
    size_t size = 0;

    for (size_t i = 0; i < FIELDS_MAX; i++) {
        block[size++] = 0;
        size += add_text(block + size, fields[i][0]);
        size += add_text(block + size, fields[i][1]);
    }
    return http2_send(http2, HTTP2_HEADERS, HTTP2_END_HEADERS, stream, block, size);
}

bool http2_wait(struct http2 *http2, uint32_t stream)
{
    uint8_t *frame = http2->frame;
    uint32_t id = 0;

    do {
        if (!read_all(http2, frame, HEADER))
            return false;
        size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        if (size > FRAME_MAX || !read_all(http2, frame + HEADER, size))
            return false;
        memcpy(&id, frame + 5, sizeof id);
    } while (ntohl(id) != stream || frame[3] != HTTP2_HEADERS ||
             (frame[4] & HTTP2_END_STREAM) == 0);
    return true;
}

bool http2_is_cut(struct http2 *http2)
{
    char bytes[4096];
    int got;

    do
        got = SSL_read(http2->ssl, bytes, sizeof bytes);
    while (got > 0);
    return SSL_get_error(http2->ssl, got) != SSL_ERROR_WANT_READ;
}
