/*
 * What names a caller: SPIFFE ids, certificates, certificate signing requests.  The first byte
 * chooses which of them the rest is.
 */
#include "base/text.h"
#include "base/time.h"
#include "crypto/x509.h"
#include "crypto/x509_peer.h"
#include "fuzz/context.h"
#include "fuzz/fuzz.h"
#include "rpc/internal.h"

#define NOW_US (1768471200 * US_PER_SECOND)

static const char *pem(struct arena *arena, const char *label, const uint8_t *data, size_t size)
{
    return arena_printf(arena, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label,
                        base64_encode(arena, data, size), label);
}

static void try_spiffe(const char *uri)
{
    enum caller_kind kind;
    const char *name;

    if (!spiffe_parse(uri, "dues.local", &kind, &name))
        return;
    if (!text_starts_with(uri, "spiffe://dues.local/") || name[0] == '\0' || strlen(name) > 63 ||
        strchr(name, '/') != NULL || !text_is_utf8(uri, strlen(uri)))
        bug("'%s' is taken for an identity", uri);
}

/* Nobody is trusted, so nobody may be found fit. */
static void try_certificate(struct arena *arena, const char *leaf, const char *chain)
{
    static struct x509_anchors *nobody;
    struct x509_judgement judgement;
    struct certificate certificate;

    if (nobody == NULL)
        nobody = x509_anchors_new("", "");
    if (nobody != NULL) {
        x509_judge(nobody, leaf, chain, NOW_US, &judgement);
        if (judgement.fault == X509_FIT)
            bug("a certificate of nobody is fit");
    }
    if (x509_read(arena, leaf, &certificate) && certificate.spiffe_id == NULL)
        bug("a certificate without even an empty identity");
}

static void try_request(const char *text)
{
    char problem[128] = "";
    struct ec_key *key = csr_read(text, problem);

    if (key == NULL && problem[0] == '\0')
        bug("a request is refused without a word");
    ec_key_free(key);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    struct arena *arena = fuzz_arena();

    if (size == 0)
        return 0;
    const char *text = arena_strndup(arena, (const char *)data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        try_spiffe(text);
        break;
    case 1:
        try_certificate(arena, text, text);
        break;
    case 2:
        try_certificate(arena, pem(arena, "CERTIFICATE", data + 1, size - 1), "");
        break;
    case 3:
        try_request(text);
        break;
    default:
        try_request(pem(arena, "CERTIFICATE REQUEST", data + 1, size - 1));
        break;
    }
    return 0;
}
