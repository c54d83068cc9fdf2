/*
 * What the files of this room share about OpenSSL: releases for AUTO, and text in and out of a BIO.
 */
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/arena.h"

static inline void release_bio(BIO **bio)
{
    BIO_free_all(*bio);
}

static inline void release_number(BIGNUM **number)
{
    BN_free(*number);
}

static inline void release_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static inline void release_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

/* Reads from the text, which stays the caller's. */
BIO *bio_read(const char *text);

/* What was written to a BIO in memory; ends the process when nothing was. */
char *bio_text(struct arena *arena, BIO *bio);

/* For PEM_read_bio_…: no password is asked for on a terminal. */
int no_password(char *buffer, int size, int writing, void *arg);
