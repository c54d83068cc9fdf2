/*
 * Who is behind a certificate: judged once (crypto/x509_peer.h), remembered, and asked again for
 * every call, so that a call costs a look-up.
 *
 *   handshake ──► peers_look      good enough for a connection?
 *   every call ─► peers_look      still? and who is it
 *
 * A connection may outlive what its certificate was worth.  So what is remembered is judged anew
 * when the trusted authorities change or a key is revoked, and its times are compared with now.
 */
#pragma once

#include "base/call.h"
#include "base/measure.h"
#include "crypto/x509_peer.h"
#include "rpc/deny_list.h"

struct peers;

/* Both outlive it. */
struct peers *peers_open(const struct house *house, struct deny_list *denied);
void peers_close(struct peers *peers);

/* Who is trusted from now on.  Takes the anchors over. */
void peers_trust(struct peers *peers, struct x509_anchors *anchors);

/* What TLS gives; PEM, not terminated. */
struct peer_evidence {
    const char *leaf;
    size_t leaf_size;
    const char *chain; /* what the peer sent besides; none on a resumed session */
    size_t chain_size;
};

enum peer_verdict {
    PEER_GOOD,
    PEER_NAMELESS, /* no identity of ours: CERTIFICATE_IDENTITY_INVALID */
    PEER_REFUSED,  /* breaks a rule: CERTIFICATE_NOT_ACCEPTED */
    PEER_UNTIMELY, /* CERTIFICATE_EXPIRED */
    PEER_REVOKED,  /* CERTIFICATE_REVOKED */
};
#define PEER_VERDICTS 5

/*
 * Safe from any thread, never waits for anything but a mutex.  With an `arena`, `*caller` is told
 * as much as the certificate says of kind, name, URI and hash; only PEER_GOOD says all of it, and
 * only then it may be believed.  `*rule` is what is broken, for people: static text.
 */
enum peer_verdict peers_look(struct peers *peers, const struct peer_evidence *evidence,
                             int64_t now_us, struct arena *arena, struct caller *caller,
                             const char **rule);

void peers_measure(struct peers *peers, struct measures *out);
