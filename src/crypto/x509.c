/*
 * Certificates over OpenSSL.  Nothing here decides who gets one: auth/ and the command line do.
 */

#include "crypto/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/random.h"
#include "base/time.h"
#include "crypto/must.h"
#include "crypto/openssl.h"
#include "crypto/openssl_key.h"

#define SERIAL_SIZE 16

static void release_extension(X509_EXTENSION **extension)
{
    X509_EXTENSION_free(*extension);
}

static void release_names(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
}

static X509 *read_pem(const char *pem)
{
    AUTO(release_bio) BIO *bio = bio_read(pem);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    ERR_clear_error(); /* the thread also serves TLS, which looks at its queue of errors */
    return certificate;
}

static char *write_pem(struct arena *arena, X509 *certificate)
{
    AUTO(release_bio) BIO *bio = BIO_new(BIO_s_mem());
    crypto_must(bio != NULL && PEM_write_bio_X509(bio, certificate) == 1, "writing a certificate");
    return bio_text(arena, bio);
}

static void set_serial(X509 *certificate, const struct random *random)
{
    uint8_t serial[SERIAL_SIZE];
    random_fill(random, serial, sizeof(serial));
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and of one length */
    AUTO(release_number) BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    crypto_must(number != NULL &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL,
                "serial number");
}

static void set_times(X509 *certificate, int64_t not_before_us, int64_t not_after_us)
{
    time_t not_before = (time_t)(not_before_us / US_PER_SECOND);
    time_t not_after = (time_t)(not_after_us / US_PER_SECOND);
    crypto_must(ASN1_TIME_set(X509_getm_notBefore(certificate), not_before) != NULL &&
                    ASN1_TIME_set(X509_getm_notAfter(certificate), not_after) != NULL,
                "times of a certificate");
}

static void set_name(X509_NAME *name, const char *common_name)
{
    crypto_must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)common_name, -1, -1, 0) == 1,
                "name of a certificate");
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    AUTO(release_extension)
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    crypto_must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1,
                "extension of a certificate");
}

/* False when `ip_address` is none. */
static bool add_alternative_name(GENERAL_NAMES *names, int type, const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    crypto_must(name != NULL, "alternative name");
    void *value;
    if (type == GEN_IPADD) {
        value = a2i_IPADDRESS(text);
        ERR_clear_error();
        if (value == NULL) {
            GENERAL_NAME_free(name);
            return false;
        }
    } else {
        ASN1_IA5STRING *string = ASN1_IA5STRING_new();
        crypto_must(string != NULL && ASN1_STRING_set(string, text, -1) == 1, "alternative name");
        value = string;
    }
    GENERAL_NAME_set0_value(name, type, value);
    crypto_must(sk_GENERAL_NAME_push(names, name) > 0, "alternative name");
    return true;
}

static bool add_alternative_names(X509 *certificate, const struct certificate_wish *wish)
{
    AUTO(release_names) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    crypto_must(names != NULL, "alternative names");
    if (wish->spiffe_id != NULL && !add_alternative_name(names, GEN_URI, wish->spiffe_id))
        return false;
    if (wish->dns_name != NULL && !add_alternative_name(names, GEN_DNS, wish->dns_name))
        return false;
    if (wish->ip_address != NULL && !add_alternative_name(names, GEN_IPADD, wish->ip_address))
        return false;
    if (sk_GENERAL_NAME_num(names) > 0)
        crypto_must(
            X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1,
            "alternative names");
    return true;
}

static X509 *new_certificate(const struct random *random, const struct ec_key *owner,
                             const char *common_name, int64_t not_before_us, int64_t not_after_us)
{
    X509 *certificate = X509_new();
    crypto_must(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
                    X509_set_pubkey(certificate, ec_key_pkey(owner)) == 1,
                "making a certificate");
    set_serial(certificate, random);
    set_times(certificate, not_before_us, not_after_us);
    set_name(X509_get_subject_name(certificate), common_name);
    return certificate;
}

char *x509_make_ca(struct arena *arena, const struct random *random, const struct ec_key *key,
                   const char *common_name, int64_t not_before_us, int64_t not_after_us)
{
    AUTO(release_certificate)
    X509 *certificate = new_certificate(random, key, common_name, not_before_us, not_after_us);
    crypto_must(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1,
                "issuer of a certificate");
    add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
    crypto_must(X509_sign(certificate, ec_key_pkey(key), EVP_sha256()) > 0,
                "signing a certificate");
    return write_pem(arena, certificate);
}

char *x509_issue(struct arena *arena, const struct random *random, const char *ca_pem,
                 const struct ec_key *ca_key, const struct ec_key *owner,
                 const struct certificate_wish *wish)
{
    AUTO(release_certificate) X509 *issuer = read_pem(ca_pem);
    bool matches = issuer != NULL && X509_check_private_key(issuer, ec_key_pkey(ca_key)) == 1;
    ERR_clear_error();
    if (!matches)
        return NULL;

    AUTO(release_certificate)
    X509 *certificate =
        new_certificate(random, owner, wish->common_name, wish->not_before_us, wish->not_after_us);
    crypto_must(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1,
                "issuer of a certificate");
    add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate, issuer, NID_ext_key_usage,
                  wish->use == CERTIFICATE_SERVER ? "serverAuth" : "clientAuth");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
    if (!add_alternative_names(certificate, wish))
        return NULL;
    crypto_must(X509_sign(certificate, ec_key_pkey(ca_key), EVP_sha256()) > 0,
                "signing a certificate");
    return write_pem(arena, certificate);
}

static const char *only_uri(struct arena *arena, X509 *certificate)
{
    AUTO(release_names)
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char *uri = "";
    int uri_count = 0;

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_URI)
            continue;
        uri_count++;
        uri = arena_strndup(arena, (const char *)ASN1_STRING_get0_data(value),
                            (size_t)ASN1_STRING_length(value));
    }
    return uri_count == 1 ? uri : "";
}

/* False: OpenSSL parses a certificate whose times are none. */
static bool names_a_host(X509 *certificate)
{
    AUTO(release_names)
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        (void)GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        found = found || type == GEN_DNS || type == GEN_IPADD;
    }
    return found;
}

static bool read_time(const ASN1_TIME *time, int64_t *time_us)
{
    struct tm parts = {0};

    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        ERR_clear_error();
        return false;
    }
    *time_us = (int64_t)timegm(&parts) * US_PER_SECOND;
    return true;
}

bool x509_read(struct arena *arena, const char *pem, struct certificate *certificate)
{
    AUTO(release_certificate) X509 *x509 = read_pem(pem);
    if (x509 == NULL)
        return false;

    uint8_t *spki = NULL;
    int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    crypto_must(spki_size > 0, "key of a certificate");
    sha256(spki, (size_t)spki_size, certificate->spki_hash);
    OPENSSL_free(spki);

    unsigned hash_size = SHA256_SIZE;
    crypto_must(X509_digest(x509, EVP_sha256(), certificate->hash, &hash_size) == 1,
                "hash of a certificate");
    certificate->spiffe_id = only_uri(arena, x509);
    certificate->is_ca = X509_check_ca(x509) == 1;
    certificate->names_a_host = names_a_host(x509);
    return read_time(X509_get0_notBefore(x509), &certificate->not_before_us) &&
           read_time(X509_get0_notAfter(x509), &certificate->not_after_us);
}

bool x509_is_issued_by(const char *pem, const char *ca_pem)
{
    AUTO(release_certificate) X509 *certificate = read_pem(pem);
    AUTO(release_certificate) X509 *issuer = read_pem(ca_pem);
    bool issued = certificate != NULL && issuer != NULL &&
                  X509_check_issued(issuer, certificate) == X509_V_OK &&
                  X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
    ERR_clear_error();
    return issued;
}
