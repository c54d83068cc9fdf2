/*
 * The server's certificate and the authority of its clients, read from the configured PEM files and
 * read again when they change.
 */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>

#include "base/house.h"
#include "base/measure.h"
#include "rpc/peer.h"
#include "rpc/server.h"

struct rpc_credentials;

/*
 * `device_ca_pem` (NULL: none) is trusted beside the file.  `peers` are told whom to trust, and
 * asked at every handshake.  NULL and one line in `problem` when a file cannot be read or they do
 * not fit together.
 */
struct rpc_credentials *rpc_credentials_open(const struct house *house, const char *device_ca_pem,
                                             struct peers *peers, char problem[RPC_PROBLEM_SIZE]);

/* Lets gRPC's part go, after the server that uses it was destroyed and before gRPC is shut down. */
void rpc_credentials_release(struct rpc_credentials *credentials);

/* The rest: only then is nobody left who reads the files in memory.  NULL is allowed in both. */
void rpc_credentials_close(struct rpc_credentials *credentials);

/* Stays the credentials'. */
grpc_server_credentials *rpc_credentials_grpc(const struct rpc_credentials *credentials);

/* False and one line in `problem` when the new files do not fit: the old ones stay. */
bool rpc_credentials_reload(struct rpc_credentials *credentials, char problem[RPC_PROBLEM_SIZE]);

/* When what is served and trusted ends. */
void rpc_credentials_measure(struct rpc_credentials *credentials, struct measures *out);
