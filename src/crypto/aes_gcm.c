/*
 * OpenSSL's AES-256-GCM behind two functions, and the derivation of a message's key.
 */

#include "crypto/aes_gcm.h"

#include <pthread.h>

#include <openssl/evp.h>

#include "crypto/must.h"

#define BLOCK_SIZE 16

/* Fetched once: OpenSSL would look them up for every value. */
static struct {
    EVP_CIPHER *gcm;
    EVP_CIPHER *ecb;
} ciphers;
static pthread_once_t ciphers_once = PTHREAD_ONCE_INIT;

static void fetch_ciphers(void)
{
    ciphers.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    ciphers.ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    crypto_must(ciphers.gcm != NULL && ciphers.ecb != NULL, "AES-256");
}

static const EVP_CIPHER *cipher_gcm(void)
{
    pthread_once(&ciphers_once, fetch_ciphers);
    return ciphers.gcm;
}

static const EVP_CIPHER *cipher_ecb(void)
{
    pthread_once(&ciphers_once, fetch_ciphers);
    return ciphers.ecb;
}

static void release_cipher(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

/* OpenSSL counts in int; nothing of ours comes near. */
static int int_size(size_t size)
{
    crypto_must(size <= 1 << 30, "size of a sealed value");
    return (int)size;
}

void aes_gcm_seal(const uint8_t key[AES_KEY_SIZE], const uint8_t iv[AES_GCM_IV_SIZE],
                  struct aes_gcm_bound bound, struct bytes plain, uint8_t *body, uint8_t *tag)
{
    AUTO(release_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written = 0;
    bool works = cipher != NULL && EVP_EncryptInit_ex(cipher, cipher_gcm(), NULL, key, iv) == 1;

    for (size_t i = 0; works && i < bound.count; i++)
        works = EVP_EncryptUpdate(cipher, NULL, &written, bound.pieces[i].data,
                                  int_size(bound.pieces[i].size)) == 1;
    works = works &&
            EVP_EncryptUpdate(cipher, body, &written, plain.data, int_size(plain.size)) == 1 &&
            EVP_EncryptFinal_ex(cipher, body + plain.size, &written) == 1 &&
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, AES_GCM_TAG_SIZE, tag) == 1;
    crypto_must(works, "AES-256-GCM");
}

bool aes_gcm_open(const uint8_t key[AES_KEY_SIZE], const uint8_t iv[AES_GCM_IV_SIZE],
                  struct aes_gcm_bound bound, struct bytes body,
                  const uint8_t tag[AES_GCM_TAG_SIZE], uint8_t *plain)
{
    AUTO(release_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t expected[AES_GCM_TAG_SIZE];
    int written = 0;
    bool ready = cipher != NULL && EVP_DecryptInit_ex(cipher, cipher_gcm(), NULL, key, iv) == 1;

    memcpy(expected, tag, sizeof(expected));
    for (size_t i = 0; ready && i < bound.count; i++)
        ready = EVP_DecryptUpdate(cipher, NULL, &written, bound.pieces[i].data,
                                  int_size(bound.pieces[i].size)) == 1;
    ready = ready &&
            EVP_DecryptUpdate(cipher, plain, &written, body.data, int_size(body.size)) == 1 &&
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, AES_GCM_TAG_SIZE, expected) == 1;
    crypto_must(ready, "AES-256-GCM");
    if (EVP_DecryptFinal_ex(cipher, plain + body.size, &written) == 1)
        return true;
    secret_wipe(plain, body.size);
    return false;
}

/* In GF(2^128), as CMAC makes its first subkey. */
static void doubled(uint8_t block[BLOCK_SIZE])
{
    uint8_t carry = block[0] >> 7;

    for (size_t i = 0; i + 1 < BLOCK_SIZE; i++)
        block[i] = (uint8_t)((block[i] << 1) | (block[i + 1] >> 7));
    block[BLOCK_SIZE - 1] = (uint8_t)((block[BLOCK_SIZE - 1] << 1) ^ (carry * 0x87));
}

/* The one block that CMAC encrypts for the `number`th half of the key. */
static void fill_block(uint8_t block[BLOCK_SIZE], const uint8_t subkey[BLOCK_SIZE], uint8_t number,
                       const uint8_t salt[MESSAGE_SALT_SIZE])
{
    const uint8_t head[4] = {0, number, 'X', 0};

    memcpy(block, head, sizeof(head));
    memcpy(block + sizeof(head), salt, MESSAGE_SALT_SIZE);
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] ^= subkey[i];
}

void aes_message_key(const uint8_t key[AES_KEY_SIZE], const uint8_t salt[MESSAGE_SALT_SIZE],
                     uint8_t message_key[AES_KEY_SIZE])
{
    AUTO(release_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t subkey[BLOCK_SIZE] = {0};
    uint8_t blocks[AES_KEY_SIZE];
    int written = 0;
    bool works = cipher != NULL && EVP_EncryptInit_ex(cipher, cipher_ecb(), NULL, key, NULL) == 1 &&
                 EVP_CIPHER_CTX_set_padding(cipher, 0) == 1 &&
                 EVP_EncryptUpdate(cipher, subkey, &written, subkey, BLOCK_SIZE) == 1;

    crypto_must(works, "AES-256");
    doubled(subkey);
    fill_block(blocks, subkey, 1, salt);
    fill_block(blocks + BLOCK_SIZE, subkey, 2, salt);
    works = EVP_EncryptUpdate(cipher, message_key, &written, blocks, AES_KEY_SIZE) == 1;
    crypto_must(works, "AES-256");
    secret_wipe(subkey, sizeof(subkey));
    secret_wipe(blocks, sizeof(blocks));
}
