/*
 * ECDSA on P-256 over OpenSSL: key handling, and the fixed-size signatures of JOSE, which OpenSSL
 * does not write itself.
 */

#include "crypto/es256.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/text.h"
#include "crypto/must.h"
#include "crypto/openssl.h"
#include "crypto/openssl_key.h"
#include "crypto/secrets.h"

struct ec_key {
    EVP_PKEY *pkey;
};

/* Half of the group's order n, rounded down: SEC 2 §2.4.2. */
static const uint8_t half_order[ES256_COORDINATE_SIZE] = {
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
};
static const uint8_t order[ES256_COORDINATE_SIZE] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static void release_signature(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

static void release_pkey_context(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

EVP_PKEY *ec_key_pkey(const struct ec_key *key)
{
    return key->pkey;
}

struct ec_key *ec_key_adopt(EVP_PKEY *pkey)
{
    char group[32] = "";
    bool good = pkey != NULL && EVP_PKEY_is_a(pkey, "EC") == 1 &&
                EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
                strcmp(group, "prime256v1") == 0;
    if (!good) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    struct ec_key *key = calloc(1, sizeof(*key));
    crypto_must(key != NULL, "memory for a key");
    key->pkey = pkey;
    return key;
}

struct ec_key *ec_key_make(void)
{
    struct ec_key *key = ec_key_adopt(EVP_EC_gen("P-256"));
    crypto_must(key != NULL, "making a key on P-256");
    return key;
}

void ec_key_free(struct ec_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

void ec_key_auto_free(struct ec_key **key)
{
    ec_key_free(*key);
    *key = NULL;
}

char *ec_key_to_pem(struct arena *arena, const struct ec_key *key)
{
    AUTO(release_bio) BIO *bio = BIO_new(BIO_s_secmem());
    crypto_must(bio != NULL &&
                    PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1,
                "writing a private key");
    return bio_text(arena, bio);
}

struct ec_key *ec_key_from_pem(const char *pem)
{
    AUTO(release_bio) BIO *bio = bio_read(pem);
    struct ec_key *key = ec_key_adopt(PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL));
    ERR_clear_error();
    return key;
}

struct ec_key *ec_key_from_point(const uint8_t x[ES256_COORDINATE_SIZE],
                                 const uint8_t y[ES256_COORDINATE_SIZE])
{
    uint8_t point[1 + 2 * ES256_COORDINATE_SIZE] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(point + 1, x, ES256_COORDINATE_SIZE);
    memcpy(point + 1 + ES256_COORDINATE_SIZE, y, ES256_COORDINATE_SIZE);
    char group[] = "prime256v1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };

    AUTO(release_pkey_context)
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    crypto_must(context != NULL && EVP_PKEY_fromdata_init(context) == 1, "reading a public key");
    EVP_PKEY *pkey = NULL;
    struct ec_key *key = NULL;
    if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
        key = ec_key_adopt(pkey);
    ERR_clear_error();
    return key;
}

static void write_number(const BIGNUM *number, uint8_t out[ES256_COORDINATE_SIZE])
{
    crypto_must(BN_bn2binpad(number, out, ES256_COORDINATE_SIZE) == ES256_COORDINATE_SIZE,
                "writing a number");
}

void ec_key_point(const struct ec_key *key, uint8_t x[ES256_COORDINATE_SIZE],
                  uint8_t y[ES256_COORDINATE_SIZE])
{
    AUTO(release_number) BIGNUM *x_number = NULL;
    AUTO(release_number) BIGNUM *y_number = NULL;
    crypto_must(EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x_number) == 1 &&
                    EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y_number) == 1,
                "coordinates of a key");
    write_number(x_number, x);
    write_number(y_number, y);
}

/* The members in alphabetic order without blanks: RFC 7638 §3. */
void ec_key_thumbprint(const struct ec_key *key, char text[ES256_THUMBPRINT_SIZE])
{
    uint8_t x[ES256_COORDINATE_SIZE];
    uint8_t y[ES256_COORDINATE_SIZE];
    ec_key_point(key, x, y);

    AUTO(arena_auto_free) struct arena *arena = arena_new(4096);
    char *json =
        arena_printf(arena, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                     base64url_encode(arena, x, sizeof(x)), base64url_encode(arena, y, sizeof(y)));
    uint8_t hash[SHA256_SIZE];
    sha256(json, strlen(json), hash);
    snprintf(text, ES256_THUMBPRINT_SIZE, "%s", base64url_encode(arena, hash, sizeof(hash)));
}

bool es256_has_small_s(const uint8_t signature[ES256_SIGNATURE_SIZE])
{
    return memcmp(signature + ES256_COORDINATE_SIZE, half_order, sizeof(half_order)) <= 0;
}

static void make_s_small(uint8_t signature[ES256_SIGNATURE_SIZE])
{
    if (es256_has_small_s(signature))
        return;
    uint8_t *s = signature + ES256_COORDINATE_SIZE;
    int borrow = 0;
    for (size_t i = ES256_COORDINATE_SIZE; i-- > 0;) {
        int digit = order[i] - s[i] - borrow;
        borrow = digit < 0;
        s[i] = (uint8_t)(digit & 0xff);
    }
}

void es256_sign(const struct ec_key *key, const void *bytes, size_t size,
                uint8_t signature[ES256_SIGNATURE_SIZE])
{
    uint8_t der[128];
    size_t der_size = sizeof(der);
    AUTO(release_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    crypto_must(context != NULL &&
                    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                    EVP_DigestSign(context, der, &der_size, bytes, size) == 1,
                "signing");

    const uint8_t *cursor = der;
    AUTO(release_signature)
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &cursor, (long)der_size);
    crypto_must(pair != NULL, "reading a signature");
    write_number(ECDSA_SIG_get0_r(pair), signature);
    write_number(ECDSA_SIG_get0_s(pair), signature + ES256_COORDINATE_SIZE);
    make_s_small(signature);
}

/* One DER INTEGER: leading zeros go, a set top bit gets one back. */
static size_t write_der_integer(const uint8_t number[ES256_COORDINATE_SIZE], uint8_t *out)
{
    size_t skip = 0;
    while (skip < ES256_COORDINATE_SIZE - 1 && number[skip] == 0)
        skip++;
    size_t pad = number[skip] >> 7;
    size_t size = ES256_COORDINATE_SIZE - skip + pad;
    out[0] = 0x02;
    out[1] = (uint8_t)size;
    out[2] = 0;
    memcpy(out + 2 + pad, number + skip, ES256_COORDINATE_SIZE - skip);
    return 2 + size;
}

bool es256_verify(const struct ec_key *key, const void *bytes, size_t size,
                  const uint8_t signature[ES256_SIGNATURE_SIZE])
{
    uint8_t der[2 + 2 * (2 + 1 + ES256_COORDINATE_SIZE)];
    size_t length = write_der_integer(signature, der + 2);
    length += write_der_integer(signature + ES256_COORDINATE_SIZE, der + 2 + length);
    der[0] = 0x30;
    der[1] = (uint8_t)length;

    AUTO(release_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    crypto_must(context != NULL &&
                    EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->pkey) == 1,
                "verifying");
    bool verified = EVP_DigestVerify(context, der, 2 + length, bytes, size) == 1;
    ERR_clear_error(); /* the thread also serves TLS, which looks at its queue of errors */
    return verified;
}
