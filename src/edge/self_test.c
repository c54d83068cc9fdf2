/*
 * A client that breaks a rule on purpose.  It must be a real one, from the socket to gRPC: whether
 * libgrpc calls our functions is decided by the dynamic linker and by how libgrpc was built, and
 * only a connection that was counted, cut and counted out again shows it.
 */

#include "edge/edge.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/bug.h"
#include "edge/accept_guard.h"
#include "edge/frame_guard.h"

/* Of one step. */
#define WAIT_MS  5000
#define ATTEMPTS 3
#define CLOSE_MS 10
/* After a restart all clients come back at once, and whom the guard sheds may be us. */
#define CROWD_MS      10000
#define CROWD_STEP_MS 50

enum outcome {
    CAUGHT,
    UNREACHABLE,
    REFUSED,
    SHED,
    CONNECTIONS_UNGUARDED,
    FRAMES_UNGUARDED,
    ANSWERS_UNWATCHED,
};

/* What the guards have counted. */
struct counters {
    uint64_t admitted;
    uint64_t left;
    uint64_t cut;
    uint64_t answers;
};

static struct counters read_counters(void)
{
    const struct accept_guard *guard = accept_guard_of_process();

    return (struct counters){
        .admitted = atomic_load(&guard->admitted),
        .left = atomic_load(&guard->left),
        .cut = atomic_load(&frame_guard_refused[FRAME_TOO_LONG]),
        .answers = atomic_load(&frame_guard_answers),
    };
}

static void release_context(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static void release_ssl(SSL **ssl)
{
    SSL_free(*ssl);
}

static void release_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void release_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static void release_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static int connect_one(const struct addrinfo *address)
{
    const struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return -1;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(descriptor, address->ai_addr, address->ai_addrlen) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

/* A wildcard address is one that can be connected to: it leads to this machine. */
static int connect_to(const char *address, int port)
{
    AUTO(address_list_release) struct addrinfo *found = NULL;
    struct address parsed;
    int descriptor = -1;

    if (!address_parse(address, &parsed) || parsed.path != NULL)
        return -1;
    found = address_find(&parsed, port);
    for (const struct addrinfo *one = found; one != NULL && descriptor < 0; one = one->ai_next)
        descriptor = connect_one(one);
    return descriptor;
}

/* NULL when certificate or key cannot be read. */
static SSL_CTX *client_context(struct edge_identity identity)
{
    AUTO(release_bio) BIO *certificate_bio = BIO_new_mem_buf(identity.certificate_pem, -1);
    AUTO(release_bio) BIO *key_bio = BIO_new_mem_buf(identity.key_pem, -1);
    AUTO(release_certificate)
    X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    AUTO(release_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    /* The server is ourselves, and nothing is told to it. */
    if (context != NULL && SSL_CTX_use_certificate(context, certificate) == 1 &&
        SSL_CTX_use_PrivateKey(context, key) == 1 &&
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3) == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

/* Preface and empty SETTINGS; the server greets with its own once the handshake is good. */
static bool is_greeted(SSL *ssl)
{
    static const char greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                   "\0\0\0\4\0\0\0\0\0";
    char answer[256];

    return SSL_connect(ssl) == 1 && SSL_write(ssl, greeting, sizeof greeting - 1) > 0 &&
           SSL_read(ssl, answer, sizeof answer) > 0;
}

/* The header of a DATA frame of 16,385 bytes.  Waits until the server has closed the connection. */
static void break_the_rule(SSL *ssl)
{
    static const char frame[FRAME_HEADER_SIZE] = {0, 0x40, 1, 0, 0, 0, 0, 0, 1};
    char answer[256];

    if (SSL_write(ssl, frame, sizeof frame) <= 0)
        return;
    while (SSL_read(ssl, answer, sizeof answer) > 0)
        continue;
}

/* The server's side is closed a moment after ours saw it. */
static bool is_counted_out(const struct counters *before)
{
    const struct timespec pause = {.tv_nsec = CLOSE_MS * 1000000L};

    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += CLOSE_MS) {
        if (read_counters().left > before->left)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static enum outcome attempt(const char *address, int port, SSL_CTX *context)
{
    struct counters before = read_counters();
    AUTO(release_ssl) SSL *ssl = SSL_new(context);
    AUTO(address_socket_release) int descriptor = connect_to(address, port);

    if (descriptor < 0 || ssl == NULL || SSL_set_fd(ssl, descriptor) != 1)
        return UNREACHABLE;
    if (!is_greeted(ssl))
        return REFUSED;
    break_the_rule(ssl);
    struct counters after = read_counters();
    if (after.admitted == before.admitted)
        return CONNECTIONS_UNGUARDED;
    if (after.cut == before.cut)
        return FRAMES_UNGUARDED;
    if (after.answers == before.answers)
        return ANSWERS_UNWATCHED;
    /* What counters tell should be what others did. */
    atomic_fetch_sub(&frame_guard_refused[FRAME_TOO_LONG], 1);
    return is_counted_out(&before) ? CAUGHT : CONNECTIONS_UNGUARDED;
}

/* Writing to a connection that was closed must not end the process. */
static enum outcome attempt_without_signals(const char *address, int port, SSL_CTX *context)
{
    const struct timespec now = {0};
    sigset_t pipe;
    sigset_t before;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    enum outcome outcome = attempt(address, port, context);
    while (sigtimedwait(&pipe, NULL, &now) > 0)
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return outcome;
}

static uint64_t read_shed(void)
{
    const struct accept_guard *guard = accept_guard_of_process();
    uint64_t shed = 0;

    for (size_t i = 0; i < ACCEPT_CAUSES; i++)
        shed += atomic_load(&guard->shed[i]);
    return shed;
}

static enum outcome attempt_until_let_in(const char *address, int port, SSL_CTX *context)
{
    const struct timespec pause = {.tv_nsec = CROWD_STEP_MS * 1000000L};
    int64_t until_us = clock_monotonic_us(clock_system()) + CROWD_MS * US_PER_MS;

    for (int tries = 1;; tries++) {
        uint64_t shed = read_shed();
        enum outcome outcome = attempt_without_signals(address, port, context);
        bool crowded = read_shed() != shed;
        if (outcome != UNREACHABLE && outcome != REFUSED)
            return outcome;
        if (crowded && clock_monotonic_us(clock_system()) >= until_us)
            return SHED;
        if (!crowded && tries >= ATTEMPTS)
            return outcome;
        if (crowded)
            nanosleep(&pause, NULL);
    }
}

bool edge_self_test(const char *address, int port, struct edge_identity identity,
                    char problem[EDGE_PROBLEM_SIZE])
{
    static const char *const problems[] = {
        [UNREACHABLE] = "nothing answers at the server's own port",
        [REFUSED] = "the server does not take a client certificate of its own device authority",
        [SHED] = "others have taken all the connections that may be open or new",
        [CONNECTIONS_UNGUARDED] = "connections are not guarded: libgrpc does not call our accept4",
        [FRAMES_UNGUARDED] = "frames are not guarded: libgrpc does not call our SSL_read",
        [ANSWERS_UNWATCHED] = "answers are not watched: libgrpc does not call our SSL_write",
    };
    AUTO(release_context) SSL_CTX *context = client_context(identity);

    if (context == NULL)
        bug("edge: the certificate of the self-test cannot be used");
    enum outcome outcome = attempt_until_let_in(address, port, context);
    ERR_clear_error();
    if (outcome == CAUGHT)
        return true;
    snprintf(problem, EDGE_PROBLEM_SIZE, "self-test of the edge: %s", problems[outcome]);
    return false;
}
