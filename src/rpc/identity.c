/*
 * Who calls: the one SPIFFE id in the certificate that TLS has verified.
 *
 * Nothing else says who a caller is: no common name (gRPC falls back to it when there is no SAN),
 * no metadata.  Of what gRPC knows of the connection only the certificates themselves are used.
 */

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "base/settings.h"
#include "base/text.h"
#include "rpc/internal.h"
#include "rpc/peer.h"

#define NAME_LENGTH_MAX 63

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

static void release_context(grpc_auth_context **context)
{
    grpc_auth_context_release(*context);
}

static bool is_tls(const grpc_auth_property *type)
{
    return text_equal(type->value, GRPC_SSL_TRANSPORT_SECURITY_TYPE) ||
           text_equal(type->value, GRPC_TLS_TRANSPORT_SECURITY_TYPE);
}

/* One walk over the dozen properties, for every call.  False: not a connection with a certificate.
 */
static bool find_evidence(const grpc_auth_context *context, struct peer_evidence *evidence)
{
    grpc_auth_property_iterator iterator = grpc_auth_context_property_iterator(context);
    const grpc_auth_property *property;
    int leafs = 0;
    int types = 0;

    *evidence = (struct peer_evidence){.chain = ""};
    while ((property = grpc_auth_property_iterator_next(&iterator)) != NULL) {
        if (text_equal(property->name, GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
            evidence->leaf = property->value;
            evidence->leaf_size = property->value_length;
            leafs++;
        } else if (text_equal(property->name, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME)) {
            evidence->chain = property->value;
            evidence->chain_size = property->value_length;
        } else if (text_equal(property->name, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME)) {
            types += is_tls(property) ? 1 : 2;
        }
    }
    return leafs == 1 && types == 1;
}

static enum peer_verdict look(struct rpc_call *rpc, int64_t now_us, struct arena *arena,
                              struct caller *caller, const char **rule)
{
    AUTO(release_context) grpc_auth_context *context = grpc_call_auth_context(rpc->handle);
    struct peer_evidence evidence;

    *rule = "there is none";
    if (context == NULL || !grpc_auth_context_peer_is_authenticated(context) ||
        !find_evidence(context, &evidence))
        return PEER_NAMELESS;
    enum peer_verdict verdict =
        peers_look(rpc->server->peers, &evidence, now_us, arena, caller, rule);
    /* As at the door: who has no name of ours is told so, again and again. */
    if (verdict != PEER_GOOD && verdict != PEER_NAMELESS)
        rpc->is_last_of_connection = true;
    return verdict;
}

static const struct error *refuse_peer(struct call *call, enum peer_verdict verdict,
                                       const char *rule)
{
    switch (verdict) {
    case PEER_GOOD:
        return NULL;
    case PEER_NAMELESS:
        return refuse(call, STATUS_UNAUTHENTICATED, "CERTIFICATE_IDENTITY_INVALID",
                      "client certificate must carry exactly one URI, "
                      "spiffe://%s/{service,app,device,operator}/<name>",
                      call->house->settings->trust_domain);
    case PEER_REFUSED:
        return refuse(call, STATUS_UNAUTHENTICATED, "CERTIFICATE_NOT_ACCEPTED",
                      "client certificate is not accepted: %s", rule);
    case PEER_UNTIMELY:
        return refuse(call, STATUS_UNAUTHENTICATED, "CERTIFICATE_EXPIRED",
                      "client certificate is not accepted: %s", rule);
    case PEER_REVOKED:
        return refuse(call, STATUS_UNAUTHENTICATED, "CERTIFICATE_REVOKED",
                      "client certificate is not accepted: %s", rule);
    }
    return refuse(call, STATUS_INTERNAL, "INTERNAL", "internal error");
}

const struct error *rpc_identify(struct rpc_call *rpc)
{
    struct call *call = &rpc->call;
    const char *rule;
    enum peer_verdict verdict = look(rpc, call->now_us, call->arena, &call->caller, &rule);

    return verdict == PEER_GOOD ? NULL : refuse_peer(call, verdict, rule);
}

const struct error *rpc_identify_again(struct rpc_call *rpc)
{
    const char *rule;
    enum peer_verdict verdict = look(rpc, clock_wall_us(rpc->call.house->clock), NULL, NULL, &rule);

    return verdict == PEER_GOOD ? NULL : refuse_peer(&rpc->call, verdict, rule);
}

const char *rpc_peer_address(struct rpc_call *rpc)
{
    if (rpc->call.caller.peer == NULL) {
        char *peer = grpc_call_get_peer(rpc->handle);
        rpc->call.caller.peer = arena_strdup(rpc->call.arena, peer);
        gpr_free(peer);
    }
    return rpc->call.caller.peer;
}
