/*
 * Checks of a server's certificate, key and trust anchors.  Says nothing about times: a certificate
 * that has expired is served, and whoever reads the monitoring sees it.
 */

#include "crypto/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/attributes.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/must.h"
#include "crypto/openssl.h"
#include "crypto/secrets.h"

static void release_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static bool say(char *problem, size_t problem_size, const char *what)
{
    ERR_clear_error();
    snprintf(problem, problem_size, "%s", what);
    return false;
}

/* Reads certificates to the end of the text; -1 when something there is none. */
static int count_certificates(BIO *bio)
{
    for (int count = 0;; count++) {
        AUTO(release_certificate)
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (certificate == NULL) {
            bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            ERR_clear_error();
            return at_end ? count : -1;
        }
    }
}

bool tls_certificate_check(const char *certificate_pem, char *problem, size_t problem_size)
{
    AUTO(release_bio) BIO *bio = bio_read(certificate_pem);

    if (count_certificates(bio) < 1)
        return say(problem, problem_size, "server certificate is not PEM, leaf and chain");
    return true;
}

bool tls_identity_check(const char *certificate_pem, const char *key_pem, char *problem,
                        size_t problem_size)
{
    AUTO(release_bio) BIO *certificate_bio = bio_read(certificate_pem);
    AUTO(release_bio) BIO *key_bio = bio_read(key_pem);
    AUTO(release_certificate)
    X509 *leaf = PEM_read_bio_X509(certificate_bio, NULL, no_password, NULL);
    AUTO(release_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);

    if (leaf == NULL)
        return say(problem, problem_size, "server certificate is not PEM, leaf and chain");
    if (key == NULL)
        return say(problem, problem_size, "server key is not an unencrypted private key in PEM");
    if (X509_check_private_key(leaf, key) != 1)
        return say(problem, problem_size, "server key is not the key of the server certificate");
    return true;
}

bool tls_anchors_check(const char *ca_pem, char *problem, size_t problem_size)
{
    AUTO(release_bio) BIO *bio = bio_read(ca_pem);

    if (count_certificates(bio) < 1)
        return say(problem, problem_size, "client CA is not PEM, one certificate or more");
    return true;
}

static struct tls_expiry expiry_of(const X509 *certificate)
{
    struct tls_expiry expiry = {.not_after_us = 0};
    struct tm end = {0};
    uint8_t hash[SHA256_SIZE];
    unsigned size = sizeof hash;

    crypto_must(X509_digest(certificate, EVP_sha256(), hash, &size) == 1, "hash of a certificate");
    hex_encode(hash, sizeof expiry.fingerprint / 2, expiry.fingerprint);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
        expiry.not_after_us = (int64_t)timegm(&end) * US_PER_SECOND;
    return expiry;
}

size_t tls_expiries(const char *pem, struct tls_expiry *list, size_t max)
{
    AUTO(release_bio) BIO *bio = bio_read(pem);
    size_t count = 0;

    while (count < max) {
        AUTO(release_certificate)
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (certificate == NULL)
            break;
        list[count++] = expiry_of(certificate);
    }
    ERR_clear_error();
    return count;
}
