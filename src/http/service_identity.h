/*
 * Certificate chain and key of a service, as GnuTLS has them.  Handshakes borrow the one in use;
 * one that was replaced is kept until no handshake can have it any more.  Any thread.
 */
#pragma once

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/listener.h"

struct service_identity;

/* `keep_us`: how long a handshake may take at most. */
struct service_identity *service_identity_open(int64_t keep_us);
/* No handshake runs any more.  NULL is allowed. */
void service_identity_close(struct service_identity *identity);

/* False and one line in `problem`: what is in use stays. */
bool service_identity_take(struct service_identity *identity, const char *certificate_pem,
                           const char *key_pem, char problem[HTTP_PROBLEM_SIZE]);
bool service_identity_load(struct service_identity *identity, const char *certificate_file,
                           const char *key_file, char problem[HTTP_PROBLEM_SIZE]);

/* False before the first one was taken. */
bool service_identity_lend(struct service_identity *identity, gnutls_pcert_st **chain,
                           unsigned *length, gnutls_privkey_t *key);

/* Wall time; 0: none was taken. */
int64_t service_identity_end_us(struct service_identity *identity);
