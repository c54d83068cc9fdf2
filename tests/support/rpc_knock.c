/*
 * Enough TLS and HTTP/2 for one call.
 */
#include "support/rpc_knock.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bug.h"

#define ANSWER_SECONDS    10
#define ANSWER_SIZE_MAX   65536
#define FRAME_HEADER_SIZE 9

enum { FRAME_DATA, FRAME_HEADERS, FRAME_SETTINGS = 4 };

static int no_password(char *buffer, int size, int writing, void *argument)
{
    (void)buffer, (void)size, (void)writing, (void)argument;
    return -1;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file == NULL ? NULL : PEM_read_PrivateKey(file, NULL, no_password, NULL);

    if (key == NULL)
        bug("knock: no key in %s", path);
    fclose(file);
    return key;
}

/* The leaf's public half and another key's private one, as a forger has it. */
static EVP_PKEY *disguise(EVP_PKEY *key, X509 *leaf)
{
    unsigned char point[256];
    size_t size = 0;
    BIGNUM *secret = NULL;
    EVP_PKEY *disguised = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

    if (EVP_PKEY_get_octet_string_param(X509_get0_pubkey(leaf), OSSL_PKEY_PARAM_PUB_KEY, point,
                                        sizeof point, &size) != 1 ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret) != 1)
        bug("knock: only EC keys are disguised");
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, size);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret);
    OSSL_PARAM *parts = OSSL_PARAM_BLD_to_param(builder);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &disguised, EVP_PKEY_KEYPAIR, parts) != 1)
        bug("knock: could not disguise a key");
    OSSL_PARAM_free(parts);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_free(secret);
    EVP_PKEY_free(key);
    return disguised;
}

/* What OpenSSL will not even send is not sent, and the server sees no certificate. */
static void use_certificate(SSL_CTX *context, const struct rpc_knock *knock)
{
    if (SSL_CTX_use_certificate_chain_file(context, knock->chain_path) != 1) {
        ERR_clear_error();
        return;
    }
    EVP_PKEY *key = read_key(knock->key_path);
    if (SSL_CTX_use_PrivateKey(context, key) != 1 && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        key = disguise(key, SSL_CTX_get0_certificate(context));
        SSL_CTX_use_PrivateKey(context, key);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
}

static SSL_CTX *make_context(const struct rpc_knock *knock)
{
    static const unsigned char protocols[] = {2, 'h', '2'};
    int version = knock->tls == RPC_KNOCK_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols);
    if (knock->chain_path != NULL)
        use_certificate(context, knock);
    return context;
}

static int connect_to(int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0)
        bug("knock: nobody listens on port %d", port);
    return descriptor;
}

static size_t put_frame(unsigned char *at, int type, int flags, int stream, const void *payload,
                        size_t size)
{
    const unsigned char header[FRAME_HEADER_SIZE] = {
        (unsigned char)(size >> 16),
        (unsigned char)(size >> 8),
        (unsigned char)size,
        (unsigned char)type,
        (unsigned char)flags,
        0,
        0,
        (unsigned char)(stream >> 8),
        (unsigned char)stream,
    };

    memcpy(at, header, sizeof header);
    memcpy(at + sizeof header, payload, size);
    return sizeof header + size;
}

/* Literal, never indexed, not Huffman: RFC 7541 6.2.3. */
static size_t put_header(unsigned char *at, const char *name, const char *value)
{
    size_t name_size = strlen(name);
    size_t value_size = strlen(value);

    at[0] = 0x10;
    at[1] = (unsigned char)name_size;
    memcpy(at + 2, name, name_size);
    at[2 + name_size] = (unsigned char)value_size;
    memcpy(at + 3 + name_size, value, value_size);
    return 3 + name_size + value_size;
}

static size_t write_call(unsigned char *out, const char *method)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const unsigned char take_binary[] = {0xfe, 0x03, 0, 0, 0, 1}; /* gRPC: -bin as it is */
    static const unsigned char no_message[5];
    const char *const headers[][2] = {
        {":method", "POST"},    {":scheme", "https"}, {":path", method},
        {":authority", "dues"}, {"te", "trailers"},   {"content-type", "application/grpc"},
    };
    unsigned char block[512];
    size_t block_size = 0;

    memcpy(out, preface, sizeof preface - 1);
    size_t size = sizeof preface - 1;
    size += put_frame(out + size, FRAME_SETTINGS, 0, 0, take_binary, sizeof take_binary);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        block_size += put_header(block + block_size, headers[i][0], headers[i][1]);
    size += put_frame(out + size, FRAME_HEADERS, 4, 1, block, block_size);
    size += put_frame(out + size, FRAME_DATA, 1, 1, no_message, sizeof no_message);
    return size;
}

/* The status when the trailers are there. */
static int find_status(const unsigned char *bytes, size_t size)
{
    static const char name[] = "grpc-status";
    const unsigned char *at = memmem(bytes, size, name, sizeof name - 1);

    if (at == NULL || (size_t)(at - bytes) + sizeof name + 1 > size)
        return RPC_KNOCK_NOTHING;
    at += sizeof name - 1;
    int digits = *at++;
    int status = 0;
    for (int i = 0; i < digits && i < 2; i++)
        status = 10 * status + at[i] - '0';
    return status;
}

static bool ends_stream(const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at + FRAME_HEADER_SIZE <= size;) {
        size_t length = (size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2];
        if (bytes[at + 3] == FRAME_HEADERS && (bytes[at + 4] & 1) != 0)
            return at + FRAME_HEADER_SIZE + length <= size;
        at += FRAME_HEADER_SIZE + length;
    }
    return false;
}

static int talk(SSL *ssl, const struct rpc_knock *knock, const char *reason, bool *has_reason)
{
    static unsigned char answer[ANSWER_SIZE_MAX];
    unsigned char call[1024];
    size_t size = 0;
    int status = RPC_KNOCK_REFUSED;

    /* With TLS 1.3 this may work although the server has refused us: it says so when we read. */
    if (SSL_connect(ssl) == 1)
        SSL_write(ssl, call, (int)write_call(call, knock->method));
    while (size < sizeof answer && !ends_stream(answer, size)) {
        int got = SSL_read(ssl, answer + size, (int)(sizeof answer - size));
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    ERR_clear_error();
    if (size > 0)
        status = find_status(answer, size);
    *has_reason = memmem(answer, size, reason, strlen(reason)) != NULL;
    return status;
}

void rpc_knock_session_release(struct rpc_knock_session *session)
{
    SSL_SESSION_free(session->ticket);
    session->ticket = NULL;
}

/* With TLS 1.3 the ticket has come with the first bytes that were read. */
static void keep_session(struct rpc_knock_session *session, SSL *ssl)
{
    session->was_resumed = SSL_session_reused(ssl) == 1;
    rpc_knock_session_release(session);
    session->ticket = SSL_get1_session(ssl);
}

int rpc_knock(const struct rpc_knock *knock, const char *reason, bool *has_reason)
{
    signal(SIGPIPE, SIG_IGN); /* the server may hang up while we write */
    SSL_CTX *context = make_context(knock);
    SSL *ssl = SSL_new(context);
    int descriptor = connect_to(knock->port);

    SSL_set_fd(ssl, descriptor);
    if (knock->session != NULL && knock->session->ticket != NULL)
        SSL_set_session(ssl, knock->session->ticket);
    int status = talk(ssl, knock, reason, has_reason);
    if (knock->session != NULL)
        keep_session(knock->session, ssl);
    /* Else OpenSSL takes the session for a broken one. */
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(descriptor);
    return status;
}
