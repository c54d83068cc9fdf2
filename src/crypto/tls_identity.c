/*
 * Checks of a server's certificate, key and trust anchors.  Says nothing about times: a certificate
 * that has expired is served, and whoever reads the monitoring sees it.
 */

#include "crypto/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/attributes.h"
#include "crypto/openssl.h"

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
