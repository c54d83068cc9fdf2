/*
 * OpenSSL on blocking sockets.  Whoever closes the server shuts its sockets down first, so no
 * thread outlives it.
 */
#include "support/https_server.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/x509.h"

#define CONNECTIONS_MAX   256
#define REQUEST_SIZE_MAX  (256 * 1024)
#define AUTHORITY_SUBJECT "test authority"

struct connection {
    struct https_server *server;
    pthread_t thread;
    int socket;
    int number;
    char *bytes;
    size_t size;
};

struct https_server {
    struct https_options options;
    SSL_CTX *context;
    char directory[64];
    char ca_file[80];
    int listener;
    int port;
    pthread_t thread;
    atomic_bool closing;
    atomic_int connection_count;
    atomic_int request_count;
    atomic_long byte_count;
    pthread_mutex_t mutex; /* of the handler, and of the sockets */
    struct connection connections[CONNECTIONS_MAX];
};

static void must(bool worked, const char *what)
{
    if (!worked)
        bug("https server of the tests: %s", what);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    must(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

static void make_identity(struct https_server *server)
{
    enum https_certificate kind = server->options.certificate;
    AUTO(arena_auto_free) struct arena *arena = arena_new(256 * 1024);
    AUTO(ec_key_auto_free) struct ec_key *authority_key = ec_key_make();
    AUTO(ec_key_auto_free) struct ec_key *other_key = ec_key_make();
    AUTO(ec_key_auto_free) struct ec_key *owner = ec_key_make();
    int64_t now_us = clock_wall_us(clock_system());
    int64_t begin_us = now_us - US_PER_DAY;
    int64_t end_us = now_us + US_PER_DAY;
    const struct ec_key *ca_key = kind == HTTPS_UNKNOWN_AUTHORITY ? other_key : authority_key;
    const struct certificate_wish wish = {
        .use = CERTIFICATE_SERVER,
        .common_name = "localhost",
        .dns_name = kind == HTTPS_OTHER_NAME ? "elsewhere.example" : "localhost",
        .ip_address = kind == HTTPS_OTHER_NAME ? NULL : "127.0.0.1",
        .not_before_us = begin_us,
        .not_after_us = kind == HTTPS_EXPIRED ? now_us - US_PER_HOUR : end_us,
    };
    const char *known =
        x509_make_ca(arena, random_system(), authority_key, AUTHORITY_SUBJECT, begin_us, end_us);
    const char *signer =
        x509_make_ca(arena, random_system(), ca_key, AUTHORITY_SUBJECT, begin_us, end_us);
    char path[96];

    write_file(server->ca_file, known);
    snprintf(path, sizeof path, "%s/server.pem", server->directory);
    write_file(path, x509_issue(arena, random_system(), signer, ca_key, owner, &wish));
    must(SSL_CTX_use_certificate_chain_file(server->context, path) == 1, "certificate");
    unlink(path);
    snprintf(path, sizeof path, "%s/server.key", server->directory);
    write_file(path, ec_key_to_pem(arena, owner));
    must(SSL_CTX_use_PrivateKey_file(server->context, path, SSL_FILETYPE_PEM) == 1, "key");
    unlink(path);
}

/* The rest of the connection is lost, and so is what was not yet read. */
static void reset(int socket)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Until the other side goes, or the server closes. */
static void hang(int socket)
{
    char bytes[512];

    while (recv(socket, bytes, sizeof bytes, 0) > 0)
        continue;
}

static size_t body_size_of(const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");

    return field == NULL ? 0 : (size_t)strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
}

/* Reads until one request is whole.  NULL: none came; else where its body begins. */
static char *read_request(struct connection *connection, SSL *ssl)
{
    for (;;) {
        char *end = strstr(connection->bytes, "\r\n\r\n");
        if (end != NULL) {
            char kept = end[2];
            end[2] = '\0';
            size_t body_size = body_size_of(connection->bytes);
            end[2] = kept;
            if (connection->size >= (size_t)(end + 4 - connection->bytes) + body_size)
                return end + 4;
        }
        must(connection->size < REQUEST_SIZE_MAX - 1, "a request too large");
        int got = SSL_read(ssl, connection->bytes + connection->size,
                           (int)(REQUEST_SIZE_MAX - 1 - connection->size));
        if (got <= 0)
            return NULL;
        connection->size += (size_t)got;
        connection->bytes[connection->size] = '\0';
        atomic_fetch_add(&connection->server->byte_count, got);
    }
}

static bool write_answer(SSL *ssl, const struct https_act *act)
{
    if (act->delay_us > 0)
        usleep((useconds_t)act->delay_us);
    if (act->pause_us == 0)
        return act->size == 0 || SSL_write(ssl, act->answer, (int)act->size) == (int)act->size;
    for (size_t i = 0; i < act->size; i++) {
        usleep((useconds_t)act->pause_us);
        if (SSL_write(ssl, act->answer + i, 1) != 1)
            return false;
    }
    return true;
}

static void ask_handler(struct connection *connection, char *body, struct https_act *act)
{
    struct https_server *server = connection->server;
    static _Thread_local char head[REQUEST_SIZE_MAX];
    static _Thread_local char text[REQUEST_SIZE_MAX];
    char method[16] = "";
    char target[2048] = "";
    size_t head_size = (size_t)(body - connection->bytes);

    memcpy(head, connection->bytes, head_size);
    head[head_size] = '\0';
    size_t body_size = body_size_of(head);
    memcpy(text, body, body_size);
    text[body_size] = '\0';
    must(sscanf(head, "%15s %2047s", method, target) == 2, "a request line");
    const struct https_seen seen = {
        .connection = connection->number,
        .request = atomic_fetch_add(&server->request_count, 1) + 1,
        .method = method,
        .target = target,
        .head = head,
        .body = text,
        .body_size = body_size,
    };
    pthread_mutex_lock(&server->mutex);
    server->options.handle(server->options.owner, &seen, act);
    pthread_mutex_unlock(&server->mutex);
    connection->size -= head_size + body_size;
    memmove(connection->bytes, body + body_size, connection->size + 1);
}

static void end(struct connection *connection, SSL *ssl, enum https_end how)
{
    switch (how) {
    case HTTPS_KEEP:
    case HTTPS_CLOSE:
        SSL_shutdown(ssl);
        return;
    case HTTPS_CUT:
        return;
    case HTTPS_RESET:
        reset(connection->socket);
        return;
    case HTTPS_HANG:
        hang(connection->socket);
        return;
    }
}

static void serve(struct connection *connection, SSL *ssl)
{
    struct https_act *act = calloc(1, sizeof *act);
    char *body;

    must(act != NULL, "memory");
    do {
        memset(act, 0, sizeof *act);
        body = read_request(connection, ssl);
        if (body == NULL)
            break;
        ask_handler(connection, body, act);
    } while (write_answer(ssl, act) && act->end == HTTPS_KEEP);
    end(connection, ssl, act->end);
    free(act);
}

static void speak(struct connection *connection)
{
    static const char clear[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    switch (connection->server->options.handshake) {
    case HTTPS_RESETS_HELLO:
        reset(connection->socket);
        return;
    case HTTPS_IGNORES_HELLO:
        hang(connection->socket);
        return;
    case HTTPS_SPEAKS_CLEAR_TEXT:
        if (send(connection->socket, clear, sizeof clear - 1, MSG_NOSIGNAL) > 0)
            hang(connection->socket);
        return;
    case HTTPS_GREETS:
    case HTTPS_SPEAKS_TLS_1_1:
        break;
    }
    SSL *ssl = SSL_new(connection->server->context);
    must(ssl != NULL && SSL_set_fd(ssl, connection->socket) == 1, "session");
    if (SSL_accept(ssl) == 1)
        serve(connection, ssl);
    SSL_free(ssl);
}

static void *run_connection(void *argument)
{
    struct connection *connection = argument;

    connection->bytes = calloc(1, REQUEST_SIZE_MAX);
    must(connection->bytes != NULL, "memory");
    speak(connection);
    free(connection->bytes);
    pthread_mutex_lock(&connection->server->mutex);
    close(connection->socket);
    connection->socket = -1;
    pthread_mutex_unlock(&connection->server->mutex);
    return NULL;
}

static void *run_listener(void *argument)
{
    struct https_server *server = argument;

    for (;;) {
        int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket < 0)
            return NULL;
        int index = server->connection_count;
        must(index < CONNECTIONS_MAX, "too many connections");
        struct connection *connection = &server->connections[index];
        *connection = (struct connection){.server = server, .socket = socket, .number = index + 1};
        must(pthread_create(&connection->thread, NULL, run_connection, connection) == 0, "thread");
        atomic_store(&server->connection_count, index + 1);
    }
}

static void listen_on_loopback(struct https_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(server->listener >= 0 &&
             bind(server->listener, (struct sockaddr *)(void *)&address, sizeof address) == 0 &&
             listen(server->listener, 64) == 0 &&
             getsockname(server->listener, (struct sockaddr *)(void *)&address, &size) == 0,
         "listen");
    server->port = ntohs(address.sin_port);
}

struct https_server *https_server_open(const struct https_options *options)
{
    struct https_server *server = calloc(1, sizeof *server);

    must(server != NULL, "memory");
    signal(SIGPIPE, SIG_IGN);
    server->options = *options;
    pthread_mutex_init(&server->mutex, NULL);
    snprintf(server->directory, sizeof server->directory, "/tmp/dues-https-XXXXXX");
    must(mkdtemp(server->directory) != NULL, "directory");
    snprintf(server->ca_file, sizeof server->ca_file, "%s/ca.pem", server->directory);
    server->context = SSL_CTX_new(TLS_server_method());
    must(server->context != NULL, "context");
    if (options->handshake == HTTPS_SPEAKS_TLS_1_1) {
        SSL_CTX_set_security_level(server->context, 0);
        SSL_CTX_set_max_proto_version(server->context, TLS1_1_VERSION);
    }
    make_identity(server);
    listen_on_loopback(server);
    must(pthread_create(&server->thread, NULL, run_listener, server) == 0, "thread");
    return server;
}

void https_server_close(struct https_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->closing, true);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (int i = 0; i < server->connection_count; i++) {
        pthread_mutex_lock(&server->mutex);
        if (server->connections[i].socket >= 0)
            shutdown(server->connections[i].socket, SHUT_RDWR);
        pthread_mutex_unlock(&server->mutex);
        pthread_join(server->connections[i].thread, NULL);
    }
    SSL_CTX_free(server->context);
    unlink(server->ca_file);
    rmdir(server->directory);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

int https_server_port(const struct https_server *server)
{
    return server->port;
}

const char *https_server_ca_file(const struct https_server *server)
{
    return server->ca_file;
}

int https_server_connections(const struct https_server *server)
{
    return server->connection_count;
}

int https_server_requests(const struct https_server *server)
{
    return server->request_count;
}

long https_server_bytes(const struct https_server *server)
{
    return server->byte_count;
}

void https_answer(struct https_act *act, int status, const char *headers, const char *body)
{
    int size = snprintf(act->answer, sizeof act->answer,
                        "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                        strlen(body), headers, body);

    must(size > 0 && (size_t)size < sizeof act->answer, "an answer too large");
    act->size = (size_t)size;
}
