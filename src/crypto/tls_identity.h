/*
 * Do the PEM files of a TLS server fit together?  Asked before they are served, because gRPC takes
 * whatever it is given and then fails each handshake.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The first certificate is the leaf, the key is its key, the rest are certificates. */
bool tls_identity_check(const char *certificate_pem, const char *key_pem, char *problem,
                        size_t problem_size);

/* At least one certificate, and nothing that cannot be read. */
bool tls_anchors_check(const char *ca_pem, char *problem, size_t problem_size);
