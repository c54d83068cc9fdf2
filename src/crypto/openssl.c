/*
 * Text in and out of OpenSSL.
 */

#include "crypto/openssl.h"

#include "crypto/must.h"

BIO *bio_read(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);

    crypto_must(bio != NULL, "reading text");
    return bio;
}

char *bio_text(struct arena *arena, BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);

    crypto_must(size > 0, "writing text");
    return arena_strndup(arena, data, (size_t)size);
}

int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}
