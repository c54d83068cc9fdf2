/*
 * The certificate is looked at when the handshake ends: what no call could make good gets no
 * connection, so that not a byte of its HTTP/2 is read.
 */
#pragma once

#include <grpc/grpc_security.h>

#include "rpc/peer.h"

struct peer_door;

/* Both outlive it. */
struct peer_door *peer_door_open(const struct house *house, struct peers *peers);

/* After gRPC has let go of all that was made with the verifier.  NULL is allowed. */
void peer_door_close(struct peer_door *door);

/* For the options of the server's credentials.  Stays the door's. */
grpc_tls_certificate_verifier *peer_door_verifier(const struct peer_door *door);
