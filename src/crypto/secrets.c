/*
 * The keys of the process: one master key is read once, one key a purpose is derived from it, and
 * the master is wiped.  The derived keys live in a page that is neither swapped nor dumped.
 */

#include "crypto/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/random.h"
#include "base/text.h"
#include "crypto/must.h"

/* The first byte of every sealed value. */
#define SEAL_VERSION   1
#define SEAL_IV_SIZE   12
#define SEAL_TAG_SIZE  16
#define SEAL_HEAD_SIZE (1 + SEAL_IV_SIZE)

struct secrets {
    uint8_t keys[SECRET_PURPOSE_COUNT][SECRET_SIZE];
};

/* Changing a label changes its key: what was sealed under the old one no longer opens. */
static const char *const labels[SECRET_PURPOSE_COUNT] = {
    [SECRET_PAGE_TOKEN] = "dues page token",     [SECRET_REFRESH_TOKEN] = "dues refresh token",
    [SECRET_SEAL_KEYS] = "dues seal keys",       [SECRET_SEAL_ANSWERS] = "dues seal answers",
    [SECRET_SEAL_TOKENS] = "dues seal tokens",   [SECRET_GATEWAY_KEY] = "dues gateway key",
    [SECRET_REQUEST_HASH] = "dues request hash",
};

static void release_kdf(EVP_KDF **kdf)
{
    EVP_KDF_free(*kdf);
}

static void release_kdf_context(EVP_KDF_CTX **context)
{
    EVP_KDF_CTX_free(*context);
}

static void release_cipher(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

static void close_descriptor(const int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
}

/* OpenSSL's parameters are not const, though it only reads them. */
static void derive(uint8_t master[SECRET_SIZE], const char *label, uint8_t key[SECRET_SIZE])
{
    char digest[] = "SHA256";
    char salt[] = "dues";
    char info[32];
    size_t info_size = strlen(label);
    crypto_must(info_size < sizeof(info), "key label");
    memcpy(info, label, info_size);

    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, master, SECRET_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof(salt) - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_size),
        OSSL_PARAM_construct_end(),
    };
    AUTO(release_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    crypto_must(kdf != NULL, "HKDF");
    AUTO(release_kdf_context) EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    crypto_must(context != NULL && EVP_KDF_derive(context, key, SECRET_SIZE, params) == 1, "HKDF");
}

static bool read_master(const char *path, uint8_t master[SECRET_SIZE], char problem[256])
{
    char text[2 * SECRET_SIZE + 3] = "";
    AUTO(close_descriptor) int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        snprintf(problem, 256, "could not open master key file \"%s\": %s", path, strerror(errno));
        return false;
    }

    ssize_t got = read(descriptor, text, sizeof(text) - 1);
    size_t size = got > 0 ? (size_t)got : 0;
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    text[size] = '\0';

    bool good = size == 2 * SECRET_SIZE && hex_decode(text, master, SECRET_SIZE);
    secret_wipe(text, sizeof(text));
    if (!good)
        snprintf(problem, 256, "master key file \"%s\" does not hold 64 hex digits", path);
    return good;
}

struct secrets *secrets_open(const char *master_key_file, char problem[256])
{
    uint8_t master[SECRET_SIZE] = {0};
    if (!read_master(master_key_file, master, problem))
        return NULL;

    struct secrets *secrets =
        mmap(NULL, sizeof(*secrets), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    crypto_must(secrets != MAP_FAILED, "memory for keys");
    /* Best effort: a small RLIMIT_MEMLOCK must not stop the server. */
    (void)mlock(secrets, sizeof(*secrets));
    (void)madvise(secrets, sizeof(*secrets), MADV_DONTDUMP);

    for (size_t i = 0; i < SECRET_PURPOSE_COUNT; i++)
        derive(master, labels[i], secrets->keys[i]);
    secret_wipe(master, sizeof(master));
    return secrets;
}

void secrets_close(struct secrets *secrets)
{
    if (secrets == NULL)
        return;
    secret_wipe(secrets, sizeof(*secrets));
    munmap(secrets, sizeof(*secrets));
}

void secret_hmac(const struct secrets *secrets, enum secret_purpose purpose, const void *bytes,
                 size_t size, uint8_t tag[SHA256_SIZE])
{
    unsigned tag_size = SHA256_SIZE;
    crypto_must(HMAC(EVP_sha256(), secrets->keys[purpose], SECRET_SIZE, bytes, size, tag,
                     &tag_size) != NULL,
                "HMAC");
}

/* OpenSSL counts in int; nothing of ours comes near. */
static int int_size(size_t size)
{
    crypto_must(size <= 1 << 30, "size of a sealed value");
    return (int)size;
}

struct bytes secret_seal(const struct secrets *secrets, enum secret_purpose purpose,
                         struct arena *arena, const struct random *random, const char *context,
                         const void *plain, size_t size)
{
    size_t sealed_size = SEAL_HEAD_SIZE + size + SEAL_TAG_SIZE;
    uint8_t *sealed = arena_alloc(arena, sealed_size);
    uint8_t *iv = sealed + 1;
    uint8_t *body = sealed + SEAL_HEAD_SIZE;
    sealed[0] = SEAL_VERSION;
    random_fill(random, iv, SEAL_IV_SIZE);

    AUTO(release_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written = 0;
    bool worked =
        cipher != NULL &&
        EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, secrets->keys[purpose], iv) == 1 &&
        EVP_EncryptUpdate(cipher, NULL, &written, sealed, 1) == 1 &&
        EVP_EncryptUpdate(cipher, NULL, &written, (const uint8_t *)context,
                          int_size(strlen(context))) == 1 &&
        EVP_EncryptUpdate(cipher, body, &written, plain, int_size(size)) == 1 &&
        EVP_EncryptFinal_ex(cipher, body + size, &written) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_SIZE, body + size) == 1;
    crypto_must(worked, "AES-256-GCM");
    return (struct bytes){sealed, sealed_size};
}

bool secret_open(const struct secrets *secrets, enum secret_purpose purpose, struct arena *arena,
                 const char *context, const void *sealed, size_t size, struct bytes *plain)
{
    const uint8_t *bytes = sealed;
    if (size < SEAL_HEAD_SIZE + SEAL_TAG_SIZE || bytes[0] != SEAL_VERSION)
        return false;

    size_t plain_size = size - SEAL_HEAD_SIZE - SEAL_TAG_SIZE;
    uint8_t *out = arena_alloc(arena, plain_size + 1);
    uint8_t tag[SEAL_TAG_SIZE];
    memcpy(tag, bytes + size - SEAL_TAG_SIZE, sizeof(tag));

    AUTO(release_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written = 0;
    bool ready = cipher != NULL &&
                 EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, secrets->keys[purpose],
                                    bytes + 1) == 1 &&
                 EVP_DecryptUpdate(cipher, NULL, &written, bytes, 1) == 1 &&
                 EVP_DecryptUpdate(cipher, NULL, &written, (const uint8_t *)context,
                                   int_size(strlen(context))) == 1 &&
                 EVP_DecryptUpdate(cipher, out, &written, bytes + SEAL_HEAD_SIZE,
                                   int_size(plain_size)) == 1 &&
                 EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, SEAL_TAG_SIZE, tag) == 1;
    crypto_must(ready, "AES-256-GCM");
    if (EVP_DecryptFinal_ex(cipher, out + plain_size, &written) != 1) {
        secret_wipe(out, plain_size);
        return false;
    }
    *plain = (struct bytes){out, plain_size};
    return true;
}
