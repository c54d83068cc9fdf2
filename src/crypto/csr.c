/*
 * Certificate signing requests.  Of a request only the key counts, once the request's own signature
 * has shown that whoever sent it holds the private half.
 */

#include "crypto/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/must.h"
#include "crypto/openssl.h"
#include "crypto/openssl_key.h"

static void release_request(X509_REQ **request)
{
    X509_REQ_free(*request);
}

char *csr_make(struct arena *arena, const struct ec_key *key, const char *common_name)
{
    AUTO(release_request) X509_REQ *request = X509_REQ_new();
    AUTO(release_bio) BIO *bio = BIO_new(BIO_s_mem());
    crypto_must(
        request != NULL && bio != NULL && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
            X509_REQ_set_pubkey(request, ec_key_pkey(key)) == 1 &&
            X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
                                       (const unsigned char *)common_name, -1, -1, 0) == 1 &&
            X509_REQ_sign(request, ec_key_pkey(key), EVP_sha256()) > 0 &&
            PEM_write_bio_X509_REQ(bio, request) == 1,
        "making a certificate request");
    return bio_text(arena, bio);
}

static struct ec_key *read_request(const char *pem, const char **problem)
{
    AUTO(release_bio) BIO *bio = bio_read(pem);
    AUTO(release_request)
    X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL);
    if (request == NULL) {
        *problem = "it is not a certificate signing request in PEM";
        return NULL;
    }

    /* The curve first: verifying with a huge RSA key is work that a stranger would set us. */
    EVP_PKEY *pkey = X509_REQ_get_pubkey(request);
    struct ec_key *key = ec_key_adopt(pkey);
    if (key == NULL) {
        *problem = "its key is not on the curve P-256";
        return NULL;
    }
    if (X509_REQ_verify(request, ec_key_pkey(key)) != 1) {
        ec_key_free(key);
        *problem = "its signature does not verify with its own key";
        return NULL;
    }
    return key;
}

struct ec_key *csr_read(const char *pem, char problem[128])
{
    const char *why = "";
    struct ec_key *key = read_request(pem, &why);
    ERR_clear_error();
    if (key == NULL)
        snprintf(problem, 128, "%s", why);
    return key;
}
