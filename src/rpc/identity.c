/*
 * Who calls: the one SPIFFE id in the certificate that TLS has verified.
 *
 * Nothing else says who a caller is: no common name (gRPC falls back to it when there is no SAN),
 * no metadata.  gRPC sets peer_spiffe_id only when the certificate has exactly one URI SAN.
 */

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "base/settings.h"
#include "base/text.h"
#include "crypto/secrets.h"
#include "rpc/internal.h"

#define NAME_LENGTH_MAX      63
#define URI_SIZE_MAX         512
#define CERTIFICATE_SIZE_MAX 16384

static const struct {
    const char *prefix;
    enum caller_kind kind;
} kinds[] = {
    {"service/", CALLER_SERVICE},
    {"operator/", CALLER_OPERATOR},
    {"app/", CALLER_APP},
    {"device/", CALLER_DEVICE},
};

static bool is_name(const char *name)
{
    size_t length =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return length >= 1 && length <= NAME_LENGTH_MAX && name[length] == '\0' && name[0] != '.';
}

bool spiffe_parse(const char *uri, const char *trust_domain, enum caller_kind *kind,
                  const char **name)
{
    static const char scheme[] = "spiffe://";
    size_t domain_length = strlen(trust_domain);

    if (!text_starts_with(uri, scheme))
        return false;
    uri += sizeof scheme - 1;
    if (!text_starts_with(uri, trust_domain) || uri[domain_length] != '/')
        return false;
    uri += domain_length + 1;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (!text_starts_with(uri, kinds[i].prefix))
            continue;
        *kind = kinds[i].kind;
        *name = uri + strlen(kinds[i].prefix);
        return is_name(*name);
    }
    return false;
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    return found == NULL ? -1 : (int)(found - digits);
}

bool certificate_hash(struct arena *arena, const char *pem, size_t size,
                      uint8_t hash[CERTIFICATE_HASH_SIZE])
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *text = arena_strndup(arena, pem, size);
    const char *at = strstr(text, begin);

    if (at == NULL || strstr(at, "-----END CERTIFICATE-----") == NULL)
        return false;
    uint8_t *der = arena_alloc(arena, size);
    size_t der_size = 0;
    uint32_t bits = 0;
    int bit_count = 0;
    for (at += sizeof begin - 1; *at != '-' && *at != '='; at++) {
        if (*at == '\n' || *at == '\r')
            continue;
        int value = base64_value(*at);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            der[der_size++] = (uint8_t)(bits >> bit_count);
        }
    }
    if (der_size == 0)
        return false;
    sha256(der, der_size, hash);
    return true;
}

/* The value when the property is there exactly once. */
static const grpc_auth_property *only_property(const grpc_auth_context *context, const char *name)
{
    grpc_auth_property_iterator iterator = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property *property = grpc_auth_property_iterator_next(&iterator);

    return grpc_auth_property_iterator_next(&iterator) == NULL ? property : NULL;
}

static bool is_tls(const grpc_auth_context *context)
{
    const grpc_auth_property *type =
        only_property(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);

    return type != NULL && (text_equal(type->value, GRPC_SSL_TRANSPORT_SECURITY_TYPE) ||
                            text_equal(type->value, GRPC_TLS_TRANSPORT_SECURITY_TYPE));
}

static void release_context(grpc_auth_context **context)
{
    grpc_auth_context_release(*context);
}

static bool read_identity(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    AUTO(release_context) grpc_auth_context *context = grpc_call_auth_context(rpc->handle);

    if (context == NULL || !is_tls(context) || !grpc_auth_context_peer_is_authenticated(context))
        return false;
    const grpc_auth_property *uri = only_property(context, GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
    const grpc_auth_property *pem = only_property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
    if (uri == NULL || uri->value_length > URI_SIZE_MAX ||
        memchr(uri->value, '\0', uri->value_length) != NULL)
        return false;
    call->caller.spiffe_id = arena_strndup(call->arena, uri->value, uri->value_length);
    if (pem == NULL || pem->value_length > CERTIFICATE_SIZE_MAX)
        return false;
    return spiffe_parse(call->caller.spiffe_id, call->house->settings->trust_domain,
                        &call->caller.kind, &call->caller.name) &&
           certificate_hash(call->arena, pem->value, pem->value_length,
                            call->caller.certificate_hash);
}

const struct error *rpc_identify(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    char *peer = grpc_call_get_peer(rpc->handle);

    call->caller.peer = arena_strdup(call->arena, peer);
    gpr_free(peer);
    if (read_identity(rpc))
        return NULL;
    return refuse(call, STATUS_UNAUTHENTICATED, "CERTIFICATE_IDENTITY_INVALID",
                  "client certificate must carry exactly one URI, "
                  "spiffe://%s/{service,app,device,operator}/<name>",
                  call->house->settings->trust_domain);
}
