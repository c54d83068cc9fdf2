/*
 * The judgement over a client's certificate.  OpenSSL builds and verifies the path; what it would
 * let pass is asked of each certificate on it.
 */

#include "crypto/x509_peer.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/attributes.h"
#include "base/time.h"
#include "crypto/must.h"
#include "crypto/openssl.h"

#define SERIAL_SIZE_MAX 20
#define RSA_BITS_MIN    2048
#define RSA_BITS_MAX    8192 /* verifying gets slower with every bit, and the peer chooses them */
/* 112 bits: keys and digests below that are refused by OpenSSL too. */
#define AUTH_LEVEL 2

struct x509_anchors {
    X509_STORE *store;
    bool has_device_ca;
    uint8_t device_key[SHA256_SIZE];
};

static void release_names(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

static void release_certificates(STACK_OF(X509) * *certificates)
{
    sk_X509_pop_free(*certificates, X509_free);
}

static void release_context(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

/* Of the key as it stands in the certificate. */
static void hash_key(X509 *certificate, uint8_t hash[SHA256_SIZE])
{
    uint8_t *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);

    crypto_must(size > 0, "key of a certificate");
    sha256(spki, (size_t)size, hash);
    OPENSSL_free(spki);
}

/* To the end of the text; NULL when something there is no certificate. */
static STACK_OF(X509) * read_certificates(const char *pem)
{
    AUTO(release_bio) BIO *bio = bio_read(pem);
    STACK_OF(X509) *certificates = sk_X509_new_null();

    crypto_must(certificates != NULL, "list of certificates");
    for (;;) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (certificate == NULL)
            break;
        crypto_must(sk_X509_push(certificates, certificate) > 0, "list of certificates");
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error(); /* the thread also serves TLS, which looks at its queue of errors */
    if (at_end)
        return certificates;
    sk_X509_pop_free(certificates, X509_free);
    return NULL;
}

static bool trust_all(X509_STORE *store, const char *pem)
{
    AUTO(release_certificates) STACK_OF(X509) *certificates = read_certificates(pem);

    for (int i = 0; i < sk_X509_num(certificates); i++) /* -1 of NULL */
        crypto_must(X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1,
                    "trusting a certificate");
    return certificates != NULL;
}

struct x509_anchors *x509_anchors_new(const char *client_ca_pem, const char *device_ca_pem)
{
    struct x509_anchors *anchors = calloc(1, sizeof *anchors);

    crypto_must(anchors != NULL, "trusted authorities");
    anchors->store = X509_STORE_new();
    crypto_must(anchors->store != NULL, "trusted authorities");
    if (!trust_all(anchors->store, client_ca_pem) || !trust_all(anchors->store, device_ca_pem)) {
        x509_anchors_free(anchors);
        return NULL;
    }
    AUTO(release_certificates) STACK_OF(X509) *device = read_certificates(device_ca_pem);
    anchors->has_device_ca = sk_X509_num(device) > 0;
    if (anchors->has_device_ca)
        hash_key(sk_X509_value(device, 0), anchors->device_key);
    return anchors;
}

void x509_anchors_free(struct x509_anchors *anchors)
{
    if (anchors == NULL)
        return;
    X509_STORE_free(anchors->store);
    free(anchors);
}

/*
 * Keys are revoked by the hash of their encoding, so each has one only: RSA as DER has it, a curve
 * by its name and a point not compressed.
 */
static bool is_rsa_encoded_well(X509 *certificate, EVP_PKEY *key)
{
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(certificate);
    X509_ALGOR *algorithm = NULL;
    int parameter = V_ASN1_UNDEF;
    uint8_t *canonical = NULL;

    if (X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(certificate)) !=
        1)
        return false;
    X509_ALGOR_get0(NULL, &parameter, NULL, algorithm);
    int size = i2d_PublicKey(key, &canonical);
    bool good = parameter == V_ASN1_NULL && size > 0 && size == ASN1_STRING_length(bits) &&
                memcmp(canonical, ASN1_STRING_get0_data(bits), (size_t)size) == 0;
    OPENSSL_free(canonical);
    return good;
}

static const char *check_rsa_key(X509 *certificate, EVP_PKEY *key)
{
    if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN || EVP_PKEY_get_bits(key) > RSA_BITS_MAX)
        return "RSA key must have 2048 to 8192 bits";
    if (!is_rsa_encoded_well(certificate, key))
        return "RSA key must be encoded as DER";
    return NULL;
}

static const char *check_ec_key(X509 *certificate, EVP_PKEY *key)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    const ASN1_BIT_STRING *point = X509_get0_pubkey_bitstr(certificate);
    char name[32] = "";
    int is_explicit = 1;

    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &is_explicit) != 1 ||
        is_explicit != 0)
        return "curve must be given by its name";
    if (EVP_PKEY_get_group_name(key, name, sizeof name, NULL) != 1)
        return "curve is not known";
    if (ASN1_STRING_length(point) < 1 || ASN1_STRING_get0_data(point)[0] != 4)
        return "point of the key must not be compressed";
    for (size_t i = 0; i < ARRAY_LENGTH(curves); i++) {
        if (strcmp(curves[i], name) == 0)
            return NULL;
    }
    return "curve must be P-256, P-384 or P-521";
}

/* NULL: good. */
static const char *check_key(X509 *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);

    if (key == NULL)
        return "key cannot be read";
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return check_rsa_key(certificate, key);
    case EVP_PKEY_EC:
        return check_ec_key(certificate, key);
    case EVP_PKEY_ED25519:
        return NULL;
    default:
        return "key must be RSA, EC or Ed25519";
    }
}

static const char *check_signature(X509 *certificate)
{
    int digest = NID_undef;
    int key = NID_undef;

    if (X509_get_signature_info(certificate, &digest, &key, NULL, NULL) != 1)
        return "signature algorithm is not known";
    if (key == NID_ED25519)
        return NULL;
    if (digest != NID_sha256 && digest != NID_sha384 && digest != NID_sha512)
        return "signature must be made with SHA-256, SHA-384, SHA-512 or Ed25519";
    if (key != NID_rsaEncryption && key != NID_rsassaPss && key != NID_X9_62_id_ecPublicKey)
        return "signature must be made with RSA, EC or Ed25519";
    return NULL;
}

/* RFC 5280, 4.1.2.2. */
static bool has_serial(X509 *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    int length = ASN1_STRING_length(serial);
    int64_t value = 1;

    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || length > SERIAL_SIZE_MAX)
        return false;
    return length > 8 || ASN1_INTEGER_get_int64(&value, serial) != 1 || value > 0;
}

static bool has_extension_twice(X509 *certificate)
{
    for (int i = 0; i < X509_get_ext_count(certificate); i++) {
        const ASN1_OBJECT *name = X509_EXTENSION_get_object(X509_get_ext(certificate, i));
        if (X509_get_ext_by_OBJ(certificate, name, i) >= 0)
            return true;
    }
    return false;
}

static const char *check_leaf(X509 *leaf)
{
    uint32_t flags = X509_get_extension_flags(leaf);
    uint32_t usage = X509_get_key_usage(leaf); /* all when there is none */

    if (has_extension_twice(leaf))
        return "certificate must not have an extension twice";
    if ((flags & EXFLAG_INVALID) != 0)
        return "extensions cannot be read";
    if (X509_get_version(leaf) != X509_VERSION_3)
        return "certificate must be of version 3";
    if (!has_serial(leaf))
        return "serial number must be positive and of 20 bytes at most";
    if ((flags & EXFLAG_CA) != 0 || ((flags & EXFLAG_KUSAGE) != 0 && (usage & KU_KEY_CERT_SIGN)))
        return "certificate must not be an authority's";
    if ((flags & EXFLAG_XKUSAGE) == 0 || (X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT) == 0)
        return "extended key usage must have clientAuth";
    if ((usage & KU_DIGITAL_SIGNATURE) == 0)
        return "key usage must have digitalSignature";
    return NULL;
}

static const char *read_uri(X509 *leaf, char uri[X509_URI_MAX + 1])
{
    AUTO(release_names)
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    const ASN1_STRING *only = NULL;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_URI)
            continue;
        if (only != NULL)
            return "certificate must have one URI only";
        only = value;
    }
    if (only == NULL)
        return "certificate must have a URI";
    size_t length = (size_t)ASN1_STRING_length(only);
    const unsigned char *text = ASN1_STRING_get0_data(only);
    if (length == 0 || length > X509_URI_MAX)
        return "URI must have 1 to 255 bytes";
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return "URI must be printable ASCII";
    }
    memcpy(uri, text, length);
    uri[length] = '\0';
    return NULL;
}

static int64_t time_us(const ASN1_TIME *time)
{
    struct tm parts = {0};

    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return 0;
    return (int64_t)timegm(&parts) * US_PER_SECOND;
}

static void judge(struct x509_judgement *judgement, enum x509_fault fault, const char *rule)
{
    judgement->fault = fault;
    judgement->rule = rule;
}

/* The path as OpenSSL found it, leaf first. */
static void judge_path(const struct x509_anchors *anchors, STACK_OF(X509) * path,
                       struct x509_judgement *judgement)
{
    int count = sk_X509_num(path);

    if (count > X509_PATH_MAX) {
        judge(judgement, X509_UNTRUSTED, "path to the authority is too long");
        return;
    }
    judgement->key_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        X509 *certificate = sk_X509_value(path, i);
        int64_t not_before_us = time_us(X509_get0_notBefore(certificate));
        int64_t not_after_us = time_us(X509_get0_notAfter(certificate));
        /* What the authority signed itself with says nothing. */
        const char *rule = check_key(certificate);
        if (rule == NULL && i + 1 < count)
            rule = check_signature(certificate);
        if (rule != NULL) {
            judge(judgement, X509_UNFIT, rule);
            return;
        }
        hash_key(certificate, judgement->keys[i]);
        if (i == 0 || not_before_us > judgement->not_before_us)
            judgement->not_before_us = not_before_us;
        if (i == 0 || not_after_us < judgement->not_after_us)
            judgement->not_after_us = not_after_us;
    }
    judgement->from_device_ca =
        anchors->has_device_ca &&
        memcmp(judgement->keys[count - 1], anchors->device_key, SHA256_SIZE) == 0;
}

static bool is_about_time(int error)
{
    return error == X509_V_ERR_CERT_NOT_YET_VALID || error == X509_V_ERR_CERT_HAS_EXPIRED;
}

static void verify(const struct x509_anchors *anchors, X509 *leaf, STACK_OF(X509) * sent,
                   int64_t now_us, struct x509_judgement *judgement)
{
    AUTO(release_context) X509_STORE_CTX *context = X509_STORE_CTX_new();

    crypto_must(context != NULL && X509_STORE_CTX_init(context, anchors->store, leaf, sent) == 1 &&
                    X509_STORE_CTX_set_default(context, "ssl_client") == 1,
                "verifying a certificate");
    X509_VERIFY_PARAM *wish = X509_STORE_CTX_get0_param(context);
    /* As gRPC does: whatever the configured file has is believed, a root or not. */
    X509_VERIFY_PARAM_set_flags(wish, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    X509_VERIFY_PARAM_set_auth_level(wish, AUTH_LEVEL);
    X509_VERIFY_PARAM_set_depth(wish, X509_PATH_MAX);
    X509_VERIFY_PARAM_set_time(wish, (time_t)(now_us / US_PER_SECOND));
    if (X509_verify_cert(context) == 1) {
        judge_path(anchors, X509_STORE_CTX_get0_chain(context), judgement);
        return;
    }
    int error = X509_STORE_CTX_get_error(context);
    judge(judgement, is_about_time(error) ? X509_UNTIMELY : X509_UNTRUSTED,
          X509_verify_cert_error_string(error));
}

void x509_judge(const struct x509_anchors *anchors, const char *leaf_pem, const char *chain_pem,
                int64_t now_us, struct x509_judgement *judgement)
{
    *judgement = (struct x509_judgement){.fault = X509_FIT, .rule = ""};
    AUTO(release_certificates) STACK_OF(X509) *leafs = read_certificates(leaf_pem);
    AUTO(release_certificates) STACK_OF(X509) *sent = read_certificates(chain_pem);
    if (sk_X509_num(leafs) != 1 || sent == NULL) {
        judge(judgement, X509_UNFIT, "certificate cannot be read");
        return;
    }

    X509 *leaf = sk_X509_value(leafs, 0);
    unsigned hash_size = SHA256_SIZE;
    crypto_must(X509_digest(leaf, EVP_sha256(), judgement->hash, &hash_size) == 1,
                "hash of a certificate");
    const char *unfit = check_leaf(leaf);
    const char *nameless = read_uri(leaf, judgement->uri);
    if (unfit != NULL)
        judge(judgement, X509_UNFIT, unfit);
    else
        verify(anchors, leaf, sent, now_us, judgement);
    if (judgement->fault == X509_FIT && nameless != NULL)
        judge(judgement, X509_NAMELESS, nameless);
    ERR_clear_error();
}
