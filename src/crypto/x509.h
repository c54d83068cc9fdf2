/*
 * Certificates: a certificate authority, the leaves that it issues, and requests for them.  All
 * keys are on P-256, all text is PEM, all times are wall time.
 *
 * A leaf names its owner by exactly one URI, its SPIFFE identity; a server's leaf also by DNS name
 * and address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "crypto/es256.h"
#include "crypto/secrets.h"

struct random;

enum certificate_use { CERTIFICATE_CLIENT, CERTIFICATE_SERVER };

struct certificate_wish {
    enum certificate_use use;
    const char *common_name;
    const char *spiffe_id;  /* NULL: none (servers only) */
    const char *dns_name;   /* NULL: none */
    const char *ip_address; /* NULL: none; "127.0.0.1" or "::1" */
    int64_t not_before_us;
    int64_t not_after_us;
};

/* What can be read off a certificate. */
struct certificate {
    uint8_t hash[SHA256_SIZE];      /* of the DER: RFC 8705 x5t#S256 */
    uint8_t spki_hash[SHA256_SIZE]; /* of its SubjectPublicKeyInfo */
    const char *spiffe_id;          /* its only URI; "" when it has none or several */
    int64_t not_before_us;
    int64_t not_after_us;
    bool is_ca;
    bool names_a_host; /* a DNS name or an address, by which clients know a server */
};

/* A self-signed authority that may issue leaves only.  PEM. */
char *x509_make_ca(struct arena *arena, const struct random *random, const struct ec_key *key,
                   const char *common_name, int64_t not_before_us, int64_t not_after_us);

/*
 * A leaf for `owner` (its public half is enough), signed by the authority.  PEM.  NULL when
 * `ca_pem` cannot be read or is not of `ca_key`, or the wished address is none.
 */
char *x509_issue(struct arena *arena, const struct random *random, const char *ca_pem,
                 const struct ec_key *ca_key, const struct ec_key *owner,
                 const struct certificate_wish *wish);

/* False when it is not the PEM of one certificate. */
bool x509_read(struct arena *arena, const char *pem, struct certificate *certificate);

/* Signed by that authority; says nothing about times. */
bool x509_is_issued_by(const char *pem, const char *ca_pem);

/* A certificate signing request (PKCS#10), as a device makes it.  PEM. */
char *csr_make(struct arena *arena, const struct ec_key *key, const char *common_name);

/*
 * The public key of a request whose own signature verifies; everything else in it is ignored.  NULL
 * and one line in `problem` when it cannot be read, does not verify, or its key is not on P-256.
 */
struct ec_key *csr_read(const char *pem, char problem[128]);
