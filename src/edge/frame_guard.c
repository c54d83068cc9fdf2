/*
 * SSL_read, SSL_read_ex and SSL_write of this process (libgrpc 1.51.1 calls the first and the
 * last), exported from the executable.  libpq and libcurl share the symbols: their sessions are
 * clients' and pass untouched.
 *
 * State hangs on the SSL object and is freed with it.  gRPC uses a session on one thread at a time,
 * but not always on the same.
 */

#include "edge/frame_guard.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "base/bug.h"
#include "edge/interpose.h"
#include "edge/reset_watch.h"

/* As OpenSSL declares them, but for their names in C. */
int interposed_ssl_read(SSL *ssl, void *buffer, int size) __asm__("SSL_read");
int interposed_ssl_read_ex(SSL *ssl, void *buffer, size_t size, size_t *got) __asm__("SSL_read_ex");
int interposed_ssl_write(SSL *ssl, const void *buffer, int size) __asm__("SSL_write");

typedef int ssl_read_function(SSL *ssl, void *buffer, int size);
typedef int ssl_read_ex_function(SSL *ssl, void *buffer, size_t size, size_t *got);
typedef int ssl_write_function(SSL *ssl, const void *buffer, int size);

struct session {
    atomic_uint uses;           /* hands the rest from the thread of one use to that of the next */
    enum frame_verdict verdict; /* not FRAME_FINE: it was cut */
    struct frame_limits limits;
    struct frame_parser parser;
    struct reset_watch watch;
};

atomic_uint_least64_t frame_guard_refused[FRAME_VERDICTS];
atomic_uint_least64_t frame_guard_answers;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int session_index = -1;
static atomic_uint open_count;
static struct frame_limits current_limits; /* under the mutex, as the next */

static ssl_read_function *real_ssl_read;
static ssl_read_ex_function *real_ssl_read_ex;
static ssl_write_function *real_ssl_write;

static void free_session(void *parent, void *session, CRYPTO_EX_DATA *data, int index, long number,
                         void *argument)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)argument;
    OPENSSL_free(session);
}

/* The machine's: sessions outlive the server, and what it was given. */
static int64_t machine_now_us(void)
{
    return clock_monotonic_us(clock_system());
}

static void prepare(void)
{
    void *found = interpose_next("SSL_read");
    memcpy(&real_ssl_read, &found, sizeof real_ssl_read);
    found = interpose_next("SSL_read_ex");
    memcpy(&real_ssl_read_ex, &found, sizeof real_ssl_read_ex);
    found = interpose_next("SSL_write");
    memcpy(&real_ssl_write, &found, sizeof real_ssl_write);
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_session);
    if (session_index < 0)
        bug("edge: no room in OpenSSL's sessions");
}

void frame_guard_open(const struct frame_limits *limits)
{
    pthread_mutex_lock(&mutex);
    current_limits = *limits;
    pthread_mutex_unlock(&mutex);
    atomic_fetch_add(&open_count, 1);
}

void frame_guard_close(void)
{
    atomic_fetch_sub(&open_count, 1);
}

static struct session *begin_session(SSL *ssl)
{
    struct session *session = OPENSSL_zalloc(sizeof *session);

    if (session == NULL || SSL_set_ex_data(ssl, session_index, session) != 1)
        bug("edge: out of memory");
    pthread_mutex_lock(&mutex);
    session->limits = current_limits;
    pthread_mutex_unlock(&mutex);
    return session;
}

/* NULL: not guarded. */
static struct session *session_of(SSL *ssl)
{
    pthread_once(&once, prepare);
    if (SSL_is_server(ssl) != 1)
        return NULL;
    struct session *session = SSL_get_ex_data(ssl, session_index);
    if (session == NULL && atomic_load_explicit(&open_count, memory_order_relaxed) > 0)
        session = begin_session(ssl);
    return session;
}

/* What SSL_get_error takes for the end of the session. */
static void raise_error(const struct session *session)
{
    ERR_clear_error();
    ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "frames refused: %s",
                   frame_verdict_name(session->verdict));
}

/* Takes the state over from the thread that used it before.  True: the session was cut. */
static bool begin_read(const struct session *session)
{
    if (session == NULL)
        return false;
    (void)atomic_load_explicit(&session->uses, memory_order_acquire);
    if (session->verdict == FRAME_FINE)
        return false;
    raise_error(session);
    return true;
}

/* Hands it to the thread that uses it next.  True: the session is cut now. */
static bool end_read(struct session *session, const uint8_t *bytes, size_t size)
{
    if (session == NULL)
        return false;
    if (size > 0)
        session->verdict =
            frame_parser_feed(&session->parser, &session->limits, bytes, size, machine_now_us());
    bool cut = session->verdict != FRAME_FINE;
    if (cut) {
        atomic_fetch_add(&frame_guard_refused[session->verdict], 1);
        raise_error(session);
    }
    atomic_fetch_add_explicit(&session->uses, 1, memory_order_release);
    return cut;
}

int interposed_ssl_read(SSL *ssl, void *buffer, int size)
{
    struct session *session = session_of(ssl);

    if (begin_read(session))
        return -1;
    int got = real_ssl_read(ssl, buffer, size);
    return end_read(session, buffer, got > 0 ? (size_t)got : 0) ? -1 : got;
}

int interposed_ssl_read_ex(SSL *ssl, void *buffer, size_t size, size_t *got)
{
    struct session *session = session_of(ssl);

    if (begin_read(session))
        return 0;
    int worked = real_ssl_read_ex(ssl, buffer, size, got);
    return end_read(session, buffer, worked == 1 ? *got : 0) ? 0 : worked;
}

/* A session that is cut by what its client made the server send ends with the next read. */
static void end_write(struct session *session, const uint8_t *bytes, size_t size)
{
    atomic_fetch_add_explicit(&frame_guard_answers, 1, memory_order_relaxed);
    (void)atomic_load_explicit(&session->uses, memory_order_acquire);
    int64_t resets = reset_watch_feed(&session->watch, bytes, size);
    int64_t now_us = resets > 0 ? machine_now_us() : 0; /* only buckets ask */
    if (session->verdict == FRAME_FINE) {
        session->verdict =
            frame_parser_answered(&session->parser, &session->limits, resets, now_us);
        if (session->verdict != FRAME_FINE)
            atomic_fetch_add(&frame_guard_refused[session->verdict], 1);
    }
    atomic_fetch_add_explicit(&session->uses, 1, memory_order_release);
}

int interposed_ssl_write(SSL *ssl, const void *buffer, int size)
{
    struct session *session = session_of(ssl);
    int sent = real_ssl_write(ssl, buffer, size);

    if (session != NULL && sent > 0)
        end_write(session, buffer, (size_t)sent);
    return sent;
}
