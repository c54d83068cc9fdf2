/*
 * Do the PEM files of a TLS server fit together?  Asked before they are served, because gRPC takes
 * whatever it is given and then fails each handshake.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At least one certificate, and nothing that cannot be read. */
bool tls_certificate_check(const char *certificate_pem, char *problem, size_t problem_size);

/* The key is that of the first certificate, which tls_certificate_check has found good. */
bool tls_identity_check(const char *certificate_pem, const char *key_pem, char *problem,
                        size_t problem_size);

/* At least one certificate, and nothing that cannot be read. */
bool tls_anchors_check(const char *ca_pem, char *problem, size_t problem_size);

struct tls_expiry {
    char fingerprint[17]; /* SHA-256 of the DER, its first 8 bytes in hex: which one it is */
    int64_t not_after_us;
};

/* Of each certificate of the text, `max` at most; how many there are. */
size_t tls_expiries(const char *pem, struct tls_expiry *list, size_t max);
