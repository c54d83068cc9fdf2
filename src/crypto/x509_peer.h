/*
 * May the owner of this certificate be a caller at all, and under which URI?
 *
 * TLS has asked most of it already, once, for the connection, and leaves open what a certificate
 * must be to name somebody.  Here all of it is asked of the certificate by itself, so that the
 * answer can be had again when the trusted authorities change, on connections that are open.
 *
 * A certificate is fit when
 * - it is version 3 with a positive serial number of at most 20 bytes, and has no extension twice;
 * - it is nobody's authority: no CA:TRUE, no keyCertSign;
 * - its extended key usage is there and has clientAuth (anyExtendedKeyUsage is not enough), and its
 *   key usage, where there is one, has digitalSignature;
 * - its key and every key above it is RSA of 2048 bits and more, P-256, P-384, P-521 by name, or
 *   Ed25519, and every signature on the path is of those with SHA-256 and better;
 * - a path leads to a trusted authority: names, path lengths, name constraints and critical
 *   extensions as RFC 5280 wants them;
 * - it has exactly one URI.  The common name is never looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/secrets.h"

/* Certificates between a client's own and its authority's, both counted. */
#define X509_PATH_MAX 6
#define X509_URI_MAX  255

/* Who is believed.  Immutable, so many threads may judge by one. */
struct x509_anchors;

/* Every certificate of both texts is trusted by itself.  NULL when something there is none. */
struct x509_anchors *x509_anchors_new(const char *client_ca_pem, const char *device_ca_pem);
void x509_anchors_free(struct x509_anchors *anchors);

enum x509_fault {
    X509_FIT,
    X509_UNFIT,     /* cannot be read, or breaks a rule of the above */
    X509_UNTRUSTED, /* no path to a trusted authority */
    X509_UNTIMELY,  /* it, or what the path needs, has expired or is not valid yet */
    X509_NAMELESS,  /* not exactly one URI, or one that no text could be */
};

struct x509_judgement {
    enum x509_fault fault;
    const char *rule;           /* which rule is broken, for people; "" when fit.  Static */
    char uri[X509_URI_MAX + 1]; /* "" until exactly one was found */
    uint8_t hash[SHA256_SIZE];  /* of the DER: RFC 8705 x5t#S256 */
    /* SHA-256 of SubjectPublicKeyInfo: its own, then those of the path up to the authority. */
    uint8_t keys[X509_PATH_MAX][SHA256_SIZE];
    size_t key_count;
    /* While all of the path is valid. */
    int64_t not_before_us;
    int64_t not_after_us;
    bool from_device_ca; /* the path ends at the device authority */
};

/*
 * `leaf_pem` is one certificate; `chain_pem` ("" is allowed) what the peer sent besides, in any
 * order.  Costs a few signatures' verification: keep the judgement.
 */
void x509_judge(const struct x509_anchors *anchors, const char *leaf_pem, const char *chain_pem,
                int64_t now_us, struct x509_judgement *judgement);
